//! Where a pod is: the zone and the region of its node become labels of the pod, so that what runs in it
//! can be told without a look at nodes.

use crate::object::{at, text};
use serde_json::{Map, Value};

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// The labels that a pod gets of its node.
pub fn labels_of(node: &Value) -> Map<String, Value> {
    let of = |label: &str| {
        let value = text(node, &["metadata", "labels", label])?;
        Some((label.to_owned(), value.into()))
    };
    LABELS.iter().filter_map(|label| of(label)).collect()
}

/// Gives a pod labels that it does not have.
pub fn fill(pod: &mut Value, labels: Map<String, Value>) {
    if labels.is_empty() {
        return;
    }
    let own = crate::object::metadata_mut(pod).entry("labels").or_insert(Value::Null);
    if !own.is_object() {
        *own = Value::Object(Map::new());
    }
    for (label, value) in labels {
        if let Some(own) = own.as_object_mut() {
            own.entry(label).or_insert(value);
        }
    }
}

/// The node that a pod is bound to from the beginning.
pub fn node_of(pod: &Value) -> Option<&str> {
    at(pod, &["spec", "nodeName"]).and_then(Value::as_str).filter(|name| !name.is_empty())
}
