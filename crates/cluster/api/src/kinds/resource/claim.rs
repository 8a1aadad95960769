//! `ResourceClaim`, `ResourceClaimTemplate` and `DeviceClass`.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, meta, name, pod_spec, print, quantities};
use super::parts::{
    check_configuration, check_driver, check_full_name, check_label, check_pool, check_request,
    check_selectors, fill_request, set,
};
use crate::row::{Target, keep_untouchable};
use serde_json::Value;

const MOST_REQUESTS: usize = 32;
const MOST_ALTERNATIVES: usize = 8;
const MOST_CONSUMERS: usize = 256;

/// A claim.
pub const RULES: Kind = Kind {
    default: |claim| fill_spec(fill::child(claim, "spec")),
    status: Some(empty_status),
    prepare: |claim, old, target| {
        keep_untouchable(true, claim, old, target);
        if target == Target::Subresource("status") {
            meta::keep_for_part(claim, old);
        }
        Some(false)
    },
    check: |claim, report| check_spec(&claim.get("spec"), report),
    recheck: false,
    change: |claim, old, report| report.immutable(&claim.get("spec"), &old.get("spec")),
    change_part: |_, claim, old, report| check_status(claim, old, report),
    columns: "Name,State,Age",
    cells: |object, now| vec![print::name(object), state(object).into(), print::age(object, now)],
    ..Kind::namespaced()
};

/// What claims are made from.
pub const TEMPLATE: Kind = Kind {
    default: |template| {
        if let Some(spec) = fill::at(template, "spec.spec") {
            fill_spec(spec);
        }
    },
    check: |template, report| {
        let spec = template.get("spec");
        let metadata = spec.get("metadata");
        meta::labels(&metadata.get("labels"), report);
        meta::annotations(&metadata.get("annotations"), report);
        check_spec(&spec.get("spec"), report);
    },
    recheck: false,
    change: |template, old, report| report.immutable(&template.get("spec"), &old.get("spec")),
    ..Kind::namespaced()
};

/// A class of devices.
pub const CLASS: Kind = Kind {
    check: |class, report| {
        let spec = class.get("spec");
        check_selectors(&spec.get("selectors"), report);
        let configs = spec.get("config");
        if configs.len() > MOST_REQUESTS {
            report.too_many(&configs, MOST_REQUESTS);
        }
        for config in configs.items() {
            check_configuration(&config, report);
        }
        let extended = spec.get("extendedResourceName");
        if extended.is_set() && !quantities::is_extended(extended.str()) {
            report.invalid(&extended, "must be a valid extended resource name");
        }
    },
    generation: true,
    ..Kind::cluster()
};

fn fill_spec(spec: &mut Value) {
    let Some(devices) = fill::field(spec, "devices") else { return };
    for request in fill::items(devices, "requests") {
        if let Some(exact) = fill::field(request, "exactly") {
            fill_request(exact);
        }
        for other in fill::items(request, "firstAvailable") {
            fill_request(other);
        }
    }
}

fn check_spec(spec: &At, report: &mut Report) {
    let devices = spec.get("devices");
    let requests = devices.get("requests");
    set(&requests, MOST_REQUESTS, "name", report, |request, report| {
        check_label(&request.get("name"), report);
        let (exact, first) = (request.get("exactly"), request.get("firstAvailable"));
        match (exact.is_set(), !first.is_empty()) {
            (false, false) => {
                let why = "exactly one of `exactly` or `firstAvailable` is required";
                report.required(request, why);
            }
            (true, true) => {
                let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
                report.invalid_as(request, Value::Null, why);
            }
            (true, false) => check_request(&exact, report),
            (false, true) => set(&first, MOST_ALTERNATIVES, "name", report, |one, report| {
                check_label(&one.get("name"), report);
                check_request(one, report);
            }),
        }
    });
    let constraints = devices.get("constraints");
    if constraints.len() > MOST_REQUESTS {
        report.too_many(&constraints, MOST_REQUESTS);
    }
    for constraint in constraints.items() {
        check_references(&constraint.get("requests"), &requests, report);
        let attributes = ["matchAttribute", "distinctAttribute"];
        match attributes.into_iter().find(|field| constraint.get(field).is_set()) {
            Some(field) => check_full_name(&constraint.get(field), report),
            None => report.required(&constraint.get("matchAttribute"), ""),
        }
    }
    let configs = devices.get("config");
    if configs.len() > MOST_REQUESTS {
        report.too_many(&configs, MOST_REQUESTS);
    }
    for config in configs.items() {
        check_references(&config.get("requests"), &requests, report);
        check_configuration(&config, report);
    }
}

const NOT_REQUESTED: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

fn check_references(list: &At, requests: &At, report: &mut Report) {
    set(list, MOST_REQUESTS, "", report, |one, report| check_reference(one, requests, report));
}

fn check_reference(at: &At, requests: &At, report: &mut Report) {
    let parts: Vec<&str> = at.str().split('/').collect();
    let (own, sub) = match parts.as_slice() {
        [own] => (*own, None),
        [own, sub] => (*own, Some(*sub)),
        _ => return report.invalid(at, NOT_REQUESTED),
    };
    for part in parts {
        for why in name::label(part) {
            report.invalid_as(at, part, why);
        }
    }
    let has = |request: At| {
        let first = request.get("firstAvailable");
        let fits = sub.is_none_or(|sub| first.items().any(|one| one.text("name") == sub));
        request.text("name") == own && fits
    };
    if !requests.items().any(has) {
        report.invalid(at, NOT_REQUESTED);
    }
}

fn check_status(claim: &At, old: &At, report: &mut Report) {
    let (status, before) = (claim.get("status"), old.get("status"));
    let reserved = status.get("reservedFor");
    set(&reserved, MOST_CONSUMERS, "uid", report, |consumer, report| {
        for field in ["resource", "name", "uid"] {
            if consumer.text(field).is_empty() {
                report.required(&consumer.get(field), "");
            }
        }
    });
    let (allocation, was) = (status.get("allocation"), before.get("allocation"));
    if !reserved.is_empty() {
        let known = before.get("reservedFor");
        let is_new = |one: At| !known.items().any(|other| same(other.value, one.value));
        if !allocation.is_set() {
            report.forbidden(&reserved, "may not be specified when `allocated` is not set");
        } else if claim.get("metadata.deletionTimestamp").is_set() && reserved.items().any(is_new) {
            let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            report.forbidden(&reserved, why);
        }
    }
    if allocation.is_set() && was.is_set() {
        report.immutable(&allocation, &was);
    } else if allocation.is_set() {
        check_allocation(&allocation, &claim.get("spec.devices.requests"), report);
    }
}

fn check_allocation(allocation: &At, requests: &At, report: &mut Report) {
    let devices = allocation.get("devices");
    let results = devices.get("results");
    if results.len() > MOST_REQUESTS {
        report.too_many(&results, MOST_REQUESTS);
    }
    for result in results.items() {
        check_reference(&result.get("request"), requests, report);
        check_driver(&result.get("driver"), report);
        check_pool(&result.get("pool"), report);
        check_label(&result.get("device"), report);
    }
    for config in devices.get("config").items() {
        report.one_of(&config.get("source"), &["FromClaim", "FromClass"]);
        check_references(&config.get("requests"), requests, report);
        check_configuration(&config, report);
    }
    let selector = allocation.get("nodeSelector");
    if selector.is_set() {
        pod_spec::node_selector(&selector, report);
    }
}

/// `allocated,reserved`.
fn state(object: &Value) -> String {
    let claim = At::root(object);
    let mut states = Vec::new();
    if claim.get("metadata.deletionTimestamp").is_set() {
        states.push("deleted");
    }
    if claim.get("status.allocation").is_set() {
        states.push("allocated");
        if !claim.get("status.reservedFor").is_empty() {
            states.push("reserved");
        }
    } else {
        states.push("pending");
    }
    states.join(",")
}
