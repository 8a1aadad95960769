//! `Ingress`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{ip, meta, name, print};
use super::ingress_class::check_reference;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CLASS: &str = "kubernetes.io/ingress.class";
/// Hosts that a table shows.
const SHOWN_HOSTS: usize = 3;
const PATH_TYPES: &[&str] = &["Exact", "ImplementationSpecific", "Prefix"];

pub const RULES: Kind = Kind {
    status: Some(|_| json!({"loadBalancer": {}})),
    check: |ingress, report| check_spec(&ingress.get("spec"), report),
    check_new: |ingress, report| {
        let own = ingress.get("metadata.annotations");
        let annotation = own.key(CLASS);
        let class = ingress.get("spec.ingressClassName");
        if annotation.is_set() && class.is_set() && annotation.str() != class.str() {
            let at = ingress.called("annotations", own.value);
            let why = "must match `ingressClassName` when both are specified";
            report.invalid_as(&at.called(CLASS, annotation.value), annotation.str(), why);
        }
    },
    change_part: |_, ingress, _, report| {
        for one in ingress.get("status.loadBalancer.ingress").items() {
            let (address, host) = (one.get("ip"), one.get("hostname"));
            if !address.is_empty() {
                ip::check(&address, report);
            }
            if !host.is_empty() {
                report.each(&host, name::subdomain(host.str()));
                not_address(&host, report);
            }
        }
    },
    warn: |ingress, old| {
        let uses = |ingress: &Value| meta::annotation(ingress, CLASS).is_some();
        if uses(ingress) && !old.is_some_and(uses) {
            let why = "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
            return vec![why.to_owned()];
        }
        Vec::new()
    },
    generation: true,
    columns: "Name,Class,Hosts,Address,Ports,Age",
    cells,
    ..Kind::namespaced()
};

fn not_address(at: &At, report: &mut Report) {
    if ip::parse(at.str()).is_some() {
        report.invalid(at, "must be a DNS name, not an IP address");
    }
}

fn check_spec(spec: &At, report: &mut Report) {
    let (rules, default) = (spec.get("rules"), spec.get("defaultBackend"));
    if rules.is_empty() && !default.is_set() {
        let shown = if rules.is_set() { rules.value.clone() } else { json!([]) };
        let why = "either `defaultBackend` or `rules` must be specified";
        report.invalid_as(spec, shown, why);
    }
    if default.is_set() {
        check_backend(&default, report);
    }
    for rule in rules.items() {
        let host = rule.get("host");
        if !host.is_empty() {
            not_address(&host, report);
            check_host(&host, report);
        }
        let http = rule.get("http");
        let paths = http.get("paths");
        if http.is_set() && paths.is_empty() {
            report.required(&paths, "");
        }
        for path in paths.items() {
            check_path(&path, report);
        }
    }
    for tls in spec.get("tls").items() {
        for host in tls.get("hosts").items() {
            check_host(&host, report);
        }
        let secret = tls.get("secretName");
        if !secret.is_empty() {
            report.each(&secret, name::subdomain(secret.str()));
        }
    }
    let class = spec.get("ingressClassName");
    if class.is_set() {
        report.each(&class, name::subdomain(class.str()));
    }
}

fn check_host(host: &At, report: &mut Report) {
    let faults = if host.str().contains('*') {
        name::wildcard_subdomain(host.str())
    } else {
        name::subdomain(host.str())
    };
    report.each(host, faults);
}

fn check_path(path: &At, report: &mut Report) {
    let (kind, at) = (path.get("pathType"), path.get("path"));
    if !kind.is_set() {
        return report.required(&kind, "pathType must be specified");
    }
    let text = at.str();
    let is_exact = ["Exact", "Prefix"].contains(&kind.str());
    match kind.str() {
        kind if PATH_TYPES.contains(&kind) => {
            if !text.starts_with('/') && (is_exact || !text.is_empty()) {
                report.invalid(&at, "must be an absolute path");
            }
        }
        _ => report.unsupported(&kind, PATH_TYPES),
    }
    if is_exact {
        for part in ["//", "/./", "/../", "%2f", "%2F"] {
            if text.contains(part) {
                report.invalid(&at, format!("must not contain '{part}'"));
            }
        }
        for end in ["/..", "/."] {
            if text.ends_with(end) {
                report.invalid(&at, format!("cannot end with '{end}'"));
            }
        }
    }
    check_backend(&path.get("backend"), report);
}

fn check_backend(backend: &At, report: &mut Report) {
    let (resource, service) = (backend.get("resource"), backend.get("service"));
    match (resource.is_set(), service.is_set()) {
        (true, true) => {
            report.invalid_as(backend, "", "cannot set both resource and service backends");
        }
        (true, false) => check_reference(&resource, report),
        (false, true) => check_service(backend, &service, report),
        (false, false) => {
            report.invalid_as(backend, "", "resource or service backend is required");
        }
    }
}

fn check_service(backend: &At, service: &At, report: &mut Report) {
    let own = service.get("name");
    if own.is_empty() {
        report.required(&own, "");
    } else {
        report.each(&own, name::label_1035(own.str()));
    }
    let (port_name, number) = (service.get("port.name"), service.get("port.number"));
    match (!port_name.is_empty(), number.int() != 0) {
        (true, true) => report.invalid_as(backend, "", "cannot set both port name & port number"),
        (true, false) => report.each(&port_name, name::port_name(port_name.str())),
        (false, true) => report.each(&number, name::port_number(number.int())),
        (false, false) => report.required(backend, "port name or number is required"),
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let ingress = At::root(object);
    let spec = ingress.get("spec");
    let rules = spec.get("rules");
    // Three hosts, and how many rules there are beside; a rule may have none.
    let hosts: Vec<(usize, &str)> = rules
        .items()
        .map(|rule| rule.text("host"))
        .enumerate()
        .filter(|(_, host)| !host.is_empty())
        .take(SHOWN_HOSTS)
        .collect();
    let (last, full) = (hosts.last().map_or(0, |(at, _)| at + 1), hosts.len() == SHOWN_HOSTS);
    let shown = hosts.iter().map(|(_, host)| *host).collect::<Vec<_>>().join(",");
    let hosts = match rules.len() {
        _ if hosts.is_empty() => "*".to_owned(),
        count if full && last < count => format!("{shown} + {} more...", count - SHOWN_HOSTS),
        _ => shown,
    };
    let balancer = ingress.get("status.loadBalancer.ingress");
    let addresses: BTreeSet<&str> = balancer
        .items()
        .map(|one| match one.text("ip") {
            "" => one.text("hostname"),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    let addresses: Vec<&str> = addresses.into_iter().collect();
    let ports = if spec.get("tls").is_empty() { "80" } else { "80, 443" };
    vec![
        print::name(object),
        print::or_none(spec.text("ingressClassName")),
        hosts.into(),
        addresses.join(",").into(),
        ports.into(),
        print::age(object, now),
    ]
}
