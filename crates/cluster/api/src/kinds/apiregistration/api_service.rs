//! `APIService`.

use super::super::base64;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    name: name::path_segment,
    status: Some(first_status),
    stamp,
    default: |service| {
        if let Some(target) = fill::at(service, "spec.service") {
            fill::missing(target, "port", 443);
        }
    },
    check,
    change_part: |_, service, _, report| {
        for condition in service.get("status.conditions").items() {
            let status = condition.get("status");
            if !["True", "False", "Unknown"].contains(&status.str()) {
                report.unsupported(&status, &["True", "False", "Unknown"]);
            }
        }
    },
    unconditional_update: false,
    columns: "Name,Service,Available,Age",
    cells,
    ..Kind::cluster()
};

/// What is served by this server itself is there as soon as it is told of.
fn first_status(service: &Value) -> Value {
    if At::root(service).get("spec.service").is_set() {
        return json!({});
    }
    json!({ "conditions": [{
        "type": "Available", "status": "True", "reason": "Local",
        "message": "Local APIServices are always available",
    }] })
}

fn stamp(service: &mut Value, now: &str) {
    let conditions = service.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        fill::missing(condition, "lastTransitionTime", now);
    }
}

fn check(service: &At, report: &mut Report) {
    let spec = service.get("spec");
    let (group, version) = (spec.get("group"), spec.get("version"));
    let (own, right) = (service.get("metadata.name"), format!("{}.{}", version.str(), group.str()));
    if own.str() != right && name::path_segment(own.str(), false).is_empty() {
        report.invalid(&own, format!("must be `spec.version+\".\"+spec.group`: {right:?}"));
    }
    if group.is_empty() {
        if version.str() != "v1" {
            let why = "only v1 may have an empty group and it better be legacy kube";
            report.required(&group, why);
        }
    } else {
        report.each(&group, name::subdomain(group.str()));
    }
    report.each(&version, name::label_1035(version.str()));
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let at = spec.get(field);
        if !(1..=most).contains(&at.int()) {
            report.invalid_as(&at, at.int(), format!("must be positive and less than {most}"));
        }
    }
    let (bundle, insecure) = (spec.get("caBundle"), spec.get("insecureSkipTLSVerify"));
    let target = spec.get("service");
    if !target.is_set() {
        if !bundle.is_empty() {
            let bytes = base64::decode(bundle.str()).unwrap_or_default().len();
            let why = "local APIServices may not have a caBundle";
            report.invalid_as(&bundle, format!("{bytes} bytes"), why);
        }
        if insecure.bool() {
            report.invalid(&insecure, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    }
    for field in ["namespace", "name"] {
        if target.text(field).is_empty() {
            report.required(&target.get(field), "");
        }
    }
    let port = target.get("port");
    let faults = name::port_number(port.int());
    if !faults.is_empty() {
        report.invalid_as(&port, port.int(), format!("port is not valid: {}", faults.join(", ")));
    }
    if insecure.bool() && !bundle.is_empty() {
        report.invalid(&insecure, "may not be true if caBundle is present");
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let service = At::root(object);
    let target = service.get("spec.service");
    let target = if target.is_set() {
        format!("{}/{}", target.text("namespace"), target.text("name"))
    } else {
        "Local".to_owned()
    };
    let conditions = service.get("status.conditions");
    let available = conditions.items().find(|condition| condition.text("type") == "Available");
    let available = available.map_or_else(
        || "Unknown".to_owned(),
        |condition| match (condition.text("status"), condition.text("reason")) {
            (status @ "True", _) | (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        },
    );
    vec![print::name(object), target.into(), available.into(), print::age(object, now)]
}
