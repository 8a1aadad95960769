//! What follows from Endpoints that somebody wrote himself for a service without a selector: slices
//! that say the same.

use super::selected::{MANAGED_BY, SERVICE_NAME};
use super::slices::{Frame, Group, owner};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use teu_api::object::{at, label, name, namespace};

/// Us, for slices.
pub const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// Endpoints in a slice, and addresses of a subset that are mirrored.
const MOST: usize = 1000;
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Locks of old programs are no endpoints.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that are about the Endpoints themselves.
const OWN: [&str; 2] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
];

/// Whether Endpoints are to be mirrored, by what they say themselves.
pub fn is_mirrored(endpoints: &Value) -> bool {
    label(endpoints, SKIP) != Some("true")
        && at(endpoints, &["metadata", "annotations", LEADER]).is_none()
        && !teu_api::object::is_terminating(endpoints)
}

fn map(object: &Value, field: &str) -> Map<String, Value> {
    at(object, &["metadata", field]).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What all slices of Endpoints share.
pub fn frame(endpoints: &Value) -> Frame {
    let mut labels = map(endpoints, "labels");
    labels.insert(SERVICE_NAME.to_owned(), name(endpoints).into());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
    let mut annotations = map(endpoints, "annotations");
    annotations.retain(|name, _| !OWN.contains(&name.as_str()));
    Frame {
        namespace: namespace(endpoints).to_owned(),
        prefix: format!("{}-", name(endpoints)),
        labels,
        annotations,
        owner: owner("v1", "Endpoints", endpoints),
        most: MOST,
    }
}

/// The groups of their slices.
pub fn groups(endpoints: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let ports = subset["ports"].as_array().into_iter().flatten().map(port);
        let ports: Vec<Value> = ports.collect();
        let lists = [("addresses", true), ("notReadyAddresses", false)];
        let all = lists.into_iter().flat_map(|(list, is_ready)| {
            subset[list].as_array().into_iter().flatten().map(move |it| (it, is_ready))
        });
        for (address, is_ready) in all.take(MOST) {
            let text = address["ip"].as_str().unwrap_or_default();
            let Ok(ip) = text.parse::<IpAddr>() else { continue };
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let is_it = |group: &&mut Group| group.family == family && group.ports == ports;
            let endpoint = endpoint(address, is_ready);
            match groups.iter_mut().find(is_it) {
                Some(group) => group.endpoints.push(endpoint),
                None => {
                    groups.push(Group { family, ports: ports.clone(), endpoints: vec![endpoint] });
                }
            }
        }
    }
    groups
}

fn port(port: &Value) -> Value {
    let mut port = port.clone();
    if let Some(fields) = port.as_object_mut() {
        fields.entry("name").or_insert_with(|| "".into());
        fields.entry("protocol").or_insert_with(|| "TCP".into());
    }
    port
}

fn endpoint(address: &Value, is_ready: bool) -> Value {
    let mut endpoint = json!({
        "addresses": [address["ip"]], "conditions": { "ready": is_ready },
    });
    for field in ["hostname", "nodeName", "targetRef"] {
        if let Some(value) = address.get(field).filter(|value| **value != "") {
            endpoint[field] = value.clone();
        }
    }
    endpoint
}
