//! Pod security standards: `privileged`, `baseline`, `restricted`, by labels of the namespace, in the
//! words of the real server. The latest rules are the only ones; a version is shown, not followed.

mod baseline;
mod restricted;

use crate::object::{at, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// How much a pod may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All.
    Privileged,
    /// Nothing that is known to escape.
    Baseline,
    /// As little as hardened programs need.
    Restricted,
}

/// A level and the version it is shown with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standard {
    /// How much.
    pub level: Level,
    /// `latest` or `v1.33`.
    pub version: String,
}

/// What a namespace asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standards {
    /// Pods that violate it are refused.
    pub enforce: Standard,
    /// It is written to the audit log.
    pub audit: Standard,
    /// The client is warned.
    pub warn: Standard,
}

impl Level {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "privileged" => Self::Privileged,
            "baseline" => Self::Baseline,
            "restricted" => Self::Restricted,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl Standards {
    /// Reads a namespace's labels. What cannot be read is the strictest for enforcing, and nothing for
    /// warnings, as in the real server.
    pub fn of(namespace: &Value) -> Self {
        let label = |key: &str| {
            text(namespace, &["metadata", "labels", &format!("pod-security.kubernetes.io/{key}")])
                .map(str::to_owned)
        };
        let standard = |mode: &str, wrong: Level| {
            let level = match label(mode) {
                None => Level::Privileged,
                Some(word) => Level::parse(&word).unwrap_or(wrong),
            };
            let version = label(&format!("{mode}-version")).filter(|it| is_version(it));
            Standard { level, version: version.unwrap_or_else(|| "latest".to_owned()) }
        };
        Self {
            enforce: standard("enforce", Level::Restricted),
            audit: standard("audit", Level::Privileged),
            warn: standard("warn", Level::Privileged),
        }
    }
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text == "latest" || text.strip_prefix("v1.").is_some_and(number)
}

/// What is wrong with namespace labels themselves: field and value.
pub fn label_faults(namespace: &Value) -> Vec<crate::status::Cause> {
    let labels = at(namespace, &["metadata", "labels"]).and_then(Value::as_object);
    let mut causes = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        let Some(mode) = key.strip_prefix("pod-security.kubernetes.io/") else { continue };
        let word = value.as_str().unwrap_or_default();
        let field = format!("metadata.labels[{key}]");
        match mode {
            "enforce" | "audit" | "warn" if Level::parse(word).is_none() => {
                let why = "must be one of privileged, baseline, restricted";
                causes.push(crate::status::Cause::invalid(field, value, why));
            }
            "enforce-version" | "audit-version" | "warn-version" if !is_version(word) => {
                let why = "must be \"latest\" or \"v1.x\"";
                causes.push(crate::status::Cause::invalid(field, value, why));
            }
            _ => {}
        }
    }
    causes
}

/// How a pod's spec violates a standard: `violates PodSecurity "restricted:latest": …`; nothing if it
/// does not. `metadata` is for annotations.
pub fn violation(standard: &Standard, metadata: &Value, spec: &Value) -> Option<String> {
    let pod = Pod { metadata, spec };
    let mut found = Vec::new();
    if standard.level >= Level::Baseline {
        baseline::check(&pod, standard.level == Level::Restricted, &mut found);
    }
    if standard.level == Level::Restricted {
        restricted::check(&pod, &mut found);
    }
    if found.is_empty() {
        return None;
    }
    let list: Vec<String> = found
        .into_iter()
        .map(
            |(reason, detail)| {
                if detail.is_empty() { reason } else { format!("{reason} ({detail})") }
            },
        )
        .collect();
    let shown = format!("{}:{}", standard.level.word(), standard.version);
    Some(format!("violates PodSecurity {shown:?}: {}", list.join(", ")))
}

/// Whether an update of a pod changes what is judged: not images only, nor metadata other than
/// AppArmor's annotations.
pub fn is_significant(new: &Value, old: &Value) -> bool {
    let plain = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for name in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            if let Some(fields) = spec.as_object_mut() {
                fields.shift_remove(name);
            }
        }
        spec
    };
    let profiles = |pod: &Value| -> Vec<(String, Value)> {
        let annotations = at(pod, &["metadata", "annotations"]).and_then(Value::as_object);
        let of_profile = |(key, value): (&String, &Value)| {
            (key.contains("apparmor") || key.contains("seccomp"))
                .then(|| (key.clone(), value.clone()))
        };
        annotations.into_iter().flatten().filter_map(of_profile).collect()
    };
    plain(new) != plain(old) || profiles(new) != profiles(old)
}

type Violations = Vec<(String, String)>;

struct Pod<'a> {
    metadata: &'a Value,
    spec: &'a Value,
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let spec = self.spec;
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .filter_map(move |list| spec[list].as_array())
            .flatten()
    }

    fn context(&self) -> &'a Value {
        &self.spec["securityContext"]
    }

    /// Names of containers that something is true of.
    fn names(&self, is: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|it| is(it)).map(name_of).collect()
    }

    fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// Whether the pod has users of its own, so that its root is nobody outside.
    fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }
}

fn name_of(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// `container "a"`, `containers "a", "b"`.
fn containers(names: &[&str]) -> String {
    let word = if names.len() == 1 { "container" } else { "containers" };
    format!("{word} {}", quoted(names.iter().copied()))
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

/// `pod and container "a"`.
fn setters(pod: bool, names: &[&str]) -> String {
    match (pod, names) {
        (true, []) => "pod".to_owned(),
        (true, names) => format!("pod and {}", containers(names)),
        (false, names) => containers(names),
    }
}

/// A value of the pod's and the containers' security contexts that may not be: who sets it, to what.
struct Bad<'a> {
    in_pod: bool,
    names: Vec<&'a str>,
    values: BTreeSet<&'a str>,
}

impl<'a> Pod<'a> {
    fn bad(&self, path: &[&str], is_good: impl Fn(&str) -> bool) -> Bad<'a> {
        let value = |context: &'a Value| at(context, path).and_then(Value::as_str);
        let mut values = BTreeSet::new();
        let mut is_bad = |context: &'a Value| {
            let bad = value(context).filter(|it| !is_good(it));
            values.extend(bad);
            bad.is_some()
        };
        let in_pod = is_bad(self.context());
        let mut names = Vec::new();
        for container in self.containers() {
            if is_bad(&container["securityContext"]) {
                names.push(name_of(container));
            }
        }
        Bad { in_pod, names, values }
    }
}

impl Bad<'_> {
    fn is_empty(&self) -> bool {
        !self.in_pod && self.names.is_empty()
    }

    fn setters(&self) -> String {
        setters(self.in_pod, &self.names)
    }

    fn values(&self) -> String {
        quoted(self.values.iter().copied())
    }
}
