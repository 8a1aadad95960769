//! What people are told about a pod's spec though it is accepted.

use super::super::field::At;
use super::super::quantities;
use super::{CONTAINER_LISTS, visit};
use std::collections::HashSet;

const OLD_LABELS: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];

const OLD_ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

const OLD_VOLUMES: &[(&str, &str)] = &[
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// What the server says of an old label of nodes.
pub fn old_node_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(old, _)| *old == key).map(|(_, say)| *say)
}

/// Warnings about a pod or a template (`owner` has `metadata` and `spec`).
pub fn check(owner: &At) -> Vec<String> {
    let spec = owner.get("spec");
    let mut warnings = Vec::new();
    node_labels(&spec, &mut warnings);
    let annotations = owner.get("metadata.annotations");
    for (key, say) in OLD_ANNOTATIONS {
        if annotations.key(key).is_set() {
            warnings.push(format!("{}: {say}", annotations.key(key)));
        }
    }
    for volume in spec.get("volumes").items() {
        for (field, say) in OLD_VOLUMES {
            let at = volume.get(field);
            if at.is_set() {
                warnings.push(format!("{at}: {say}"));
            }
        }
    }
    repeated(&spec, "hostAliases", "ip", &mut warnings);
    repeated(&spec, "imagePullSecrets", "name", &mut warnings);
    for secret in spec.get("imagePullSecrets").items() {
        if secret.text("name").is_empty() {
            warnings.push(format!("{}: invalid empty name \"\"", secret.get("name")));
        }
    }
    visit(&spec, |container| {
        fractions(container, &mut warnings);
        hidden_variables(container, &mut warnings);
    });
    ports(&spec, &mut warnings);
    let grace = spec.get("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        let say = "must be >= 0; negative values are invalid and will be treated as 1";
        warnings.push(format!("{grace}: {say}"));
    }
    null_selectors(&spec, &mut warnings);
    warnings
}

fn node_labels(spec: &At, warnings: &mut Vec<String>) {
    for (key, label) in spec.get("nodeSelector").entries() {
        if let Some(say) = old_node_label(key) {
            warnings.push(format!("{label}: {say}"));
        }
    }
    for constraint in spec.get("topologySpreadConstraints").items() {
        let key = constraint.get("topologyKey");
        if let Some(say) = old_node_label(key.str()) {
            warnings.push(format!("{key}: {} is {say}", key.str()));
        }
        let selector = constraint.get("labelSelector");
        if !selector.is_set() {
            warnings.push(format!("{selector}: a null labelSelector results in matching no pod"));
        }
    }
}

fn repeated(spec: &At, list: &str, field: &str, warnings: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for item in spec.get(list).items() {
        let at = item.get(field);
        if !seen.insert(at.str()) {
            warnings.push(format!("{at}: duplicate {field} {:?}", at.str()));
        }
    }
}

fn fractions(container: &At, warnings: &mut Vec<String>) {
    for list in ["resources.limits", "resources.requests"] {
        let list = container.get(list);
        for resource in ["memory", "ephemeral-storage"] {
            let at = list.key(resource);
            let amount = quantities::read(&at);
            if !amount.is_whole() {
                let say = "is invalid, must be an integer";
                warnings.push(format!("{at}: fractional byte value \"{amount}\" {say}"));
            }
        }
    }
}

fn hidden_variables(container: &At, warnings: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for variable in container.get("env").items() {
        let name = variable.text("name");
        if seen.insert(name) {
            continue;
        }
        let reference = format!("$({name})");
        let value = variable.text("value");
        let keeps = value != reference && value.contains(&reference);
        if variable.get("valueFrom").is_set() || !keeps {
            let say = "which may be dropped when using apply";
            warnings.push(format!("{variable}: hides previous definition of {name:?}, {say}"));
        }
    }
}

fn ports(spec: &At, warnings: &mut Vec<String>) {
    let mut all: Vec<(String, i64, String, String)> = Vec::new();
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            for port in container.get("ports").items() {
                let key = format!("{}/{}", port.get("containerPort").int(), port.text("protocol"));
                let (host, ip) = (port.get("hostPort").int(), port.text("hostIP").to_owned());
                let place = port.to_string();
                for (_, other_host, other_ip, other) in all.iter().filter(|(one, ..)| *one == key) {
                    let what = if ip == *other_ip && host == *other_host {
                        "duplicate"
                    } else if host == 0 || *other_host == 0 {
                        "overlapping"
                    } else if host == *other_host && ip.is_empty() != other_ip.is_empty() {
                        "dangerously ambiguous"
                    } else {
                        continue;
                    };
                    warnings.push(format!("{place}: {what} port definition with {other}"));
                }
                all.push((key, host, ip, place));
            }
        }
    }
}

fn null_selectors(spec: &At, warnings: &mut Vec<String>) {
    for kind in ["affinity.podAffinity", "affinity.podAntiAffinity"] {
        let affinity = spec.get(kind);
        let mut say = |selector: &At| {
            if !selector.is_set() {
                let say = "a null labelSelector results in matching no pod";
                warnings.push(format!("{selector}: {say}"));
            }
        };
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution").items() {
            say(&term.get("labelSelector"));
        }
        for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution").items() {
            say(&term.get("podAffinityTerm.labelSelector"));
        }
    }
}
