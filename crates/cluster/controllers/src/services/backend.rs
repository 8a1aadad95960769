//! A pod as services see it: a few fields of it, so that all pods of a cluster may be remembered.

use serde_json::{Value, json};
use std::net::IpAddr;
use teu_api::object::{at, is_terminating, name, namespace, text, uid};

/// A port that a container names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    name: Box<str>,
    protocol: Box<str>,
    number: i64,
}

/// A pod that has addresses and has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Its name.
    pub name: Box<str>,
    /// Its labels.
    pub labels: Value,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on; may be empty.
    pub node: Box<str>,
    /// Whether it says that it is ready.
    pub is_ready: bool,
    /// Whether its deletion has begun.
    pub is_terminating: bool,
    uid: Box<str>,
    namespace: Box<str>,
    hostname: Box<str>,
    subdomain: Box<str>,
    ports: Vec<Named>,
}

impl Backend {
    /// Of a pod; none while services have no use for it.
    pub fn of(pod: &Value) -> Option<Self> {
        let word = |path: &[&str]| text(pod, path).unwrap_or_default();
        if matches!(word(&["status", "phase"]), "Succeeded" | "Failed") {
            return None;
        }
        let list = at(pod, &["status", "podIPs"]).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(|it| text(it, &["ip"]));
        let mut addresses: Vec<IpAddr> = texts.filter_map(|it| it.parse().ok()).collect();
        if addresses.is_empty() {
            addresses.extend(word(&["status", "podIP"]).parse::<IpAddr>().ok());
        }
        let conditions = at(pod, &["status", "conditions"]).and_then(Value::as_array);
        let is_ready = conditions
            .into_iter()
            .flatten()
            .any(|it| it["type"] == "Ready" && it["status"] == "True");
        (!addresses.is_empty()).then(|| Self {
            name: name(pod).into(),
            labels: at(pod, &["metadata", "labels"]).cloned().unwrap_or_default(),
            addresses,
            node: word(&["spec", "nodeName"]).into(),
            is_ready,
            is_terminating: is_terminating(pod),
            uid: uid(pod).into(),
            namespace: namespace(pod).into(),
            hostname: word(&["spec", "hostname"]).into(),
            subdomain: word(&["spec", "subdomain"]).into(),
            ports: named_ports(pod),
        })
    }

    /// Whether a service's selector takes it.
    pub fn is_selected(&self, selector: &serde_json::Map<String, Value>) -> bool {
        selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }

    /// The host name that a service of this name gives it; may be empty.
    pub fn hostname_in(&self, service: &str) -> &str {
        if *self.subdomain == *service { &self.hostname } else { "" }
    }

    /// How objects refer to it.
    pub fn reference(&self) -> Value {
        json!({
            "kind": "Pod", "namespace": self.namespace, "name": self.name, "uid": self.uid,
        })
    }

    /// The number behind a service port's `targetPort`; none if no container names it.
    pub fn port(&self, target: &Value, protocol: &str) -> Option<i64> {
        match target.as_str() {
            None => target.as_i64(),
            Some(name) => {
                let is_it = |port: &&Named| *port.name == *name && *port.protocol == *protocol;
                self.ports.iter().find(is_it).map(|port| port.number)
            }
        }
    }
}

/// The named ports of a pod's containers; those of init containers that stay come last.
fn named_ports(pod: &Value) -> Vec<Named> {
    let list = |name: &str| {
        let list = at(pod, &["spec", name]).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let stay = list("initContainers").iter().filter(|it| it["restartPolicy"] == "Always");
    let containers = list("containers").iter().chain(stay);
    let ports = containers.filter_map(|it| it["ports"].as_array()).flatten();
    let named = |port: &Value| {
        let name = text(port, &["name"]).filter(|name| !name.is_empty())?;
        let protocol = text(port, &["protocol"]).unwrap_or("TCP").into();
        Some(Named { name: name.into(), protocol, number: port["containerPort"].as_i64()? })
    };
    ports.filter_map(named).collect()
}
