//! ResourceQuota: what an object uses, of which quotas, and whether there is room.
//!
//! A quota is held to what its status says: a controller copies `spec.hard` there and counts; who
//! makes an object adds to `status.used` in the same transaction. What has gone comes back by counting.

mod devices;
mod names;
mod scope;

pub use names::{kind_of, version_of};
pub use scope::takes;

use super::limits::{amounts, pod_amounts};
use crate::object::{at, text};
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
        ("resource.k8s.io", "resourceclaims") => {
            usage.insert(counted, ONE);
            devices::add(object, &mut usage);
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

/// Whether there is room in a quota: its `status.used` with the growth (none if it is not about
/// that), or why not.
pub fn charge(quota: &Value, growth: &Usage) -> Result<Option<Value>, String> {
    let hard = amounts(at(quota, &["status", "hard"]));
    let used = amounts(at(quota, &["status", "used"]));
    let name = crate::object::name(quota);
    let asked: Vec<(&String, Quantity)> =
        hard.keys().filter_map(|name| Some((name, *growth.get(name)?))).collect();
    let unknown: Vec<&str> =
        asked.iter().map(|it| it.0.as_str()).filter(|name| !used.contains_key(*name)).collect();
    if !unknown.is_empty() {
        return Err(format!("status unknown for quota: {name}, resources: {}", unknown.join(",")));
    }
    let mut after = used.clone();
    let mut exceeded = Vec::new();
    for (name, more) in &asked {
        let (before, limit) = (used[*name], hard[*name]);
        let sum = before.add(*more);
        if sum > limit {
            exceeded.push((*name, *more, before, limit));
        }
        after.insert((*name).clone(), sum);
    }
    if exceeded.is_empty() {
        return Ok((!asked.is_empty()).then(|| written(&after).into()));
    }
    let shown = |value: fn(&(&String, Quantity, Quantity, Quantity)) -> Quantity| {
        let list: Vec<String> =
            exceeded.iter().map(|it| format!("{}={}", it.0, value(it))).collect();
        list.join(",")
    };
    Err(format!(
        "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
        shown(|it| it.1),
        shown(|it| it.2),
        shown(|it| it.3)
    ))
}

fn written(usage: &Usage) -> Map<String, Value> {
    usage.iter().map(|(name, amount)| (name.clone(), amount.to_string().into())).collect()
}

/// What a pod has to say because a quota limits it: `must specify limits.cpu for: web`.
pub fn must_specify(quota: &Value, pod: &Value) -> Option<String> {
    let hard = at(quota, &["status", "hard"])?.as_object()?;
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
        if !takes(quota, group, resource, object) {
            continue;
        }
        for (name, amount) in usage(group, resource, object) {
            let before = sum.get(&name).copied().unwrap_or_default();
            sum.insert(name, before.add(amount));
        }
    }
    let names = hard.as_object().into_iter().flatten().map(|(name, _)| name);
    let used: Usage =
        names.map(|name| (name.clone(), sum.get(name).copied().unwrap_or_default())).collect();
    serde_json::json!({"hard": hard, "used": written(&used)})
}
