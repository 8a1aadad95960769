//! What is wrong with a definition, in the words of the real server.

mod schema;
mod version;

use super::conditions::{APPROVAL, is_established, is_protected};
use crate::kinds::name::label_1035;
use crate::object::{at, text};
use crate::selector::subdomain_errors;
use crate::status::Cause;
use serde_json::Value;

/// Checks a new definition.
pub fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = definition.get("spec").cloned().unwrap_or_default();
    let group = text(&spec, &["group"]).unwrap_or_default();
    let plural = text(&spec, &["names", "plural"]).unwrap_or_default();
    let name = crate::object::name(definition);
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    check_group(definition, group, &mut causes);
    check_scope(&spec, &mut causes);
    check_names(&spec["names"], "spec.names", &mut causes);
    check_versions(&spec, &mut causes);
    check_conversion(&spec["conversion"], &mut causes);
    if spec["preserveUnknownFields"] == true {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), why));
    }
    causes
}

/// Checks a change.
pub fn check_update(definition: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = check(definition);
    let mut fixed: Vec<&[&str]> = vec![&["spec", "group"]];
    if is_established(old) {
        fixed.extend([
            &["spec", "scope"] as &[&str],
            &["spec", "names", "kind"],
            &["spec", "names", "plural"],
        ]);
    }
    for path in fixed {
        let (new, old) = (at(definition, path), at(old, path));
        if new != old {
            let field = path.join(".");
            causes.push(Cause::invalid(field, new.unwrap_or(&Value::Null), "field is immutable"));
        }
    }
    let names: Vec<&Value> = versions(&definition["spec"]).iter().map(|it| &it["name"]).collect();
    let stored = at(definition, &["status", "storedVersions"]).and_then(Value::as_array);
    for (index, stored) in stored.into_iter().flatten().enumerate() {
        if !names.contains(&stored) {
            let why = "missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions";
            let why = why.replace("v1", stored.as_str().unwrap_or_default());
            causes.push(Cause::invalid(format!("status.storedVersions[{index}]"), stored, why));
        }
    }
    causes
}

fn check_group(definition: &Value, group: &str, causes: &mut Vec<Cause>) {
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
        return;
    }
    let value = Value::from(group);
    let errors = subdomain_errors(group, false);
    let has_dot = group.contains('.');
    causes.extend(errors.iter().map(|why| Cause::invalid("spec.group", &value, why)));
    if errors.is_empty() && !has_dot {
        let why = "should be a domain with at least one dot";
        causes.push(Cause::invalid("spec.group", &value, why));
    }
    let approval = text(definition, &["metadata", "annotations", APPROVAL]);
    if is_protected(group) && approval.is_none() {
        let why = format!(
            "protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111"
        );
        causes.push(Cause::required(format!("metadata.annotations[{APPROVAL}]"), &why));
    }
}

fn check_scope(spec: &Value, causes: &mut Vec<Cause>) {
    match text(spec, &["scope"]) {
        Some("Cluster" | "Namespaced") => {}
        None | Some("") => causes.push(Cause::required("spec.scope", "")),
        Some(other) => {
            let known = ["Cluster", "Namespaced"];
            causes.push(Cause::unsupported("spec.scope", &other.into(), &known));
        }
    }
}

fn check_names(names: &Value, path: &str, causes: &mut Vec<Cause>) {
    let value = |name: &str| names[name].as_str().unwrap_or_default();
    for name in ["plural", "singular", "kind", "listKind"] {
        let text = value(name);
        let field = format!("{path}.{name}");
        if text.is_empty() {
            if name != "singular" {
                causes.push(Cause::required(field, ""));
            }
            continue;
        }
        let is_kind = name.to_lowercase().ends_with("kind");
        let lower = text.to_lowercase();
        for why in label_1035(if is_kind { &lower } else { text }) {
            let why = if is_kind {
                format!("may have mixed case, but should otherwise match: {why}")
            } else {
                why
            };
            causes.push(Cause::invalid(field.clone(), &text.into(), why));
        }
    }
    for list in ["shortNames", "categories"] {
        for (at, name) in names[list].as_array().into_iter().flatten().enumerate() {
            for why in label_1035(name.as_str().unwrap_or_default()) {
                causes.push(Cause::invalid(format!("{path}.{list}[{at}]"), name, why));
            }
        }
    }
    if !value("kind").is_empty() && value("kind") == value("listKind") {
        let why = "kind and listKind may not be the same";
        causes.push(Cause::invalid(format!("{path}.listKind"), &value("listKind").into(), why));
    }
}

fn versions(spec: &Value) -> &[Value] {
    spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn check_versions(spec: &Value, causes: &mut Vec<Cause>) {
    let versions = versions(spec);
    let names: Vec<&str> =
        versions.iter().map(|it| it["name"].as_str().unwrap_or_default()).collect();
    let storing = versions.iter().filter(|it| it["storage"] == true).count();
    for (at, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{at}]");
        for why in label_1035(names.get(at).copied().unwrap_or_default()) {
            causes.push(Cause::invalid(format!("{path}.name"), &version["name"], why));
        }
        version::check(version, &path, causes);
    }
    let is_unique = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
    let shown = spec["versions"].clone();
    if !is_unique {
        causes.push(Cause::invalid("spec.versions", &shown, "must contain unique version names"));
    }
    if storing != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &shown, why));
    }
}

fn check_conversion(conversion: &Value, causes: &mut Vec<Cause>) {
    let path = "spec.conversion";
    let webhook = &conversion["webhook"];
    match conversion["strategy"].as_str() {
        None | Some("") => causes.push(Cause::required(format!("{path}.strategy"), "")),
        Some("None") => {
            if webhook.is_object() {
                let why = "should not be set when strategy is not set to Webhook";
                causes.push(Cause::forbidden(format!("{path}.webhook"), why));
            }
        }
        Some("Webhook") => check_webhook(webhook, path, causes),
        Some(other) => {
            let known = ["None", "Webhook"];
            causes.push(Cause::unsupported(format!("{path}.strategy"), &other.into(), &known));
        }
    }
}

fn check_webhook(webhook: &Value, path: &str, causes: &mut Vec<Cause>) {
    let config = &webhook["clientConfig"];
    let at = format!("{path}.webhook.clientConfig");
    match (config["url"].as_str(), config["service"].as_object()) {
        _ if !config.is_object() => {
            causes.push(Cause::required(at, "required when strategy is set to Webhook"));
        }
        (None, None) | (Some(_), Some(_)) => {
            causes.push(Cause::required(at, "exactly one of url or service is required"));
        }
        (Some(url), None) if !url.starts_with("https://") => {
            let why = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
            causes.push(Cause::invalid(format!("{at}.url"), &url.into(), why));
        }
        (None, Some(service)) => {
            for name in ["name", "namespace"] {
                if service.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                    let why = format!("service {name} is required");
                    causes.push(Cause::required(format!("{at}.service.{name}"), &why));
                }
            }
        }
        _ => {}
    }
    let versions = &webhook["conversionReviewVersions"];
    let field = format!("{path}.webhook.conversionReviewVersions");
    let known = |version: &Value| matches!(version.as_str(), Some("v1" | "v1beta1"));
    match versions.as_array() {
        Some(versions) if versions.iter().any(known) => {}
        Some(some) if !some.is_empty() => {
            let why = "must include at least one of v1, v1beta1";
            causes.push(Cause::invalid(field, versions, why));
        }
        _ => causes.push(Cause::required(field, "")),
    }
}
