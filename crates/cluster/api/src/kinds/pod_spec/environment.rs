//! Environment variables and what they are taken from.

use super::super::field::{At, Report};
use super::super::{name, quantities};
use super::local_path;

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields that a file of a volume may show.
pub const FILE_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SIZES: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// `env` and `envFrom` of a container.
pub fn check(container: &At, report: &mut Report) {
    for variable in container.get("env").items() {
        let own = variable.get("name");
        if own.is_empty() {
            report.required(&own, "");
        } else {
            report.each(&own, name::environment(own.str()));
        }
        value_from(&variable, report);
    }
    let sources = container.get("envFrom");
    for source in sources.items() {
        let prefix = source.get("prefix");
        if !prefix.is_empty() {
            report.each(&prefix, name::environment(prefix.str()));
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            let reference = source.get(kind);
            if reference.is_set() {
                count += 1;
                let own = reference.get("name");
                if own.is_empty() {
                    report.required(&own, "");
                } else {
                    report.each(&own, name::subdomain_name(own.str(), true));
                }
            }
        }
        if count == 0 {
            report.invalid_as(&sources, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if count > 1 {
            report.invalid_as(&sources, "", "may not have more than one field specified at a time");
        }
    }
}

fn value_from(variable: &At, report: &mut Report) {
    let from = variable.get("valueFrom");
    if !from.is_set() {
        return;
    }
    let mut count = 0;
    for kind in ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"] {
        let reference = from.get(kind);
        if !reference.is_set() {
            continue;
        }
        count += 1;
        match kind {
            "fieldRef" => field(&reference, FIELDS, report),
            "resourceFieldRef" => resource(&reference, false, report),
            "fileKeyRef" => file_key(&reference, report),
            _ => {
                let (own, key) = (reference.get("name"), reference.get("key"));
                report.each(&own, name::subdomain(own.str()));
                if key.is_empty() {
                    report.required(&key, "");
                } else {
                    report.each(&key, name::config_key(key.str()));
                }
            }
        }
    }
    if count == 0 {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        report.invalid_as(&from, "", why);
    } else if !variable.text("value").is_empty() {
        report.invalid_as(&from, "", "may not be specified when `value` is not empty");
    } else if count > 1 {
        report.invalid_as(&from, "", "may not have more than one field specified at a time");
    }
}

fn file_key(reference: &At, report: &mut Report) {
    for field in ["key", "volumeName", "path"] {
        if reference.text(field).is_empty() {
            report.required(&reference.get(field), "");
        }
    }
    local_path::not_reserved(&reference.get("path"), reference.text("path"), report);
}

/// A reference to a field of the pod.
pub fn field(reference: &At, allowed: &[&str], report: &mut Report) {
    let (version, path) = (reference.get("apiVersion"), reference.get("fieldPath"));
    if version.is_empty() {
        return report.required(&version, "");
    }
    if path.is_empty() {
        return report.required(&path, "");
    }
    if version.str() != "v1" {
        let why = format!("error converting fieldPath: unsupported pod version: {}", version.str());
        return report.invalid(&path, why);
    }
    let (base, key) = match path.str().strip_suffix("']").and_then(|text| text.split_once("['")) {
        Some((base, key)) => (base, Some(key)),
        None => (path.str(), None),
    };
    let known = FIELDS.contains(&base)
        || FILE_FIELDS.contains(&base)
        || ["spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"]
            .contains(&base);
    match (known, key) {
        (false, _) => {
            let why = format!("error converting fieldPath: field label not supported: {base}");
            report.invalid(&path, why);
        }
        (true, Some(key)) => {
            let key = match base {
                "metadata.annotations" => key.to_lowercase(),
                "metadata.labels" => key.to_owned(),
                _ => return report.invalid_as(reference, base, "does not support subscript"),
            };
            for why in name::qualified(&key) {
                report.invalid_as(reference, key.as_str(), why);
            }
        }
        (true, None) if !allowed.contains(&base) => report.unsupported(&path, allowed),
        _ => {}
    }
}

/// A reference to an amount of a container.
pub fn resource(reference: &At, in_volume: bool, report: &mut Report) {
    let (container, resource) = (reference.get("containerName"), reference.get("resource"));
    let is_huge = ["requests.hugepages-", "limits.hugepages-"]
        .iter()
        .any(|prefix| resource.str().starts_with(prefix));
    if in_volume && container.is_empty() {
        report.required(&container, "");
    } else if resource.is_empty() {
        report.required(&resource, "");
    } else if !RESOURCES.contains(&resource.str()) && !is_huge {
        report.unsupported(&resource, RESOURCES);
    }
    let at = reference.get("divisor");
    let divisor = quantities::read(&at);
    if divisor.is_zero() {
        return;
    }
    let (allowed, what, which): (&[&str], _, _) = match resource.str() {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "1m and 1", "cpu resource"),
        "limits.memory" | "requests.memory" => (SIZES, "", "memory resource"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            (SIZES, "", "local ephemeral storage resource")
        }
        _ if is_huge => (SIZES, "", "hugepages resource"),
        _ => return,
    };
    if !allowed.contains(&divisor.to_string().as_str()) {
        let listed = if what.is_empty() { SIZES.join(", ") } else { what.to_owned() };
        let why = format!("only divisor's values {listed} are supported with the {which}");
        report.invalid_as(&at, resource.str(), why);
    }
}
