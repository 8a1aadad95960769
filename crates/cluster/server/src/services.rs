//! What a service is given: an address of the cluster's range, and ports of every node.
//!
//! Each is claimed by a key of its own (an address by its `IPAddress` object, as in the real server)
//! that is written in the same transaction as the service, so that two never have the same and none
//! is lost when a server dies. Which ones are free is not searched for: one is drawn, and another if
//! it was taken.

use crate::api::Call;
use crate::id;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use teu_api::{Cause, object};
use teu_store::{Change, Expect, KeyValue, Write};

/// The range of services' addresses.
pub const RANGE: (Ipv4Addr, u32) = (Ipv4Addr::new(10, 96, 0, 0), 12);
/// The address of the API itself.
pub const API_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// Ports of nodes.
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;
/// Where claims on ports are.
const PORTS_KEY: &str = "/registry/ranges/servicenodeports/";
/// Draws until something free is found.
pub const DRAWS: usize = 64;

/// Something a service has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Address(IpAddr),
    Port(u16),
}

/// What a service was given, and what has to be written beside it.
#[derive(Debug, Default)]
pub struct Given {
    /// Claims taken and given back.
    pub writes: Vec<Write>,
    /// Keys of what was asked for by its number, so that no other draw helps.
    asked: BTreeSet<Bytes>,
}

impl Given {
    /// Whether somebody else has what was asked for; `current` is what stands at the keys.
    pub fn is_refused(&self, current: &[Option<Arc<KeyValue>>]) -> bool {
        let taken = self.writes.iter().zip(current).filter(|(_, current)| current.is_some());
        taken
            .into_iter()
            .any(|(write, _)| write.expect == Expect::Absent && self.asked.contains(&write.key))
    }
}

/// Whether a call is about services themselves.
pub fn is_service(call: &Call) -> bool {
    (call.entry.group(), call.entry.plural()) == ("", "services") && call.subresource.is_empty()
}

/// Gives a service what it needs and has not, and takes back what it needs no more.
pub fn give(call: &Call, new: &mut Value, old: Option<&Value>) -> Given {
    let mut given = Given::default();
    given.asked.extend(claims(new).iter().map(|claim| key(call, claim)));
    fill(new);
    let (before, after) = (old.map(claims).unwrap_or_default(), claims(new));
    let owner = (object::namespace(new).to_owned(), object::name(new).to_owned());
    for claim in after.difference(&before) {
        let value = taken(claim, &owner.0, &owner.1);
        let change = Change::Put { value, lease: 0 };
        given.writes.push(Write { key: key(call, claim), expect: Expect::Absent, change });
    }
    given.writes.extend(before.difference(&after).map(|claim| free(call, claim)));
    given
}

/// Takes back what a service has.
pub fn take_back(call: &Call, old: &Value) -> Vec<Write> {
    claims(old).iter().map(|claim| free(call, claim)).collect()
}

/// What is wrong when somebody else has what a service asks for.
pub fn refused(new: &Value) -> Vec<Cause> {
    let addresses = object::at(new, &["spec", "clusterIPs"]).cloned().unwrap_or_default();
    let one = object::text(new, &["spec", "clusterIP"]).unwrap_or_default();
    let why = format!(
        "failed to allocate IP {one} or a node port: provided IP or port is already allocated"
    );
    vec![Cause::invalid("spec.clusterIPs", &addresses, why)]
}

/// Draws what is missing; says whether anything was.
fn fill(service: &mut Value) -> bool {
    let kind = object::text(service, &["spec", "type"]).unwrap_or("ClusterIP").to_owned();
    let has_checks = kind == "LoadBalancer"
        && object::text(service, &["spec", "externalTrafficPolicy"]) == Some("Local");
    let spec = object::child_mut(service, "spec");
    let address = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return false;
    }
    let mut is_drawn = false;
    if address.is_empty() {
        let drawn = draw_address().to_string();
        spec.insert("clusterIPs".to_owned(), json!([drawn]));
        spec.insert("clusterIP".to_owned(), drawn.into());
        is_drawn = true;
    }
    let is_v6 = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    let family = if is_v6 { "IPv6" } else { "IPv4" };
    spec.entry("ipFamilies").or_insert_with(|| json!([family]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| "SingleStack".into());
    let gives_ports = spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    if kind == "NodePort" || (kind == "LoadBalancer" && gives_ports) {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                is_drawn |= draw_port(port, "nodePort");
            }
        }
    }
    if has_checks {
        is_drawn |= draw_port(spec, "healthCheckNodePort");
    }
    is_drawn
}

fn draw_port(fields: &mut serde_json::Map<String, Value>, name: &str) -> bool {
    let is_missing = fields.get(name).and_then(Value::as_u64).unwrap_or(0) == 0;
    if is_missing {
        let count = NODE_PORTS.end - NODE_PORTS.start;
        let port = NODE_PORTS.start + u16::from_le_bytes(id::random()) % count;
        fields.insert(name.to_owned(), port.into());
    }
    is_missing
}

/// Any address of the range but the network's, the API's and the last.
fn draw_address() -> Ipv4Addr {
    let (first, bits) = RANGE;
    let size = 1_u32 << (32 - bits);
    let offset = 2 + u32::from_le_bytes(id::random()) % (size - 3);
    Ipv4Addr::from(u32::from(first) + offset)
}

fn claims(service: &Value) -> BTreeSet<Claim> {
    let mut claims = BTreeSet::new();
    let addresses = object::at(service, &["spec", "clusterIPs"]).and_then(Value::as_array);
    let texts = addresses.into_iter().flatten().filter_map(Value::as_str);
    claims.extend(texts.filter_map(|text| text.parse().ok()).map(Claim::Address));
    let ports = object::at(service, &["spec", "ports"]).and_then(Value::as_array);
    let checks = object::at(service, &["spec", "healthCheckNodePort"]);
    let numbers = ports.into_iter().flatten().filter_map(|port| port.get("nodePort"));
    for number in numbers.chain(checks).filter_map(Value::as_u64) {
        claims.extend(u16::try_from(number).ok().filter(|port| *port > 0).map(Claim::Port));
    }
    claims
}

fn key(call: &Call, claim: &Claim) -> Bytes {
    match claim {
        Claim::Port(port) => format!("{PORTS_KEY}{port}").into(),
        Claim::Address(address) => {
            let name = address.to_string();
            match call.rows.find("networking.k8s.io", "v1", "ipaddresses") {
                Some(entry) => entry.shelf.key("", &name),
                None => format!("/registry/ipaddresses/{name}").into(),
            }
        }
    }
}

fn free(call: &Call, claim: &Claim) -> Write {
    Write { key: key(call, claim), expect: Expect::Any, change: Change::Delete }
}

/// What stands at a claim's key.
fn taken(claim: &Claim, namespace: &str, name: &str) -> Bytes {
    let Claim::Address(address) = claim else { return format!("{namespace}/{name}").into() };
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    let object = json!({
        "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address.to_string(), "uid": id::uid(),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": { "parentRef": { "resource": "services", "namespace": namespace, "name": name } },
    });
    crate::stored::Stored::seal(&object).json().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_drawn() {
        let mut service = json!({ "spec": { "type": "NodePort", "ports": [{ "port": 1 }, { "port": 2, "nodePort": 30001 }] } });
        assert!(fill(&mut service));
        let all = claims(&service);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all.contains(&Claim::Port(30001)));
        assert!(!fill(&mut service));
        let mut headless = json!({ "spec": { "clusterIP": "None", "clusterIPs": ["None"] } });
        assert!(!fill(&mut headless) && claims(&headless).is_empty());
    }

    #[test]
    fn addresses_are_of_the_range() {
        for _ in 0..1000 {
            let address = draw_address();
            assert!(
                u32::from(address) >> 20 == u32::from(RANGE.0) >> 20 && address != API_ADDRESS,
                "{address}"
            );
        }
    }
}
