//! Files that `play` made of config maps and secrets, on their way back into an object.
//!
//! They lie in a folder that goes with the pod: a `hostPath` to it would play once and never again. What
//! kind of object they came from is not known any more. They become a secret, which is shown to nobody
//! who may not see it.

use base64::Engine as _;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// One file: its path in the volume, its content, its permissions.
pub type PlayedFile = (String, Vec<u8>, u32);

/// The folder of a pod's files, and what is in it by volume.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// `<data>/kube/<pod>`
    pub folder: PathBuf,
    /// Its volumes.
    pub volumes: BTreeMap<String, Vec<PlayedFile>>,
}

impl Played {
    /// The volume that a path is in, and what follows it.
    pub(super) fn find(&self, source: &Path) -> Option<(&str, Option<String>)> {
        let rest = source.strip_prefix(&self.folder).ok()?;
        let mut parts = rest.components();
        let Some(Component::Normal(name)) = parts.next() else { return None };
        let (name, _) = self.volumes.get_key_value(name.to_str()?)?;
        let within = parts.as_path().to_str()?;
        Some((name.as_str(), (!within.is_empty()).then(|| within.to_owned())))
    }

    /// How a pod refers to it.
    pub(super) fn volume(&self, pod: &str, name: &str) -> Value {
        let files = self.volumes.get(name).map_or(&[][..], Vec::as_slice);
        let items: Vec<Value> = files
            .iter()
            .map(|(path, _, mode)| json!({ "key": key(path), "path": path, "mode": mode }))
            .collect();
        let mut secret = json!({ "secretName": format!("{pod}-{name}") });
        if !items.is_empty() {
            secret["items"] = Value::Array(items);
        }
        json!({ "secret": secret })
    }

    /// The objects of the volumes that are used.
    pub(super) fn secrets(&self, pod: &str, used: &BTreeSet<String>) -> Vec<Value> {
        let of = |(name, files): (&String, &Vec<PlayedFile>)| {
            let data: Map<String, Value> = files
                .iter()
                .map(|(path, content, _)| {
                    let text = base64::engine::general_purpose::STANDARD.encode(content);
                    (key(path), Value::String(text))
                })
                .collect();
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": { "name": format!("{pod}-{name}") },
                "data": data,
            })
        };
        self.volumes.iter().filter(|(name, _)| used.contains(*name)).map(of).collect()
    }
}

/// Keys have no slashes.
fn key(path: &str) -> String {
    path.replace('/', ".")
}
