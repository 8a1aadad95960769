//! What is wrong with a Service.

use super::super::super::field::{At, Report};
use super::super::super::{ip, meta, name};
use super::{is_external, is_headless, needs_health_check};
use serde_json::Value;

const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const ONLY_BALANCERS: &str = "may only be used when `type` is 'LoadBalancer'";

/// Protocols of ports.
pub const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub fn check(service: &At, report: &mut Report) {
    let annotations = service.get("metadata.annotations");
    let (hints, mode) = (annotations.key(HINTS), annotations.key(MODE));
    if hints.is_set() && mode.is_set() && hints.str() != mode.str() {
        report.invalid(&mode, format!("must match annotations[{HINTS}] when both are specified"));
    }
    let spec = service.get("spec");
    let kind = spec.get("type");
    if spec.get("ports").is_empty() && !is_headless(service) && kind.str() != "ExternalName" {
        report.required(&spec.get("ports"), "");
    }
    by_type(service, &spec, report);
    ports(&spec, report);
    meta::labels(&spec.get("selector"), report);
    affinity(&spec, report);
    addresses(service, &spec, report);
    for address in spec.get("externalIPs").items() {
        if ip::check(&address, report) {
            ip::check_not_special(&address, report);
        }
    }
    report.one_of(&kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    duplicate_ports(&spec, report);
    source_ranges(service, &spec, report);
    balancer(&spec, report);
    traffic(service, &spec, report);
}

fn by_type(service: &At, spec: &At, report: &mut Report) {
    let addresses = spec.get("clusterIPs");
    match spec.text("type") {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(service) => {
            let why = format!("may not be set to 'None' for {kind} services");
            report.invalid(&addresses.index(0), why);
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                let at = spec.get(field);
                if !at.is_empty() {
                    report.forbidden(&at, "may not be set for ExternalName services");
                }
            }
            let external = spec.get("externalName");
            let host = external.str().strip_suffix('.').unwrap_or_else(|| external.str());
            if host.is_empty() {
                report.required(&external, "");
            }
            for why in name::subdomain(host).into_iter().filter(|_| !host.is_empty()) {
                report.invalid_as(&external, host, why);
            }
        }
        _ => {}
    }
}

fn ports(spec: &At, report: &mut Report) {
    let ports = spec.get("ports");
    let mut names: Vec<&str> = Vec::new();
    for port in ports.items() {
        let own = port.get("name");
        if own.is_empty() {
            if ports.len() > 1 {
                report.required(&own, "");
            }
        } else {
            report.each(&own, name::label(own.str()));
            if names.contains(&own.str()) {
                report.duplicate(&own);
            }
            names.push(own.str());
        }
        let number = port.get("port");
        for why in name::port_number(number.int()) {
            report.invalid_as(&number, number.int(), why);
        }
        report.one_of(&port.get("protocol"), PROTOCOLS);
        port_or_name(&port.get("targetPort"), report);
        let protocol = port.get("appProtocol");
        if protocol.is_set() {
            report.each(&protocol, name::qualified(protocol.str()));
        }
        if spec.text("type") == "ClusterIP" && port.get("nodePort").int() != 0 {
            let why = "may not be used when `type` is 'ClusterIP'";
            report.forbidden(&port.get("nodePort"), why);
        }
    }
}

/// A port by number or name.
pub fn port_or_name(at: &At, report: &mut Report) {
    match at.value {
        Value::String(text) => report.each(at, name::port_name(text)),
        _ => {
            for why in name::port_number(at.int()) {
                report.invalid_as(at, at.int(), why);
            }
        }
    }
}

fn duplicate_ports(spec: &At, report: &mut Report) {
    let (mut on_nodes, mut own) = (Vec::new(), Vec::new());
    for port in spec.get("ports").items() {
        let protocol = port.text("protocol");
        let node = port.get("nodePort");
        if node.int() != 0 {
            if on_nodes.contains(&(protocol, node.int())) {
                report.duplicate(&node);
            }
            on_nodes.push((protocol, node.int()));
        }
        let key = (protocol, port.get("port").int());
        if own.contains(&key) {
            let shown = serde_json::json!({"protocol": protocol, "port": key.1, "targetPort": 0});
            report.duplicate_as(&port, shown);
        }
        own.push(key);
    }
}

fn affinity(spec: &At, report: &mut Report) {
    let affinity = spec.get("sessionAffinity");
    report.one_of(&affinity, &["ClientIP", "None"]);
    let config = spec.get("sessionAffinityConfig");
    match affinity.str() {
        "ClientIP" => {
            let why = "when session affinity type is ClientIP";
            for field in ["", "clientIP", "clientIP.timeoutSeconds"] {
                let at = if field.is_empty() { config } else { config.get(field) };
                if !at.is_set() {
                    return report.required(&at, why);
                }
            }
            let timeout = config.get("clientIP.timeoutSeconds");
            if !(1..=86400).contains(&timeout.int()) {
                report.invalid(&timeout, "must be greater than 0 and less than 86400");
            }
        }
        "None" if config.is_set() => {
            report.forbidden(&config, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn addresses(service: &At, spec: &At, report: &mut Report) {
    if spec.text("type") == "ExternalName" {
        return;
    }
    let (many, one) = (spec.get("clusterIPs"), spec.text("clusterIP"));
    let first = many.strings().next();
    match (one.is_empty(), first) {
        (false, None) => report.required(&many, ""),
        (false, Some(first)) if first != one => {
            report.invalid(&many, "first value must match `clusterIP`");
        }
        (true, Some(_)) => report.invalid(&many, "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    let families = spec.get("ipFamilies");
    let mut seen: Vec<&str> = Vec::new();
    for family in families.items() {
        report.maybe_one_of(&family, &["IPv4", "IPv6"]);
        if seen.contains(&family.str()) {
            report.duplicate(&family);
        }
        seen.push(family.str());
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    report.maybe_one_of(&spec.get("ipFamilyPolicy"), &policies);
    if wrong_addresses(&many, report) {
        return;
    }
    let list: Vec<&str> = many.strings().collect();
    if list.len() > 1 && !ip::are_dual(&list) {
        report.invalid(&many, "may specify no more than one IP for each IP family");
    }
    if is_headless(service) {
        return;
    }
    for (at, (address, family)) in many.items().zip(families.strings()).enumerate() {
        let right = ip::parse(address.str()).is_some_and(|ip| ip.is_ipv4() == (family == "IPv4"));
        if !right && ["IPv4", "IPv6"].contains(&family) {
            let why = format!("expected an {family} value as indicated by `ipFamilies[{at}]`");
            report.invalid(&address, why);
        }
    }
}

fn wrong_addresses(many: &At, report: &mut Report) -> bool {
    let mut wrong = false;
    for (at, address) in many.items().enumerate() {
        if at == 0 && address.str() == "None" {
            if many.len() > 1 {
                wrong = true;
                report.invalid(many, "'None' must be the first and only value");
            }
            continue;
        }
        wrong |= !ip::check(&address, report);
    }
    if many.len() > 2 {
        report.invalid(many, "may only hold up to 2 values");
    }
    wrong
}

fn source_ranges(service: &At, spec: &At, report: &mut Report) {
    let is_balancer = spec.text("type") == "LoadBalancer";
    let ranges = spec.get("loadBalancerSourceRanges");
    if ranges.has_items() {
        let at = spec.called("LoadBalancerSourceRanges", ranges.value);
        if !is_balancer {
            report.forbidden(&at, ONLY_BALANCERS);
        }
        for range in at.items() {
            ip::check_network(&range, range.str().trim(), report);
        }
        return;
    }
    let annotations = service.get("metadata.annotations");
    let ranges = annotations.key(RANGES);
    if ranges.is_set() {
        if !is_balancer {
            report.forbidden(&ranges, ONLY_BALANCERS);
        }
        for range in ranges.str().split(',').map(str::trim).filter(|range| !range.is_empty()) {
            ip::check_network(&ranges, range, report);
        }
    }
}

fn balancer(spec: &At, report: &mut Report) {
    let is_balancer = spec.text("type") == "LoadBalancer";
    let allocate = spec.get("allocateLoadBalancerNodePorts");
    if allocate.is_set() && !is_balancer {
        report.forbidden(&allocate, ONLY_BALANCERS);
    }
    if !allocate.is_set() && is_balancer {
        report.required(&At::root(&Value::Null).get("allocateLoadBalancerNodePorts"), "");
    }
    balancer_class(spec, report);
}

fn balancer_class(spec: &At, report: &mut Report) {
    let class = spec.get("loadBalancerClass");
    if !class.is_set() {
        return;
    }
    if spec.text("type") == "LoadBalancer" {
        report.each(&class, name::qualified(class.str()));
    } else {
        report.forbidden(&class, ONLY_BALANCERS);
    }
}

fn traffic(service: &At, spec: &At, report: &mut Report) {
    let external = spec.get("externalTrafficPolicy");
    if is_external(service) {
        report.one_of(&external, &["Cluster", "Local"]);
    } else if !external.is_empty() {
        report.invalid(&external, "may only be set for externally-accessible services");
    }
    let health = spec.get("healthCheckNodePort");
    if needs_health_check(service) {
        if health.int() == 0 {
            report.required(&health, "");
        } else {
            report.each(&health, name::port_number(health.int()));
        }
    } else if health.int() != 0 {
        let why =
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        report.invalid(&health, why);
    }
    let internal = spec.get("internalTrafficPolicy");
    let kinds = ["ClusterIP", "NodePort", "LoadBalancer"];
    if !internal.is_set() && kinds.contains(&spec.text("type")) {
        report.required(&internal, "");
    }
    report.maybe_one_of(&internal, &["Cluster", "Local"]);
    let near = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    report.maybe_one_of(&spec.get("trafficDistribution"), &near);
}

pub fn change(service: &At, old: &At, report: &mut Report) {
    let (spec, before) = (service.get("spec"), old.get("spec"));
    let named = |at: &At| at.text("type") == "ExternalName";
    if !named(&spec) && !named(&before) {
        let (headless, was) = (is_headless(service), is_headless(old));
        if !(headless && was) {
            stays(&spec, &before, "clusterIPs", "secondary clusterIP", report);
        }
        if !headless && !was {
            stays(&spec, &before, "ipFamilies", "secondary ipFamily", report);
        }
    }
    let balancers = spec.text("type") == "LoadBalancer" && before.text("type") == "LoadBalancer";
    let (class, was) = (spec.get("loadBalancerClass"), before.get("loadBalancerClass"));
    if balancers && class.value != was.value {
        report.add(crate::Cause::invalid(
            class.to_string(),
            class.value,
            "may not change once set",
        ));
    }
    let (port, was) = (spec.get("healthCheckNodePort"), before.get("healthCheckNodePort"));
    if needs_health_check(service) && needs_health_check(old) && port.int() != was.int() {
        report.forbidden(&port, "field is immutable");
    }
}

/// The first of a list stays for good; a second may come, and go with `SingleStack`.
fn stays(spec: &At, before: &At, field: &str, second: &str, report: &mut Report) {
    let (new, old) = (spec.get(field), before.get(field));
    let policy = spec.get("ipFamilyPolicy");
    let shown = |report: &mut Report, at: usize, why: &str| {
        report.invalid_as(&new.index(at), new.value.clone(), why);
    };
    if new.len() == old.len() {
        for (at, (one, other)) in new.strings().zip(old.strings()).enumerate() {
            if one != other {
                shown(
                    report,
                    if field == "clusterIPs" { at } else { 0 },
                    "may not change once set",
                );
            }
        }
        return;
    }
    if new.is_empty() {
        let what = if field == "clusterIPs" { "clusterIP" } else { "ipFamily" };
        shown(report, 0, &format!("primary {what} can not be unset"));
    } else if old.has_items() && new.index(0).str() != old.index(0).str() {
        shown(report, 0, "may not change once set");
    }
    if old.len() > new.len() && new.len() == 1 && policy.str() != "SingleStack" {
        let why = format!("must be set to 'SingleStack' when releasing the {second}");
        report.add(crate::Cause::invalid(policy.to_string(), policy.value, why));
    }
}

pub fn status(service: &At, report: &mut Report) {
    let list = service.get("status.loadBalancer.ingress");
    if service.text("spec.type") != "LoadBalancer" && list.has_items() {
        let why = "may only be used when `spec.type` is 'LoadBalancer'";
        return report.forbidden(&list, why);
    }
    for ingress in list.items() {
        let (address, mode) = (ingress.get("ip"), ingress.get("ipMode"));
        if !address.is_empty() {
            ip::check(&address, report);
        }
        match (mode.is_set(), address.is_empty()) {
            (false, false) => report.required(&mode, "must be specified when `ip` is set"),
            (true, true) => report.forbidden(&mode, "may not be specified when `ip` is not set"),
            _ => report.maybe_one_of(&mode, &["Proxy", "VIP"]),
        }
        host(&ingress.get("hostname"), report);
    }
}

/// A host's name that is not an address.
pub fn host(at: &At, report: &mut Report) {
    if at.is_empty() {
        return;
    }
    report.each(at, name::subdomain(at.str()));
    if ip::parse(at.str()).is_some() {
        report.invalid(at, "must be a DNS name, not an IP address");
    }
}
