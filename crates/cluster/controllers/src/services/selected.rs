//! What follows from a service with a selector and its pods: its Endpoints, and the groups of its
//! slices.

use super::backend::Backend;
use super::ports;
use super::slices::{Frame, Group, owner};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use teu_api::object::{at, name, namespace, text};

/// Endpoints in a slice.
const MOST: usize = 100;
/// Addresses in an Endpoints object; the rest is only in slices.
const MOST_ADDRESSES: usize = 1000;
/// Whose slice it is.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who keeps a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Us, for slices.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// A service's selector, if its endpoints are a controller's affair.
pub fn selector(service: &Value) -> Option<&Map<String, Value>> {
    if text(service, &["spec", "type"]) == Some("ExternalName") {
        return None;
    }
    at(service, &["spec", "selector"])?.as_object().filter(|selector| !selector.is_empty())
}

/// Whether Endpoints are a controller's.
pub fn is_kept(endpoints: &Value) -> bool {
    teu_api::object::label(endpoints, ENDPOINTS_MANAGED_BY) == Some(ENDPOINTS_MANAGER)
}

fn is_headless(service: &Value) -> bool {
    matches!(text(service, &["spec", "clusterIP"]), None | Some("" | "None"))
}

fn publishes_unready(service: &Value) -> bool {
    at(service, &["spec", "publishNotReadyAddresses"]) == Some(&Value::Bool(true))
}

fn labels(service: &Value) -> Map<String, Value> {
    let labels = at(service, &["metadata", "labels"]).and_then(Value::as_object);
    let mut labels = labels.cloned().unwrap_or_default();
    for ours in [SERVICE_NAME, MANAGED_BY, HEADLESS] {
        labels.shift_remove(ours);
    }
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), "".into());
    }
    labels
}

/// What all slices of a service share.
pub fn frame(service: &Value) -> Frame {
    let mut labels = labels(service);
    labels.insert(SERVICE_NAME.to_owned(), name(service).into());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
    Frame {
        namespace: namespace(service).to_owned(),
        prefix: format!("{}-", name(service)),
        labels,
        annotations: Map::new(),
        owner: owner("v1", "Service", service),
        most: MOST,
    }
}

fn families(service: &Value) -> Vec<&'static str> {
    let list = at(service, &["spec", "ipFamilies"]).and_then(Value::as_array);
    let known = |family: &Value| ["IPv4", "IPv6"].into_iter().find(|known| family == known);
    let found: Vec<&str> = list.into_iter().flatten().filter_map(known).collect();
    if found.is_empty() { vec!["IPv4"] } else { found }
}

fn is_of(address: &IpAddr, family: &str) -> bool {
    address.is_ipv4() == (family == "IPv4")
}

/// The groups of a service's slices; a family without endpoints is one that is empty. `zone` says
/// where a node is.
pub fn groups<'a>(
    service: &Value,
    pods: impl Iterator<Item = &'a Backend> + Clone,
    zone: &dyn Fn(&str) -> Option<String>,
) -> Vec<Group> {
    let mut all = Vec::new();
    for family in families(service) {
        let mut by_ports: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
        for pod in pods.clone() {
            let addresses: Vec<String> = pod
                .addresses
                .iter()
                .filter(|address| is_of(address, family))
                .map(IpAddr::to_string)
                .collect();
            if addresses.is_empty() {
                continue;
            }
            let ports = ports::of(service, pod);
            let entry = by_ports.entry(json!(ports).to_string()).or_default();
            entry.0 = ports;
            entry.1.push(endpoint(service, pod, &addresses, zone));
        }
        if by_ports.is_empty() {
            by_ports.insert(String::new(), Default::default());
        }
        let group = |(ports, endpoints)| Group { family, ports, endpoints };
        all.extend(by_ports.into_values().map(group));
    }
    all
}

fn endpoint(
    service: &Value,
    pod: &Backend,
    addresses: &[String],
    zone: &dyn Fn(&str) -> Option<String>,
) -> Value {
    let is_ready = publishes_unready(service) || (pod.is_ready && !pod.is_terminating);
    let mut endpoint = json!({
        "addresses": addresses,
        "conditions": {
            "ready": is_ready, "serving": pod.is_ready, "terminating": pod.is_terminating,
        },
        "targetRef": pod.reference(),
    });
    let hostname = pod.hostname_in(name(service));
    if !hostname.is_empty() {
        endpoint["hostname"] = hostname.into();
    }
    if !pod.node.is_empty() {
        endpoint["nodeName"] = (*pod.node).into();
    }
    let zone = zone(&pod.node);
    let hints = match text(service, &["spec", "trafficDistribution"]) {
        Some("PreferClose" | "PreferSameZone") => {
            zone.as_ref().map(|zone| json!({ "forZones": [{ "name": zone }] }))
        }
        Some("PreferSameNode") if !pod.node.is_empty() => {
            let mut hints = json!({ "forNodes": [{ "name": pod.node }] });
            if let Some(zone) = &zone {
                hints["forZones"] = json!([{ "name": zone }]);
            }
            Some(hints)
        }
        _ => None,
    };
    if let Some(hints) = hints.filter(|_| is_ready) {
        endpoint["hints"] = hints;
    }
    if let Some(zone) = zone {
        endpoint["zone"] = zone.into();
    }
    endpoint
}

/// A service's Endpoints: of its first family, those that terminate only if it wants all.
pub fn endpoints<'a>(
    service: &Value,
    pods: impl Iterator<Item = &'a Backend>,
    existing: Option<&Value>,
) -> Value {
    let family = families(service).first().copied().unwrap_or("IPv4");
    let all = publishes_unready(service);
    let is_bare = at(service, &["spec", "ports"])
        .and_then(Value::as_array)
        .is_none_or(|ports| ports.is_empty());
    let mut found: Vec<(Vec<Value>, bool, Value)> = Vec::new();
    for pod in pods.filter(|pod| all || !pod.is_terminating) {
        let Some(address) = pod.addresses.iter().find(|address| is_of(address, family)) else {
            continue;
        };
        let mut entry = Map::new();
        entry.insert("ip".to_owned(), address.to_string().into());
        let hostname = pod.hostname_in(name(service));
        if !hostname.is_empty() {
            entry.insert("hostname".to_owned(), hostname.into());
        }
        if !pod.node.is_empty() {
            entry.insert("nodeName".to_owned(), (*pod.node).into());
        }
        entry.insert("targetRef".to_owned(), pod.reference());
        let ports = ports::of(service, pod);
        if !ports.is_empty() || (is_bare && is_headless(service)) {
            found.push((ports, all || pod.is_ready, entry.into()));
        }
    }
    // Ready ones are the last to be left out.
    found.sort_by_key(|(_, is_ready, address)| (!is_ready, address["ip"].to_string()));
    let is_over = found.len() > MOST_ADDRESSES;
    found.truncate(MOST_ADDRESSES);
    let mut object = existing.cloned().unwrap_or_else(|| {
        json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": { "name": name(service), "namespace": namespace(service) },
        })
    });
    let mut labels = labels(service);
    labels.insert(ENDPOINTS_MANAGED_BY.to_owned(), ENDPOINTS_MANAGER.into());
    let metadata = teu_api::object::metadata_mut(&mut object);
    metadata.insert("labels".to_owned(), labels.into());
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    match (annotations.as_object_mut(), is_over) {
        (Some(all), true) => drop(all.insert(OVER_CAPACITY.to_owned(), "truncated".into())),
        (Some(all), false) => drop(all.shift_remove(OVER_CAPACITY)),
        (None, _) => {}
    }
    if annotations.as_object().is_none_or(Map::is_empty) {
        metadata.shift_remove("annotations");
    }
    match subsets(found) {
        subsets if subsets.is_empty() => {
            object.as_object_mut().map(|fields| fields.shift_remove("subsets"));
        }
        subsets => object["subsets"] = subsets.into(),
    }
    object
}

/// Addresses that share ports.
#[derive(Default)]
struct Subset {
    ports: Vec<Value>,
    ready: Vec<Value>,
    unready: Vec<Value>,
}

/// Addresses with the same ports stand together.
fn subsets(found: Vec<(Vec<Value>, bool, Value)>) -> Vec<Value> {
    let mut by_ports: BTreeMap<String, Subset> = BTreeMap::new();
    for (mut ports, is_ready, address) in found {
        for port in &mut ports {
            // Endpoints leave out what slices write as an empty text.
            if port["name"] == ""
                && let Some(fields) = port.as_object_mut()
            {
                fields.shift_remove("name");
            }
        }
        let entry = by_ports.entry(json!(ports).to_string()).or_default();
        entry.ports = ports;
        if is_ready { entry.ready.push(address) } else { entry.unready.push(address) }
    }
    let written = |Subset { ports, ready, unready }: Subset| {
        let lists = [("addresses", ready), ("notReadyAddresses", unready), ("ports", ports)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        Value::Object(lists.map(|(name, list)| (name.to_owned(), list.into())).collect())
    };
    by_ports.into_values().map(written).collect()
}
