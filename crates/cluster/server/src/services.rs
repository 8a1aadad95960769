//! What a service is given: an address of the cluster's range, and ports of every node.
//!
//! Each is claimed by a key of its own (an address by its `IPAddress` object, as in the real server)
//! that is written in the same transaction as the service, so that two never have the same and none
//! is lost when a server dies. Which ones are free is not searched for: one is drawn, and another if
//! it was taken. Addresses are of the cluster's ranges ([`Networks`]).

mod networks;

pub use networks::Networks;

use crate::api::Call;
use crate::id;
use bytes::Bytes;
use serde_json::{Map, Value, json};
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
    /// What cannot be given.
    pub faults: Vec<Cause>,
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
pub fn give(call: &Call, new: &mut Value, old: Option<&Value>, networks: &Networks) -> Given {
    let mut given = Given::default();
    let before = old.map(claims).unwrap_or_default();
    let asked = claims(new);
    given.asked.extend(asked.iter().map(|claim| key(call, claim)));
    for claim in asked.difference(&before) {
        if let Claim::Address(address) = claim
            && !networks.contains(*address)
        {
            let why = format!(
                "failed to allocate IP {address}: the provided network does not match the current range"
            );
            given.faults.push(Cause::invalid("spec.clusterIPs", &json!([address]), why));
        }
    }
    fill(new, networks, &mut given.faults);
    let after = claims(new);
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

/// Draws what is missing.
fn fill(service: &mut Value, networks: &Networks, faults: &mut Vec<Cause>) {
    let kind = object::text(service, &["spec", "type"]).unwrap_or("ClusterIP").to_owned();
    let has_checks = kind == "LoadBalancer"
        && object::text(service, &["spec", "externalTrafficPolicy"]) == Some("Local");
    let spec = object::child_mut(service, "spec");
    if kind == "ExternalName" {
        return;
    }
    let families = families(spec, networks, faults);
    let first = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default();
    if first != "None" {
        fill_addresses(spec, &families, networks, faults);
    }
    let policy = if families.len() > 1 { "PreferDualStack" } else { "SingleStack" };
    spec.insert("ipFamilies".to_owned(), json!(families));
    spec.entry("ipFamilyPolicy").or_insert_with(|| policy.into());
    let gives_ports = spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    if kind == "NodePort" || (kind == "LoadBalancer" && gives_ports) {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                draw_port(port, "nodePort");
            }
        }
    }
    if has_checks {
        draw_port(spec, "healthCheckNodePort");
    }
}

fn texts(spec: &Map<String, Value>, field: &str) -> Vec<String> {
    let list = spec.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The families of a service, the first of which is its own: those of its addresses, those it names, the
/// cluster's; two if it wants them and there are two.
fn families(
    spec: &Map<String, Value>,
    networks: &Networks,
    faults: &mut Vec<Cause>,
) -> Vec<String> {
    let policy = spec.get("ipFamilyPolicy").and_then(Value::as_str).unwrap_or_default();
    let addresses =
        texts(spec, "clusterIPs").into_iter().filter_map(|it| it.parse::<IpAddr>().ok());
    let mut families = texts(spec, "ipFamilies");
    for address in addresses {
        let family = if address.is_ipv6() { "IPv6" } else { "IPv4" }.to_owned();
        if !families.contains(&family) {
            families.push(family);
        }
    }
    if families.is_empty() {
        let own = if networks.has("IPv4") || !networks.has("IPv6") { "IPv4" } else { "IPv6" };
        families.push(own.to_owned());
    }
    let is_headless = spec.get("clusterIP").and_then(Value::as_str) == Some("None");
    if is_headless {
        return families;
    }
    let other = if families.iter().any(|it| it == "IPv4") { "IPv6" } else { "IPv4" };
    if families.len() == 1 && policy.ends_with("DualStack") {
        match networks.has(other) {
            true => families.push(other.to_owned()),
            false if policy == "RequireDualStack" => {
                let why = "this cluster is not configured for dual-stack services";
                faults.push(Cause::invalid("spec.ipFamilyPolicy", &policy.into(), why));
            }
            false => {}
        }
    }
    if policy == "SingleStack" {
        families.truncate(1);
    }
    families
}

/// An address of each family.
fn fill_addresses(
    spec: &mut Map<String, Value>,
    families: &[String],
    networks: &Networks,
    faults: &mut Vec<Cause>,
) {
    let mut addresses = texts(spec, "clusterIPs");
    if addresses.is_empty()
        && let Some(one) = spec.get("clusterIP").and_then(Value::as_str).filter(|it| !it.is_empty())
    {
        addresses.push(one.to_owned());
    }
    for (at, family) in families.iter().enumerate().skip(addresses.len()) {
        match networks.draw(family, id::random()) {
            Some(address) => addresses.push(address.to_string()),
            None if networks.has(family) => {
                let why = "failed to allocate a serviceIP: range is full";
                faults.push(Cause::invalid("spec.clusterIPs", &Value::Null, why.to_owned()));
            }
            None => {
                let path = format!("spec.ipFamilies[{at}]");
                faults.push(Cause::invalid(
                    &path,
                    &json!(family),
                    "not configured on this cluster",
                ));
            }
        }
    }
    addresses.truncate(families.len());
    if let Some(first) = addresses.first() {
        spec.insert("clusterIP".to_owned(), first.clone().into());
        spec.insert("clusterIPs".to_owned(), json!(addresses));
    }
}

fn draw_port(fields: &mut Map<String, Value>, name: &str) {
    if fields.get(name).and_then(Value::as_u64).unwrap_or(0) == 0 {
        let count = NODE_PORTS.end - NODE_PORTS.start;
        let port = NODE_PORTS.start + u16::from_le_bytes(id::random()) % count;
        fields.insert(name.to_owned(), port.into());
    }
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

    fn filled(spec: Value, ranges: &[&str]) -> (Value, Vec<Cause>) {
        let ranges: Vec<Value> =
            ranges.iter().map(|it| json!({ "spec": { "cidrs": [it] } })).collect();
        let (mut service, mut faults) = (json!({ "spec": spec }), Vec::new());
        fill(&mut service, &Networks::of(&ranges), &mut faults);
        (service, faults)
    }

    const FOUR: &str = "10.96.0.0/12";
    const SIX: &str = "fd00::/108";

    #[test]
    fn what_is_missing_is_drawn() {
        let spec = json!({ "type": "NodePort", "ports": [{ "port": 1 }, { "port": 2, "nodePort": 30001 }] });
        let (service, faults) = filled(spec, &[FOUR]);
        let all = claims(&service);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all.contains(&Claim::Port(30001)) && faults.is_empty());
        let (again, _) = filled(service["spec"].clone(), &[FOUR]);
        assert_eq!(again, service);
        let (headless, _) = filled(json!({ "clusterIP": "None", "clusterIPs": ["None"] }), &[FOUR]);
        assert!(claims(&headless).is_empty());
    }

    #[test]
    fn families() {
        let check = |policy: Option<&str>, ranges: &[&str], found: &[&str], faults: usize| {
            let spec =
                policy.map_or_else(|| json!({}), |policy| json!({ "ipFamilyPolicy": policy }));
            let (service, wrong) = filled(spec, ranges);
            assert_eq!(service["spec"]["ipFamilies"], json!(found), "{policy:?} {ranges:?}");
            assert_eq!(wrong.len(), faults, "{wrong:?}");
            if faults == 0 {
                assert_eq!(claims(&service).len(), found.len());
            }
        };
        check(None, &[FOUR, SIX], &["IPv4"], 0);
        check(None, &[SIX], &["IPv6"], 0);
        check(Some("PreferDualStack"), &[FOUR], &["IPv4"], 0);
        check(Some("PreferDualStack"), &[FOUR, SIX], &["IPv4", "IPv6"], 0);
        check(Some("RequireDualStack"), &[FOUR], &["IPv4"], 1);
        check(None, &[], &["IPv4"], 1);
    }
}
