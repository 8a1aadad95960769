//! What a write of a Service keeps and puts right: one address and several say the same, what was
//! given out stays, what another type has no use for goes.

use super::super::super::field::At;
use super::super::super::fill;
use super::needs_health_check;
use crate::row::Target;
use serde_json::{Value, json};

pub fn create(object: &mut Value) {
    let spec = fill::child(object, "spec");
    let one = fill::text(spec, "clusterIP").to_owned();
    if !one.is_empty() && At::root(spec).get("clusterIPs").is_empty() {
        fill::set(spec, "clusterIPs", json!([one]));
    }
}

pub fn update(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    if target != Target::Object {
        return None;
    }
    fill::keep(object, old, "status");
    keep_given_out(object, old);
    agree_on_addresses(object, old);
    drop_unused(object, old);
    Some(false)
}

fn has_address(service: &Value) -> bool {
    ["ClusterIP", "NodePort", "LoadBalancer"].contains(&At::root(service).text("spec.type"))
}

fn has_node_ports(service: &Value) -> bool {
    let at = At::root(service);
    match at.text("spec.type") {
        "NodePort" => true,
        "LoadBalancer" => at.get("spec.allocateLoadBalancerNodePorts").value != &json!(false),
        _ => false,
    }
}

fn keep_given_out(object: &mut Value, old: &Value) {
    let before = At::root(old);
    let before = before.get("spec");
    let both_addresses = has_address(object) && has_address(old);
    let both_ports = has_node_ports(object) && has_node_ports(old);
    let both_checks = needs_health_check(&At::root(object)) && needs_health_check(&At::root(old));
    let spec = fill::child(object, "spec");
    if both_addresses {
        if fill::text(spec, "clusterIP").is_empty() && !before.text("clusterIP").is_empty() {
            fill::set(spec, "clusterIP", before.text("clusterIP"));
        }
        if At::root(spec).get("clusterIPs").is_empty() && before.get("clusterIPs").has_items() {
            fill::set(spec, "clusterIPs", before.get("clusterIPs").value.clone());
        }
    }
    if both_ports {
        keep_node_ports(spec, &before);
    }
    if both_checks && before.get("healthCheckNodePort").int() > 0 {
        fill::zero(spec, "healthCheckNodePort", before.get("healthCheckNodePort").int());
    }
}

fn keep_node_ports(spec: &mut Value, before: &At) {
    let mut used: Vec<i64> =
        At::root(spec).get("ports").items().map(|port| port.get("nodePort").int()).collect();
    for port in fill::items(spec, "ports") {
        let at = At::root(port);
        if at.get("nodePort").int() != 0 {
            continue;
        }
        let key = (at.get("port").int(), at.text("protocol"));
        let old_ports = before.get("ports");
        let old = old_ports
            .items()
            .find(|old| (old.get("port").int(), old.text("protocol")) == key)
            .map_or(0, |old| old.get("nodePort").int());
        if old != 0 && !used.contains(&old) {
            used.push(old);
            fill::set(port, "nodePort", old);
        }
    }
}

/// Old clients only know `clusterIP`: whichever of the two was changed is meant.
fn agree_on_addresses(object: &mut Value, old: &Value) {
    let before = At::root(old);
    let before = before.get("spec");
    let spec = fill::child(object, "spec");
    let one = fill::text(spec, "clusterIP").to_owned();
    let many: Vec<String> = At::root(spec).get("clusterIPs").strings().map(str::to_owned).collect();
    let many_changed = !before.get("clusterIPs").strings().eq(many.iter().map(String::as_str));
    if one != before.text("clusterIP") {
        if !many_changed {
            if one.is_empty() {
                fill::remove(spec, "clusterIPs");
            } else {
                fill::set(spec, "clusterIPs", json!([one]));
            }
        }
    } else if many_changed {
        match many.first() {
            Some(first) => fill::set(spec, "clusterIP", first.as_str()),
            None => fill::remove(spec, "clusterIP"),
        }
    }
}

/// After a change of type: what the user did not touch and the new type does not have.
fn drop_unused(object: &mut Value, old: &Value) {
    let (at, before) = (At::root(object), At::root(old));
    let unchanged =
        |field: &str| at.get("spec").get(field).value == before.get("spec").get(field).value;
    let is = |service: &At, kind: &str| service.text("spec.type") == kind;
    let mut fields: Vec<&str> = Vec::new();
    if has_address(old) && !has_address(object) {
        if unchanged("clusterIP") && unchanged("clusterIPs") {
            fields.extend(["clusterIP", "clusterIPs"]);
        }
        fields.extend(["ipFamilies", "ipFamilyPolicy"].iter().filter(|field| unchanged(field)));
    }
    if needs_health_check(&before) && !needs_health_check(&at) && unchanged("healthCheckNodePort") {
        fields.push("healthCheckNodePort");
    }
    if is(&before, "LoadBalancer") && !is(&at, "LoadBalancer") {
        let own = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        fields.extend(own.iter().filter(|field| unchanged(field)));
    }
    let external = |service: &At| is(service, "LoadBalancer") || is(service, "NodePort");
    if external(&before) && !super::is_external(&at) && unchanged("externalTrafficPolicy") {
        fields.push("externalTrafficPolicy");
    }
    let numbers = |service: &At| -> Vec<i64> {
        service.get("spec.ports").items().map(|port| port.get("nodePort").int()).collect()
    };
    let ports = has_node_ports(old) && !has_node_ports(object) && numbers(&at) == numbers(&before);
    let spec = fill::child(object, "spec");
    for field in fields {
        fill::remove(spec, field);
    }
    if ports {
        for port in fill::items(spec, "ports") {
            fill::remove(port, "nodePort");
        }
    }
}
