//! `Node`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, ip, meta, print, quantities};
use crate::selector::label_value_errors;
use serde_json::{Value, json};

const ROLE: &str = "node-role.kubernetes.io/";

pub const RULES: Kind = Kind {
    default,
    status: Some(|node| node.get("status").cloned().unwrap_or_else(|| json!({}))),
    check,
    recheck: false,
    change,
    change_part: |_, object, old, report| change(object, old, report),
    selectable: &["spec.unschedulable"],
    field: |node, field| {
        (field == "spec.unschedulable")
            .then(|| At::root(node).get("spec.unschedulable").bool().to_string())
    },
    columns: "Name,Status,Roles,Age,Version,+Internal-IP,+External-IP,+OS-Image,+Kernel-Version,+Container-Runtime",
    cells,
    ..Kind::cluster()
};

fn default(object: &mut Value) {
    let spec = fill::child(object, "spec");
    let one = fill::text(spec, "podCIDR").to_owned();
    let first = spec.get("podCIDRs").and_then(|list| list.get(0)).and_then(Value::as_str);
    match (one.is_empty(), first) {
        (false, first) if first != Some(one.as_str()) => fill::set(spec, "podCIDRs", json!([one])),
        (true, Some(first)) => {
            let first = first.to_owned();
            fill::set(spec, "podCIDR", first);
        }
        _ => {}
    }
    if let Some(status) = fill::field(object, "status") {
        for list in ["capacity", "allocatable"] {
            if let Some(list) = fill::field(status, list) {
                quantities::fill_list(list);
            }
        }
        if let Some(capacity) = status.get("capacity").filter(|list| !list.is_null()).cloned() {
            fill::missing(status, "allocatable", capacity);
        }
    }
}

/// Taints of a node; the real server names their place so.
fn check_taints(object: &At, report: &mut Report) {
    let metadata = object.get("metadata");
    let taints = metadata.called("taints", object.get("spec.taints").value);
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for taint in taints.items() {
        meta::label_key(&taint.get("key"), report);
        let errors = label_value_errors(taint.text("value"));
        if !errors.is_empty() {
            report.invalid(&taint.get("value"), errors.join(";"));
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        report.one_of(&taint.get("effect"), &effects);
        let pair = (taint.text("effect"), taint.text("key"));
        if seen.contains(&pair) {
            let mut cause = crate::Cause::duplicate(taint.to_string(), taint.value);
            cause.message += ": taints must be unique by key and effect pair";
            report.add(cause);
        }
        seen.push(pair);
    }
}

fn check_resources(object: &At, report: &mut Report) {
    for list in ["status.capacity", "status.allocatable"] {
        let list = object.get(list);
        for (resource, amount) in list.entries() {
            let at = list.called(resource, amount.value);
            quantities::check_amount(&at, resource, report);
        }
    }
}

fn check(object: &At, report: &mut Report) {
    check_taints(object, report);
    check_resources(object, report);
    let networks = object.get("spec.podCIDRs");
    for network in networks.items() {
        ip::check_network(&network, network.str(), report);
    }
    if networks.len() > 1 {
        let addresses: Vec<&str> =
            networks.strings().filter_map(|text| text.split('/').next()).collect();
        if !ip::are_dual(&addresses) || networks.len() > 2 {
            report.invalid(&networks, "may specify no more than one CIDR for each IP family");
        }
        let mut seen = Vec::new();
        for network in networks.items() {
            if seen.contains(&network.str()) {
                report.duplicate(&network);
            }
            seen.push(network.str());
        }
    }
}

fn change(object: &At, old: &At, report: &mut Report) {
    check_resources(object, report);
    let addresses = object.get("status.addresses");
    let mut seen: Vec<&Value> = Vec::new();
    for address in addresses.items() {
        if seen.contains(&address.value) {
            report.duplicate(&address);
        }
        seen.push(address.value);
    }
    let (networks, before) = (object.get("spec.podCIDRs"), old.get("spec.podCIDRs"));
    if before.has_items() && networks.value != before.value {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        report.forbidden(&networks, why);
    }
    let (id, before) = (object.get("spec.providerID"), old.get("spec.providerID"));
    if !before.is_empty() && id.str() != before.str() {
        report.forbidden(&id, "node updates may not change providerID except from \"\" to valid");
    }
    check_taints(object, report);
    if object.text("spec.externalID") != old.text("spec.externalID") {
        report.forbidden(&object.get("spec.externalID"), "may not be updated");
    }
}

fn state(node: &At) -> String {
    let conditions = node.get("status.conditions");
    let ready = conditions.items().find(|one| one.text("type") == "Ready");
    let mut words = vec![match ready {
        Some(ready) if ready.text("status") == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if node.get("spec.unschedulable").bool() {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(node: &At) -> String {
    let labels = node.get("metadata.labels");
    let mut roles: Vec<&str> = labels
        .entries()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE) {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => Some(value.str()),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let node = At::root(object);
    let addresses = node.get("status.addresses");
    let address = |kind: &str| {
        let found = addresses.items().find(|address| address.text("type") == kind);
        print::or_none(found.map_or("", |address| address.text("address")))
    };
    let info = node.get("status.nodeInfo");
    vec![
        print::name(object),
        state(&node).into(),
        print::or_none(&roles(&node)),
        print::age(object, now),
        info.text("kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        print::or(info.text("osImage"), "<unknown>"),
        print::or(info.text("kernelVersion"), "<unknown>"),
        print::or(info.text("containerRuntimeVersion"), "<unknown>"),
    ]
}
