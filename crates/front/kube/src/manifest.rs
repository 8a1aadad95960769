//! Files of objects, sorted by what they are.

use crate::field::{Field, FieldError, Result};
use base64::Engine as _;
use std::collections::BTreeMap;
use teu_compose::node::Node;

/// Most pods that one play starts.
const PODS_MAX: usize = 256;

/// What a file says, beyond its pods.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// Templates of pods.
    pub pods: Vec<PodTemplate>,
    /// `ConfigMap`s.
    pub config_maps: BTreeMap<String, Data>,
    /// `Secret`s.
    pub secrets: BTreeMap<String, Data>,
    /// `PersistentVolumeClaim`s.
    pub claims: Vec<Claim>,
    /// Objects that mean nothing on one machine.
    pub skipped: Vec<String>,
}

/// A pod to be played, as written.
#[derive(Debug, Clone)]
pub struct PodTemplate {
    /// Name of the pod here.
    pub name: String,
    /// Its metadata.
    pub labels: Vec<(String, String)>,
    /// Its metadata.
    pub annotations: Vec<(String, String)>,
    /// The mapping with `metadata` and `spec`.
    pub node: Node,
    /// Where `spec` is in it, for messages.
    pub prefix: Vec<&'static str>,
    /// What `restartPolicy` is when it is not said; a job's is its own.
    pub restart: &'static str,
}

/// Keys and values.
pub type Data = BTreeMap<String, Vec<u8>>;

/// A claim becomes a volume of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name of the volume.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Manifest {
    /// Adds the documents of one file.
    pub fn add(&mut self, documents: &[Node]) -> Result<()> {
        for node in documents.iter().filter(|node| !node.is_null()) {
            self.add_one(node)?;
        }
        if self.pods.len() > PODS_MAX {
            let first = Field::document(&documents[0]);
            return Err(first.error(format!("more than {PODS_MAX} pods")));
        }
        Ok(())
    }

    fn add_one(&mut self, node: &Node) -> Result<()> {
        let document = Field::document(node);
        let kind = document.need("kind")?.text()?;
        let version = document.need("apiVersion")?.text()?;
        let expected = match kind {
            "Pod" | "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "List" | "Service" => "v1",
            "Deployment" | "DaemonSet" | "ReplicaSet" => "apps/v1",
            "Job" => "batch/v1",
            other => {
                return Err(document.need("kind")?.error(format!(
                    "{other} cannot be played: Pod, Deployment, DaemonSet, Job, ConfigMap, Secret and \
                     PersistentVolumeClaim can"
                )));
            }
        };
        if version != expected {
            let field = document.need("apiVersion")?;
            return Err(field.error(format!("{kind} is in {expected}, not in {version}")));
        }
        if kind == "List" {
            let items: Vec<Node> =
                document.get_list("items")?.iter().map(|item| item.node().clone()).collect();
            return self.add(&items);
        }
        let name = name(&document)?;
        match kind {
            "Pod" => self.pods.push(template(node, name, &[], "Always")?),
            "Deployment" | "ReplicaSet" => {
                let count: usize = match document.need("spec")?.get("replicas") {
                    Some(field) => field.number(0)?,
                    None => 1,
                };
                for index in 0..count.min(PODS_MAX + 1) {
                    let own = match count {
                        1 => format!("{name}-pod"),
                        _ => format!("{name}-pod-{index}"),
                    };
                    self.pods.push(template(node, own, TEMPLATE, "Always")?);
                }
            }
            "DaemonSet" => self.pods.push(template(node, name + "-pod", TEMPLATE, "Always")?),
            "Job" => self.pods.push(template(node, name + "-pod", TEMPLATE, "Never")?),
            "ConfigMap" => {
                self.config_maps.insert(name, config_map(&document)?);
            }
            "Secret" => {
                self.secrets.insert(name, secret(&document)?);
            }
            "PersistentVolumeClaim" => {
                let labels = document.need("metadata")?.get_strings("labels")?;
                self.claims.push(Claim { name, labels: labels.into_iter().collect() });
            }
            other => self.skipped.push(format!("{other} {name}")),
        }
        Ok(())
    }
}

const TEMPLATE: &[&str] = &["spec", "template"];

/// `metadata.name`, which becomes a name of ours.
fn name(document: &Field<'_>) -> Result<String> {
    let field = document.need("metadata")?.need("name")?;
    let name = field.text()?;
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let fits = name.len() <= 253 && bytes.iter().all(|byte| sound(*byte));
    match fits && ends(bytes.first()) && ends(bytes.last()) {
        true => Ok(name.to_owned()),
        false => Err(field.error("a name has lower case letters, digits, '-' and '.', up to 253")),
    }
}

fn template(
    node: &Node,
    name: String,
    prefix: &[&'static str],
    restart: &'static str,
) -> Result<PodTemplate> {
    let mut at = Field::document(node);
    for part in prefix {
        at = at.need(part)?;
    }
    let strings = |what: &str| match at.get("metadata") {
        Some(metadata) => metadata.get_strings(what),
        None => Ok(Vec::new()),
    };
    let (labels, annotations) = (strings("labels")?, strings("annotations")?);
    let (node, prefix) = (node.clone(), prefix.to_vec());
    Ok(PodTemplate { name, labels, annotations, node, prefix, restart })
}

fn config_map(document: &Field<'_>) -> Result<Data> {
    document.only(&["apiVersion", "kind", "metadata", "data", "binaryData", "immutable"], &[])?;
    let mut data: Data = strings(document, "data")?;
    data.extend(encoded(document, "binaryData")?);
    Ok(data)
}

fn secret(document: &Field<'_>) -> Result<Data> {
    let known = ["apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"];
    document.only(&known, &[])?;
    let mut data = encoded(document, "data")?;
    data.extend(strings(document, "stringData")?);
    Ok(data)
}

fn strings(document: &Field<'_>, name: &str) -> Result<Data> {
    let pairs = document.get_strings(name)?;
    Ok(pairs.into_iter().map(|(key, value)| (key, value.into_bytes())).collect())
}

fn encoded(document: &Field<'_>, name: &str) -> Result<Data> {
    let Some(field) = document.get(name) else { return Ok(Data::new()) };
    let decode = |(key, field): (&str, Field<'_>)| {
        let text: String = field.text()?.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        let bytes = bytes.map_err(|error| field.error(format!("is not base64: {error}")))?;
        Ok::<_, FieldError>((key.to_owned(), bytes))
    };
    field.entries()?.into_iter().map(decode).collect()
}
