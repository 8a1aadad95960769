//! `EndpointSlice`.

use super::super::core::PROTOCOLS;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, ip, meta, name, print};
use serde_json::{Value, json};

const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_LABELS: usize = 16;
const MOST_HINTS: usize = 8;

pub const RULES: Kind = Kind {
    default: |slice| {
        for port in fill::items(slice, "ports") {
            fill::missing(port, "name", "");
            fill::missing(port, "protocol", "TCP");
        }
    },
    check: |slice, report| {
        report.one_of(&slice.get("addressType"), &["FQDN", "IPv4", "IPv6"]);
        check_endpoints(&slice.get("endpoints"), slice.text("addressType"), report);
        check_ports(&slice.get("ports"), report);
    },
    change: |slice, old, report| {
        report.immutable(&slice.get("addressType"), &old.get("addressType"));
    },
    generation: true,
    columns: "Name,AddressType,Ports,Endpoints,Age",
    cells,
    ..Kind::namespaced()
};

fn check_endpoints(endpoints: &At, kind: &str, report: &mut Report) {
    if endpoints.len() > MOST_ENDPOINTS {
        return report.too_many(endpoints, MOST_ENDPOINTS);
    }
    for endpoint in endpoints.items() {
        let addresses = endpoint.get("addresses");
        if addresses.is_empty() {
            report.required(&addresses, "must contain at least 1 address");
        } else if addresses.len() > MOST_ADDRESSES {
            report.too_many(&addresses, MOST_ADDRESSES);
        }
        for address in addresses.items() {
            check_address(&address, kind, report);
        }
        let node = endpoint.get("nodeName");
        if node.is_set() {
            report.each(&node, name::subdomain(node.str()));
        }
        let topology = endpoint.get("deprecatedTopology");
        if topology.len() > MOST_LABELS {
            report.too_many(&topology, MOST_LABELS);
        }
        meta::labels(&topology, report);
        let host = endpoint.get("hostname");
        if host.is_set() {
            report.each(&host, name::label(host.str()));
        }
        check_hints(&endpoint.get("hints"), report);
    }
}

fn check_address(at: &At, kind: &str, report: &mut Report) {
    let is_four = ip::parse(at.str()).map(|ip| ip.is_ipv4());
    match kind {
        "IPv4" | "IPv6" => {
            if is_four != Some(kind == "IPv4") {
                report.invalid(at, format!("must be a valid {kind} address"));
            }
            ip::check_not_special(at, report);
        }
        "FQDN" => check_domain(at, report),
        _ => {}
    }
}

/// A domain of at least two parts, with or without the dot at its end.
fn check_domain(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "");
    }
    let text = at.str();
    let domain = text.strip_suffix('.').unwrap_or(text);
    let faults = name::subdomain(domain);
    if !faults.is_empty() {
        for why in faults {
            report.invalid_as(at, domain, why);
        }
    } else if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        report.invalid_as(at, domain, why);
    }
}

fn check_hints(hints: &At, report: &mut Report) {
    for list in ["forZones", "forNodes"] {
        let list = hints.get(list);
        if list.len() > MOST_HINTS {
            report.too_many(&list, MOST_HINTS);
            continue;
        }
        let mut seen: Vec<&str> = Vec::new();
        for hint in list.items() {
            let own = hint.get("name");
            if seen.contains(&own.str()) {
                report.duplicate(&own);
            }
            seen.push(own.str());
            if list.to_string().ends_with("forNodes") {
                report.each(&own, name::subdomain(own.str()));
            } else {
                let as_label = json!({"zone": own.value});
                meta::labels(&own.called_as(&as_label), report);
            }
        }
    }
}

fn check_ports(ports: &At, report: &mut Report) {
    if ports.len() > MOST_PORTS {
        return report.too_many(ports, MOST_PORTS);
    }
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let own = port.get("name");
        if !own.is_empty() {
            report.each(&own, name::label(own.str()));
        }
        if seen.contains(&own.str()) {
            report.duplicate(&own);
        }
        seen.push(own.str());
        report.one_of(&port.get("protocol"), PROTOCOLS);
        let application = port.get("appProtocol");
        if application.is_set() {
            report.each(&application, name::qualified(application.str()));
        }
    }
}

/// The first three, and how many more there are.
fn shown(texts: &[String]) -> Value {
    if texts.is_empty() {
        return "<unset>".into();
    }
    let first = texts.get(..3).unwrap_or(texts).join(",");
    match texts.len().saturating_sub(3) {
        0 => first.into(),
        more => format!("{first} + {more} more...").into(),
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let slice = At::root(object);
    let port = |port: At| match (port.get("port").opt_int(), port.get("name").value) {
        (Some(number), _) => number.to_string(),
        (None, Value::String(name)) => name.clone(),
        (None, _) => "*".to_owned(),
    };
    let ports: Vec<String> = slice.get("ports").items().map(port).collect();
    let mut addresses: Vec<String> = Vec::new();
    for endpoint in slice.get("endpoints").items() {
        addresses.extend(endpoint.get("addresses").strings().map(str::to_owned));
    }
    vec![
        print::name(object),
        slice.text("addressType").into(),
        shown(&ports),
        shown(&addresses),
        print::age(object, now),
    ]
}
