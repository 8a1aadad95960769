//! ResourceQuota: what an object uses, of which quotas, and whether there is room.

use super::limits::{amounts, pod_amounts};
use crate::object::{at, is_terminating, text};
use crate::quantity::Quantity;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Amounts by the names that quotas use.
pub type Usage = BTreeMap<String, Quantity>;

const ONE: Quantity = Quantity::new(1, crate::quantity::Format::DecimalSi);

/// What an object of a resource uses. Objects that have ended use nothing.
pub fn usage(group: &str, resource: &str, object: &Value) -> Usage {
    let mut usage = Usage::new();
    let counted = match group {
        "" => format!("count/{resource}"),
        group => format!("count/{resource}.{group}"),
    };
    match (group, resource) {
        ("", "pods") => {
            usage.insert(counted, ONE);
            if !has_ended(object) {
                pod(object, &mut usage);
            }
        }
        ("", "services") => {
            usage.insert(counted, ONE);
            service(object, &mut usage);
        }
        ("", "persistentvolumeclaims") => {
            usage.insert(counted, ONE);
            claim(object, &mut usage);
        }
        ("", "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas") => {
            usage.insert(counted, ONE);
            usage.insert(resource.to_owned(), ONE);
        }
        _ => {
            usage.insert(counted, ONE);
        }
    }
    usage
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed"))
}

fn pod(pod: &Value, usage: &mut Usage) {
    usage.insert("pods".to_owned(), ONE);
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    for (resource, amount) in pod_amounts(spec, "requests") {
        if matches!(&*resource, "cpu" | "memory" | "ephemeral-storage")
            || resource.starts_with("hugepages-")
        {
            usage.insert(resource.clone(), amount);
        }
        usage.insert(format!("requests.{resource}"), amount);
    }
    for (resource, amount) in pod_amounts(spec, "limits") {
        usage.insert(format!("limits.{resource}"), amount);
    }
}

fn service(service: &Value, usage: &mut Usage) {
    usage.insert("services".to_owned(), ONE);
    let ports = at(service, &["spec", "ports"]).and_then(Value::as_array);
    let ports = ports.map(Vec::as_slice).unwrap_or_default();
    let count = |ports: usize| Quantity::new(ports as i64, crate::quantity::Format::DecimalSi);
    match text(service, &["spec", "type"]) {
        Some("NodePort") => {
            usage.insert("services.nodeports".to_owned(), count(ports.len()));
        }
        Some("LoadBalancer") => {
            let with_port = ports.iter().filter(|port| port["nodePort"].as_i64().unwrap_or(0) != 0);
            let allocates = at(service, &["spec", "allocateLoadBalancerNodePorts"]);
            let is_all = allocates.is_none_or(|it| it != false);
            let ports = if is_all { ports.len() } else { with_port.count() };
            usage.insert("services.nodeports".to_owned(), count(ports));
            usage.insert("services.loadbalancers".to_owned(), ONE);
        }
        _ => {}
    }
}

fn claim(claim: &Value, usage: &mut Usage) {
    usage.insert("persistentvolumeclaims".to_owned(), ONE);
    let storage = amounts(at(claim, &["spec", "resources", "requests"])).remove("storage");
    let class = text(claim, &["spec", "storageClassName"]);
    let prefix = class.map(|class| format!("{class}.storageclass.storage.k8s.io/"));
    if let Some(prefix) = &prefix {
        usage.insert(format!("{prefix}persistentvolumeclaims"), ONE);
    }
    if let Some(storage) = storage {
        usage.insert("requests.storage".to_owned(), storage);
        if let Some(prefix) = prefix {
            usage.insert(format!("{prefix}requests.storage"), storage);
        }
    }
}

/// Whether a quota's scopes take an object.
pub fn takes(quota: &Value, group: &str, resource: &str, object: &Value) -> bool {
    let scopes = at(quota, &["spec", "scopes"]).and_then(Value::as_array);
    let selector =
        at(quota, &["spec", "scopeSelector", "matchExpressions"]).and_then(Value::as_array);
    let is_pod = group.is_empty() && resource == "pods";
    let mut conditions: Vec<(&str, &str, &[Value])> = Vec::new();
    for scope in scopes.into_iter().flatten().filter_map(Value::as_str) {
        conditions.push((scope, "Exists", &[]));
    }
    for expression in selector.into_iter().flatten() {
        let word = |name: &str| expression[name].as_str().unwrap_or_default();
        let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        conditions.push((word("scopeName"), word("operator"), values));
    }
    conditions.is_empty()
        || is_pod
            && conditions
                .iter()
                .all(|(scope, operator, values)| pod_is_in(object, scope, operator, values))
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
            let class = spec["priorityClassName"].as_str().unwrap_or_default();
            let is_listed = values.iter().any(|value| value == class);
            match operator {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
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

/// What a change adds to usage; what it frees is the controller's affair.
pub fn growth(new: &Usage, old: Option<&Usage>) -> Usage {
    let mut growth = Usage::new();
    for (name, amount) in new {
        let before = old.and_then(|old| old.get(name)).copied().unwrap_or_default();
        let more = amount.sub(before);
        if more.sign() > 0 {
            growth.insert(name.clone(), more);
        }
    }
    growth
}

/// Whether there is room in a quota: its `status.used` with the growth, or why not.
pub fn charge(quota: &Value, new: &Usage, growth: &Usage) -> Result<Option<Value>, String> {
    let hard = amounts(at(quota, &["spec", "hard"]));
    let used = amounts(at(quota, &["status", "used"]));
    let mut after = used.clone();
    let mut exceeded = Vec::new();
    for (name, limit) in &hard {
        let Some(more) = growth.get(name) else { continue };
        let before = used.get(name).copied().unwrap_or_default();
        let sum = before.add(*more);
        if sum > *limit {
            exceeded.push((name, *more, before, *limit));
        }
        after.insert(name.clone(), sum);
    }
    if exceeded.is_empty() {
        let is_touched = after != used;
        let list = |usage: &Usage| -> Map<String, Value> {
            usage.iter().map(|(name, amount)| (name.clone(), amount.to_string().into())).collect()
        };
        debug_assert!(new.len() >= growth.len());
        return Ok(is_touched.then(|| list(&after).into()));
    }
    let shown = |value: fn(&(&String, Quantity, Quantity, Quantity)) -> Quantity| {
        let list: Vec<String> =
            exceeded.iter().map(|it| format!("{}={}", it.0, value(it))).collect();
        list.join(",")
    };
    Err(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        crate::object::name(quota),
        shown(|it| it.1),
        shown(|it| it.2),
        shown(|it| it.3)
    ))
}

/// What a pod has to say because a quota limits it: `must specify limits.cpu for: web`.
pub fn must_specify(quota: &Value, pod: &Value) -> Option<String> {
    let hard = at(quota, &["spec", "hard"])?.as_object()?;
    let lists = ["containers", "initContainers"];
    let containers: Vec<&Value> =
        lists.iter().filter_map(|list| pod["spec"][*list].as_array()).flatten().collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in hard.keys() {
        let (what, resource) = match name.split_once('.') {
            Some((what @ ("requests" | "limits"), resource)) => (what, resource),
            _ => ("requests", name.as_str()),
        };
        if !matches!(resource, "cpu" | "memory") {
            continue;
        }
        let whole = at(pod, &["spec", "resources", what]).and_then(|it| it.get(resource));
        for container in containers.iter().filter(|_| whole.is_none()) {
            let is_said = container["resources"][what].get(resource).is_some();
            if !is_said {
                let container = container["name"].as_str().unwrap_or_default();
                missing.entry(name).or_default().insert(container);
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    let list: Vec<String> = missing
        .into_iter()
        .map(|(name, containers)| {
            format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(","))
        })
        .collect();
    Some(format!("failed quota: {}: must specify {}", crate::object::name(quota), list.join("; ")))
}

/// The `status` of a quota from all objects that it takes.
pub fn status<'a>(
    quota: &Value,
    objects: impl Iterator<Item = (&'a str, &'a str, &'a Value)>,
) -> Value {
    let hard = at(quota, &["spec", "hard"]).cloned().unwrap_or_default();
    let mut sum = Usage::new();
    for (group, resource, object) in objects {
        let is_gone = is_terminating(object) && has_ended(object);
        if is_gone || !takes(quota, group, resource, object) {
            continue;
        }
        for (name, amount) in usage(group, resource, object) {
            let before = sum.get(&name).copied().unwrap_or_default();
            sum.insert(name, before.add(amount));
        }
    }
    let names = hard.as_object().into_iter().flatten().map(|(name, _)| name);
    let used: Map<String, Value> = names
        .map(|name| {
            let amount = sum.get(name).copied().unwrap_or_default();
            (name.clone(), amount.to_string().into())
        })
        .collect();
    serde_json::json!({"hard": hard, "used": used})
}
