//! `Service`. Addresses and node ports are given out by the server, before an object is checked; here
//! are defaults, what a change keeps, and what is wrong.

mod check;
mod prepare;
#[cfg(test)]
mod tests;

pub use check::{PROTOCOLS, host, port_or_name};

use super::super::field::At;
use super::super::kind::Kind;
use super::super::{fill, labels, name, print};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    name: name::label_1035_name,
    default,
    status: Some(|_| json!({"loadBalancer": {}})),
    create: prepare::create,
    prepare: prepare::update,
    check: check::check,
    change: check::change,
    change_part: |_, object, _, report| check::status(object, report),
    warn,
    selectable: &["spec.clusterIP", "spec.type"],
    columns: "Name,Type,Cluster-IP,External-IP,Port(s),Age,+Selector",
    cells,
    create_on_update: true,
    ..Kind::namespaced()
};

/// Whether it can be reached from outside.
fn is_external(service: &At) -> bool {
    let spec = service.get("spec");
    let kind = spec.text("type");
    ["LoadBalancer", "NodePort"].contains(&kind)
        || (kind == "ClusterIP" && spec.get("externalIPs").has_items())
}

/// Whether a port of every node says whether it has endpoints there.
fn needs_health_check(service: &At) -> bool {
    service.text("spec.type") == "LoadBalancer"
        && service.text("spec.externalTrafficPolicy") == "Local"
}

/// Whether it has no address of its own, on purpose.
fn is_headless(service: &At) -> bool {
    let addresses = service.get("spec.clusterIPs");
    addresses.len() == 1 && addresses.index(0).str() == "None"
}

fn default(object: &mut Value) {
    let external;
    {
        let spec = fill::child(object, "spec");
        fill::zero(spec, "sessionAffinity", "None");
        match fill::text(spec, "sessionAffinity") {
            "None" => fill::remove(spec, "sessionAffinityConfig"),
            "ClientIP" => {
                let config = spec.get("sessionAffinityConfig").unwrap_or(&Value::Null);
                if !At::root(config).get("clientIP.timeoutSeconds").is_set() {
                    let hours = json!({"clientIP": {"timeoutSeconds": 10800}});
                    fill::set(spec, "sessionAffinityConfig", hours);
                }
            }
            _ => {}
        }
        fill::zero(spec, "type", "ClusterIP");
        for port in fill::items(spec, "ports") {
            fill::zero(port, "protocol", "TCP");
            if let Some(number) = port.get("port").cloned() {
                fill::zero(port, "targetPort", number);
            }
        }
        external = is_external(&At::root(&json!({"spec": spec})));
        if external {
            fill::zero(spec, "externalTrafficPolicy", "Cluster");
        }
        if fill::text(spec, "type") != "ExternalName" {
            fill::missing(spec, "internalTrafficPolicy", "Cluster");
        }
        if fill::text(spec, "type") == "LoadBalancer" {
            fill::missing(spec, "allocateLoadBalancerNodePorts", true);
        }
    }
    if external && let Some(balancer) = fill::at(object, "status.loadBalancer") {
        for ingress in fill::items(balancer, "ingress") {
            if !fill::text(ingress, "ip").is_empty() {
                fill::missing(ingress, "ipMode", "VIP");
            }
        }
    }
}

fn warn(object: &Value, _old: Option<&Value>) -> Vec<String> {
    let service = At::root(object);
    let spec = service.get("spec");
    let mut warnings = Vec::new();
    if is_headless(&service) && spec.text("type") != "ExternalName" {
        if !spec.text("loadBalancerIP").is_empty() {
            warnings.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if spec.get("externalIPs").has_items() {
            warnings.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if spec.text("sessionAffinity") != "None" {
            warnings.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    if spec.text("type") == "ExternalName" && spec.get("externalIPs").has_items() {
        let why = "spec.externalIPs is ignored when spec.type is \"ExternalName\"";
        warnings.push(why.to_owned());
    }
    if spec.text("type") != "ExternalName" && !spec.text("externalName").is_empty() {
        let why = "spec.externalName is ignored when spec.type is not \"ExternalName\"";
        warnings.push(why.to_owned());
    }
    warnings
}

fn external_address(spec: &At, service: &At) -> String {
    let mut addresses: Vec<&str> = Vec::new();
    match spec.text("type") {
        "ClusterIP" | "NodePort" => {}
        "LoadBalancer" => {
            for ingress in service.get("status.loadBalancer.ingress").items() {
                let (ip, host) = (ingress.text("ip"), ingress.text("hostname"));
                addresses.push(if ip.is_empty() { host } else { ip });
            }
            addresses.sort_unstable();
            addresses.dedup();
        }
        "ExternalName" => return spec.text("externalName").to_owned(),
        _ => return "<unknown>".to_owned(),
    }
    let more = spec.get("externalIPs");
    addresses.extend(more.strings());
    match (addresses.is_empty(), spec.text("type")) {
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (true, _) => "<none>".to_owned(),
        _ => addresses.join(","),
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let service = At::root(object);
    let spec = service.get("spec");
    let ports: Vec<String> = spec
        .get("ports")
        .items()
        .map(|port| {
            let (number, node) = (port.get("port").int(), port.get("nodePort").int());
            let protocol = port.text("protocol");
            if node > 0 {
                format!("{number}:{node}/{protocol}")
            } else {
                format!("{number}/{protocol}")
            }
        })
        .collect();
    vec![
        print::name(object),
        spec.text("type").into(),
        print::or_none(spec.get("clusterIPs").strings().next().unwrap_or_default()),
        external_address(&spec, &service).into(),
        print::or_none(&ports.join(",")),
        print::age(object, now),
        labels::shown_map(spec.get("selector").value).into(),
    ]
}
