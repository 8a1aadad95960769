//! `IPAddress` and `ServiceCIDR`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{ip, meta, name, print};

const NOT_CANONICAL: &str = "must be in canonical form";

/// `IPAddress`.
pub const ADDRESS: Kind = Kind {
    name: |own, _| match ip::parse(own) {
        None => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
        Some(address) if address.to_string() != own => {
            vec![format!("{NOT_CANONICAL} (\"{address}\")")]
        }
        Some(_) => Vec::new(),
    },
    check: check_parent,
    recheck: false,
    change: |address, old, report| {
        report.immutable(&address.get("spec.parentRef"), &old.get("spec.parentRef"));
    },
    columns: "Name,ParentRef,Age",
    cells: |object, now| {
        let address = At::root(object);
        vec![
            print::name(object),
            parent(&address.get("spec.parentRef")).into(),
            print::age(object, now),
        ]
    },
    selectable: &["spec.parentRef.name"],
    ..Kind::cluster()
};

/// `ServiceCIDR`.
pub const NETWORKS: Kind = Kind {
    status: Some(empty_status),
    prepare: meta::status_alone,
    check: check_networks,
    recheck: false,
    change: |networks, old, report| {
        report.immutable(&networks.get("spec.cidrs"), &old.get("spec.cidrs"));
    },
    columns: "Name,CIDRs,Age",
    cells: |object, now| {
        let cidrs: Vec<&str> = At::root(object).get("spec.cidrs").strings().collect();
        vec![print::name(object), cidrs.join(",").into(), print::age(object, now)]
    },
    ..Kind::cluster()
};

fn check_parent(address: &At, report: &mut Report) {
    let parent = address.get("spec.parentRef");
    if !parent.is_set() {
        return report.required(&parent, "");
    }
    let group = parent.get("group");
    if !group.is_empty() {
        report.each(&group, name::subdomain(group.str()));
    }
    for field in ["resource", "name", "namespace"] {
        let text = parent.get(field);
        if !text.is_empty() {
            report.each(&text, name::path_segment(text.str(), false));
        } else if field != "namespace" {
            report.required(&text, "");
        }
    }
}

/// `services/default/kubernetes`.
fn parent(reference: &At) -> String {
    if !reference.is_set() {
        return "<none>".to_owned();
    }
    let mut text = reference.text("resource").to_owned();
    for (field, separator) in [("group", '.'), ("namespace", '/'), ("name", '/')] {
        if !reference.text(field).is_empty() {
            text.push(separator);
            text.push_str(reference.text(field));
        }
    }
    text
}

fn check_networks(networks: &At, report: &mut Report) {
    let (spec, cidrs) = (networks.get("spec"), networks.get("spec.cidrs"));
    if cidrs.is_empty() {
        return report.required(&cidrs, "at least one CIDR required");
    }
    if cidrs.len() > 2 {
        return report.invalid_as(&cidrs, spec.value.clone(), "may only hold up to 2 values");
    }
    let found: Vec<_> = cidrs.strings().filter_map(ip::network).collect();
    if let [one, other] = found.as_slice()
        && one.0.is_ipv4() == other.0.is_ipv4()
    {
        let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        return report.invalid_as(&cidrs, spec.value.clone(), why);
    }
    for cidr in cidrs.items() {
        ip::check_network(&cidr, cidr.str(), report);
    }
}
