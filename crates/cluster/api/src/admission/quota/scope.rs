//! Which objects a quota is about: its scopes.

use super::super::limits::pod_amounts;
use crate::object::{at, text};
use serde_json::Value;

/// Whether a quota's scopes take an object.
pub fn takes(quota: &Value, group: &str, resource: &str, object: &Value) -> bool {
    let scopes = at(quota, &["spec", "scopes"]).and_then(Value::as_array);
    let selector =
        at(quota, &["spec", "scopeSelector", "matchExpressions"]).and_then(Value::as_array);
    let mut conditions: Vec<(&str, &str, &[Value])> = Vec::new();
    for scope in scopes.into_iter().flatten().filter_map(Value::as_str) {
        conditions.push((scope, "Exists", &[]));
    }
    for expression in selector.into_iter().flatten() {
        let word = |name: &str| expression[name].as_str().unwrap_or_default();
        let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        conditions.push((word("scopeName"), word("operator"), values));
    }
    let is_in: fn(&Value, &str, &str, &[Value]) -> bool = match (group, resource) {
        ("", "pods") => pod_is_in,
        ("", "persistentvolumeclaims") => claim_is_in,
        _ => |_, _, _, _| false,
    };
    conditions.iter().all(|(scope, operator, values)| is_in(object, scope, operator, values))
}

/// Claims are only told apart by their class of attributes: wanted, present, or on its way.
fn claim_is_in(claim: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let paths: [&[&str]; 3] = [
        &["spec", "volumeAttributesClassName"],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    let names = paths.iter().filter_map(|path| text(claim, path)).filter(|name| !name.is_empty());
    let classes: Vec<&str> = names.collect();
    scope == "VolumeAttributesClass" && is_selected(&classes, operator, values)
}

/// Whether a selector takes one of these; what has none counts as one without a name.
fn is_selected(names: &[&str], operator: &str, values: &[Value]) -> bool {
    let is_listed = |name: &&str| values.iter().any(|value| value == *name);
    match operator {
        "In" => names.iter().any(is_listed),
        "NotIn" => names.is_empty() || names.iter().any(|name| !is_listed(name)),
        "DoesNotExist" => names.is_empty(),
        _ => !names.is_empty(),
    }
}

fn pod_is_in(pod: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let ends = spec["activeDeadlineSeconds"].as_i64().is_some();
    match scope {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => is_best_effort(spec),
        "NotBestEffort" => !is_best_effort(spec),
        "PriorityClass" => {
            let class = text(spec, &["priorityClassName"]).filter(|name| !name.is_empty());
            is_selected(class.as_slice(), operator, values)
        }
        "CrossNamespacePodAffinity" => crosses_namespaces(spec),
        _ => false,
    }
}

fn is_best_effort(spec: &Value) -> bool {
    ["requests", "limits"].iter().all(|what| {
        pod_amounts(spec, what)
            .iter()
            .all(|(name, amount)| !matches!(&**name, "cpu" | "memory") || amount.is_zero())
    })
}

fn crosses_namespaces(spec: &Value) -> bool {
    let kinds = ["podAffinity", "podAntiAffinity"];
    let terms = kinds.iter().flat_map(|kind| {
        let affinity = &spec["affinity"][kind];
        let required = affinity["requiredDuringSchedulingIgnoredDuringExecution"].as_array();
        let preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"].as_array();
        let preferred = preferred.into_iter().flatten().map(|it| &it["podAffinityTerm"]);
        required.into_iter().flatten().chain(preferred)
    });
    let crosses = |term: &Value| {
        term["namespaces"].as_array().is_some_and(|it| !it.is_empty())
            || term["namespaceSelector"].is_object()
    };
    terms.into_iter().any(crosses)
}
