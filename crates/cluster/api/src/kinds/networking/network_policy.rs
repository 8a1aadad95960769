//! `NetworkPolicy`.

use super::super::core::PROTOCOLS;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, ip, labels, name, print};
use serde_json::{Value, json};
use std::net::IpAddr;

const DIRECTIONS: &[&str] = &["Ingress", "Egress"];

pub const RULES: Kind = Kind {
    default,
    check,
    generation: true,
    columns: "Name,Pod-Selector,Age",
    cells: |object, now| {
        let selector = labels::shown(At::root(object).get("spec.podSelector").value);
        vec![print::name(object), print::or_none(&selector), print::age(object, now)]
    },
    ..Kind::namespaced()
};

fn default(policy: &mut Value) {
    let spec = fill::child(policy, "spec");
    for direction in ["ingress", "egress"] {
        for rule in fill::items(spec, direction) {
            for port in fill::items(rule, "ports") {
                fill::missing(port, "protocol", "TCP");
            }
        }
    }
    let has_egress =
        spec.get("egress").and_then(Value::as_array).is_some_and(|egress| !egress.is_empty());
    let directions = if has_egress { json!(DIRECTIONS) } else { json!(["Ingress"]) };
    fill::zero(spec, "policyTypes", directions);
}

fn check(policy: &At, report: &mut Report) {
    let spec = policy.get("spec");
    labels::check(&spec.get("podSelector"), report);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(direction).items() {
            for port in rule.get("ports").items() {
                check_port(&port, report);
            }
            for peer in rule.get(peers).items() {
                check_peer(&peer, report);
            }
        }
    }
    let kinds = spec.get("policyTypes");
    if kinds.len() > DIRECTIONS.len() {
        return report.invalid(&kinds, "may not specify more than two policyTypes");
    }
    for kind in kinds.items() {
        report.maybe_one_of(&kind, DIRECTIONS);
    }
}

fn check_port(port: &At, report: &mut Report) {
    report.maybe_one_of(&port.get("protocol"), PROTOCOLS);
    let (own, end) = (port.get("port"), port.get("endPort"));
    match own.value {
        Value::Null => {
            if end.is_set() {
                report.invalid(&end, "may not be specified when `port` is not specified");
            }
        }
        Value::String(text) => {
            if end.is_set() {
                report.invalid(&end, "may not be specified when `port` is non-numeric");
            }
            report.each(&own, name::port_name(text));
        }
        _ => {
            report.each(&own, name::port_number(own.int()));
            if end.is_set() {
                if end.int() < own.int() {
                    report.invalid_as(&end, own.int(), "must be greater than or equal to `port`");
                }
                report.each(&end, name::port_number(end.int()));
            }
        }
    }
}

fn check_peer(peer: &At, report: &mut Report) {
    let block = peer.get("ipBlock");
    let mut count = usize::from(block.is_set());
    for selector in ["podSelector", "namespaceSelector"] {
        let selector = peer.get(selector);
        if selector.is_set() {
            count += 1;
            labels::check(&selector, report);
        }
    }
    if block.is_set() {
        check_block(&block, report);
    }
    if count == 0 {
        report.required(peer, "must specify a peer");
    } else if count > 1 && block.is_set() {
        report.forbidden(peer, "may not specify both ipBlock and another peer");
    }
}

fn check_block(block: &At, report: &mut Report) {
    let cidr = block.get("cidr");
    if cidr.is_empty() {
        return report.required(&cidr, "");
    }
    ip::check_network(&cidr, cidr.str(), report);
    let Some(outer) = ip::network(cidr.str()) else { return };
    for except in block.get("except").items() {
        ip::check_network(&except, except.str(), report);
        if let Some(inner) = ip::network(except.str())
            && !is_within(inner, outer)
        {
            report.invalid(&except, "must be a strict subset of `cidr`");
        }
    }
}

/// Whether a network is part of another, and not all of it.
fn is_within(inner: (IpAddr, u8), outer: (IpAddr, u8)) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
        IpAddr::V6(ip) => u128::from(ip),
    };
    let differs = bits(inner.0) ^ bits(outer.0);
    let in_prefix = outer.1 == 0 || differs >> (128 - u32::from(outer.1)) == 0;
    inner.0.is_ipv4() == outer.0.is_ipv4() && in_prefix && outer.1 < inner.1
}
