//! Which ports a service has at a pod.

use super::backend::Backend;
use serde_json::{Map, Value};

/// The ports of a service at a pod, as slices write them. A port that the pod's containers do not
/// name is left out; a headless service may have none at all.
pub fn of(service: &Value, pod: &Backend) -> Vec<Value> {
    let ports = service["spec"]["ports"].as_array();
    ports.into_iter().flatten().filter_map(|port| at_pod(port, pod)).collect()
}

fn at_pod(port: &Value, pod: &Backend) -> Option<Value> {
    let protocol = port["protocol"].as_str().unwrap_or("TCP");
    let target = match &port["targetPort"] {
        Value::Null => &port["port"],
        target if *target == 0 || *target == "" => &port["port"],
        target => target,
    };
    let number = pod.port(target, protocol)?;
    let mut found = Map::new();
    found.insert("name".to_owned(), port["name"].as_str().unwrap_or_default().into());
    found.insert("port".to_owned(), number.into());
    found.insert("protocol".to_owned(), protocol.into());
    if let Some(application) = port["appProtocol"].as_str() {
        found.insert("appProtocol".to_owned(), application.into());
    }
    Some(found.into())
}
