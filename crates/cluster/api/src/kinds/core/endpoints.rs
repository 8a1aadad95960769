//! `Endpoints`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, ip, name, print};
use super::PROTOCOLS;
use serde_json::Value;

pub const RULES: Kind = Kind {
    default: |endpoints| {
        for subset in fill::items(endpoints, "subsets") {
            for port in fill::items(subset, "ports") {
                fill::zero(port, "protocol", "TCP");
            }
        }
    },
    check,
    create_on_update: true,
    deprecated: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    columns: "Name,Endpoints,Age",
    cells: |object, now| vec![print::name(object), shown(object).into(), print::age(object, now)],
    ..Kind::namespaced()
};

fn check(endpoints: &At, report: &mut Report) {
    for subset in endpoints.get("subsets").items() {
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| subset.get(list).is_empty()) {
            report.required(&subset, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in lists {
            for address in subset.get(list).items() {
                check_address(&address, report);
            }
        }
        let ports = subset.get("ports");
        for port in ports.items() {
            check_port(&port, ports.len() > 1, report);
        }
    }
}

fn check_address(address: &At, report: &mut Report) {
    let own = address.get("ip");
    if ip::check(&own, report) {
        ip::check_not_special(&own, report);
    }
    let host = address.get("hostname");
    if !host.is_empty() {
        report.each(&host, name::label(host.str()));
    }
    let node = address.get("nodeName");
    if node.is_set() {
        report.each(&node, name::subdomain(node.str()));
    }
}

fn check_port(port: &At, needs_name: bool, report: &mut Report) {
    let own = port.get("name");
    if own.is_empty() {
        if needs_name {
            report.required(&own, "");
        }
    } else {
        report.each(&own, name::label(own.str()));
    }
    let number = port.get("port");
    for why in name::port_number(number.int()) {
        report.invalid_as(&number, number.int(), why);
    }
    report.one_of(&port.get("protocol"), PROTOCOLS);
    let application = port.get("appProtocol");
    if application.is_set() {
        report.each(&application, name::qualified(application.str()));
    }
}

/// `10.0.0.1:80,10.0.0.2:80 + 1 more...`
fn shown(object: &Value) -> String {
    let endpoints = At::root(object);
    if endpoints.get("subsets").is_empty() {
        return "<none>".to_owned();
    }
    let mut texts = Vec::new();
    for subset in endpoints.get("subsets").items() {
        let ports = subset.get("ports");
        let addresses = subset.get("addresses");
        if ports.is_empty() {
            texts.extend(addresses.items().map(|address| address.text("ip").to_owned()));
        }
        for port in ports.items() {
            let number = port.get("port").int();
            texts.extend(addresses.items().map(|address| match address.text("ip") {
                own if own.contains(':') => format!("[{own}]:{number}"),
                own => format!("{own}:{number}"),
            }));
        }
    }
    let more = texts.len().saturating_sub(3);
    texts.truncate(3);
    let text = texts.join(",");
    if more > 0 { format!("{text} + {more} more...") } else { text }
}
