//! How endpoints lie in slices: what to make, change and delete so that what is there becomes what
//! is wanted, touching as few slices as possible.

use crate::mirror::Object;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Endpoints that share a family and ports, and so may share slices.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// `IPv4`, `IPv6`.
    pub family: &'static str,
    /// As slices write them.
    pub ports: Vec<Value>,
    /// As slices write them.
    pub endpoints: Vec<Value>,
}

/// What all slices of one owner share.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Their namespace.
    pub namespace: String,
    /// Their names begin so.
    pub prefix: String,
    /// Their labels.
    pub labels: Map<String, Value>,
    /// Their annotations, if they are given any.
    pub annotations: Map<String, Value>,
    /// Their owner's reference.
    pub owner: Value,
    /// Endpoints in one.
    pub most: usize,
}

/// What has to be written.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// New slices.
    pub create: Vec<Value>,
    /// Slices as they shall be.
    pub update: Vec<Value>,
    /// Slices that go, as they are.
    pub delete: Vec<Object>,
}

/// What an endpoint is known by from one time to the next.
fn identity(endpoint: &Value) -> String {
    let pod = endpoint["targetRef"]["uid"].as_str().unwrap_or_default();
    format!("{pod} {}", endpoint["addresses"])
}

fn ports_key(ports: &Value) -> String {
    let none = Vec::new();
    let ports = ports.as_array().unwrap_or(&none).iter().map(|port| {
        let word = |name: &str| port[name].as_str().unwrap_or_default();
        let (name, protocol, application) = (word("name"), word("protocol"), word("appProtocol"));
        format!("{name}/{}/{protocol}/{application}", port["port"])
    });
    let mut ports: Vec<String> = ports.collect();
    ports.sort();
    ports.join(" ")
}

/// What has to be written. Endpoints stay in the slice they are in; new ones fill slices that have
/// room, the fullest first.
pub fn plan(frame: &Frame, groups: Vec<Group>, existing: &[Object]) -> Plan {
    let mut plan = Plan::default();
    let mut known: BTreeMap<(String, String), Vec<&Object>> = BTreeMap::new();
    for slice in existing {
        let family = slice["addressType"].as_str().unwrap_or_default().to_owned();
        known.entry((family, ports_key(&slice["ports"]))).or_default().push(slice);
    }
    for group in groups {
        let key = (group.family.to_owned(), ports_key(&json!(group.ports)));
        let slices = known.remove(&key).unwrap_or_default();
        pack(frame, group, &slices, &mut plan);
    }
    plan.delete.extend(known.into_values().flatten().cloned());
    plan
}

fn pack(frame: &Frame, group: Group, existing: &[&Object], plan: &mut Plan) {
    let is_placeholder = group.endpoints.is_empty();
    let order: Vec<String> = group.endpoints.iter().map(identity).collect();
    let mut left: HashMap<String, Value> = order.iter().cloned().zip(group.endpoints).collect();
    let mut filled: Vec<(&Object, Vec<Value>)> = existing
        .iter()
        .map(|slice| {
            let there = slice["endpoints"].as_array().into_iter().flatten();
            let kept = there.filter_map(|endpoint| left.remove(&identity(endpoint)));
            (*slice, kept.take(frame.most).collect())
        })
        .collect();
    let mut fresh = order.iter().filter_map(|identity| left.remove(identity)).peekable();
    filled.sort_by_key(|(_, endpoints)| std::cmp::Reverse(endpoints.len()));
    for (_, endpoints) in &mut filled {
        while endpoints.len() < frame.most
            && let Some(endpoint) = fresh.next()
        {
            endpoints.push(endpoint);
        }
    }
    let mut keeps_one = is_placeholder;
    for (slice, endpoints) in filled {
        if endpoints.is_empty() && !std::mem::take(&mut keeps_one) {
            plan.delete.push(Object::clone(slice));
            continue;
        }
        let wanted = framed(frame, Value::clone(slice), endpoints);
        if wanted != **slice {
            plan.update.push(wanted);
        }
    }
    while fresh.peek().is_some() || keeps_one {
        keeps_one = false;
        let endpoints: Vec<Value> = fresh.by_ref().take(frame.most).collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "generateName": frame.prefix, "namespace": frame.namespace },
            "addressType": group.family, "ports": group.ports,
        });
        plan.create.push(framed(frame, slice, endpoints));
    }
}

/// A slice with these endpoints and everything that slices of its owner share.
fn framed(frame: &Frame, mut slice: Value, endpoints: Vec<Value>) -> Value {
    slice["endpoints"] = endpoints.into();
    let metadata = teu_api::object::metadata_mut(&mut slice);
    metadata.insert("labels".to_owned(), frame.labels.clone().into());
    metadata.insert("ownerReferences".to_owned(), json!([frame.owner]));
    if !frame.annotations.is_empty() {
        metadata.insert("annotations".to_owned(), frame.annotations.clone().into());
    }
    slice
}

/// How slices refer to whom they are of.
pub fn owner(api_version: &str, kind: &str, object: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "name": teu_api::object::name(object), "uid": teu_api::object::uid(object),
        "controller": true, "blockOwnerDeletion": true,
    })
}
