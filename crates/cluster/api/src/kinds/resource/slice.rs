//! `ResourceSlice`, and `DeviceTaintRule` for devices in some.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, meta, name, pod_spec, print, quantities};
use super::parts::{check_driver, check_label, check_pool, set};
use serde_json::Value;

const MOST_DEVICES: usize = 128;
const MOST_WITH_TAINTS: usize = 64;
const MOST_COUNTER_SETS: usize = 8;
const MOST_ATTRIBUTES: usize = 32;
const MOST_VALUE: usize = 64;
const MOST_TAINTS: usize = 16;
const MOST_CONSUMED: usize = 2;

pub const RULES: Kind = Kind {
    default,
    stamp: |slice, now| {
        let Some(spec) = fill::field(slice, "spec") else { return };
        for device in fill::items(spec, "devices") {
            for taint in fill::items(device, "taints") {
                fill::missing(taint, "timeAdded", now);
            }
        }
    },
    check: |slice, report| check_spec(&slice.get("spec"), report),
    change: |slice, old, report| {
        for field in ["pool.name", "driver", "nodeName"] {
            let (spec, before) = (slice.get("spec"), old.get("spec"));
            report.immutable(&spec.get(field), &before.get(field));
        }
    },
    generation: true,
    selectable: &["spec.nodeName", "spec.driver"],
    columns: "Name,Node,Driver,Pool,Age",
    cells: |object, now| {
        let slice = At::root(object);
        let spec = slice.get("spec");
        let node = match spec.get("nodeName").value {
            Value::String(node) => node.as_str(),
            _ => "<unset>",
        };
        let (driver, pool) = (spec.text("driver").into(), spec.text("pool.name").into());
        vec![print::name(object), node.into(), driver, pool, print::age(object, now)]
    },
    ..Kind::cluster()
};

/// `DeviceTaintRule`.
pub const TAINT_RULES: Kind = Kind {
    status: Some(empty_status),
    stamp: |rule, now| {
        if let Some(taint) = fill::at(rule, "spec.taint") {
            fill::missing(taint, "timeAdded", now);
        }
    },
    check: |rule, report| check_taint(&rule.get("spec.taint"), report),
    change_part: |_, rule, _, report| meta::conditions(&rule.get("status.conditions"), report),
    generation: true,
    ..Kind::cluster()
};

fn check_taint(taint: &At, report: &mut Report) {
    let key = taint.get("key");
    report.each(&key, name::qualified(key.str()));
    report.one_of(&taint.get("effect"), &["NoExecute", "NoSchedule", "None"]);
}

fn default(slice: &mut Value) {
    let Some(spec) = fill::field(slice, "spec") else { return };
    for device in fill::items(spec, "devices") {
        let capacities = device.get_mut("capacity").and_then(Value::as_object_mut);
        for (_, capacity) in capacities.into_iter().flatten() {
            if let Some(amount) = fill::field(capacity, "value") {
                quantities::fill_one(amount);
            }
        }
    }
}

fn check_spec(spec: &At, report: &mut Report) {
    check_driver(&spec.get("driver"), report);
    let pool = spec.get("pool");
    check_pool(&pool.get("name"), report);
    let (count, generation) = (pool.get("resourceSliceCount"), pool.get("generation"));
    if count.int() <= 0 {
        report.invalid_as(&count, count.int(), "must be greater than zero");
    }
    if generation.int() < 0 {
        report.invalid(&generation, "must be greater than or equal to zero");
    }
    let said = check_nodes(spec, &["allNodes", "perDeviceNodeSelection"], report);
    let selector = spec.get("nodeSelector.nodeSelectorTerms");
    if spec.get("nodeSelector").is_set() && selector.len() != 1 {
        report.invalid(&selector, "must have exactly one node selector term");
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match said.len() {
        0 => report.required(spec, one),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", said.join(", "));
            report.invalid_as(spec, shown, format!("{one}, but multiple fields are set"));
        }
    }
    let (devices, counters) = (spec.get("devices"), spec.get("sharedCounters"));
    if devices.is_set() && counters.is_set() {
        report.invalid_as(spec, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let special =
        |device: At| !device.get("taints").is_empty() || !device.get("consumesCounters").is_empty();
    let most = if devices.items().any(special) { MOST_WITH_TAINTS } else { MOST_DEVICES };
    let each = spec.get("perDeviceNodeSelection").bool();
    set(&devices, most, "name", report, |device, report| {
        check_device(device, report);
        check_place(device, each, report);
    });
    set(&counters, MOST_COUNTER_SETS, "name", report, |counters, report| {
        check_label(&counters.get("name"), report);
        check_counters(&counters.get("counters"), report);
    });
}

/// Which fields say the nodes: names in backquotes.
fn check_nodes(at: &At, flags: &[&str], report: &mut Report) -> Vec<String> {
    let mut said = Vec::new();
    let node = at.get("nodeName");
    if node.is_set() && node.is_empty() {
        report.invalid(&node, "must be either unset or set to a non-empty string");
    } else if node.is_set() {
        report.each(&node, name::subdomain(node.str()));
        said.push("`nodeName`".to_owned());
    }
    let selector = at.get("nodeSelector");
    if selector.is_set() {
        pod_spec::node_selector(&selector, report);
        said.push("`nodeSelector`".to_owned());
    }
    for flag in flags {
        let own = at.get(flag);
        if own.bool() {
            said.push(format!("`{flag}`"));
        } else if own.is_set() {
            report.invalid(&own, "must be either unset or set to true");
        }
    }
    said
}

fn check_place(device: &At, each: bool, report: &mut Report) {
    let why = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if each {
        let said = check_nodes(device, &["allNodes"], report);
        match said.len() {
            0 => report.required(device, why),
            1 => {}
            _ => report.invalid_as(device, format!("{{{}}}", said.join(", ")), why),
        }
    } else if ["nodeName", "nodeSelector", "allNodes"].iter().any(|at| device.get(at).is_set()) {
        let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        report.invalid_as(device, Value::Null, why);
    }
}

fn check_device(device: &At, report: &mut Report) {
    check_label(&device.get("name"), report);
    let (attributes, capacity) = (device.get("attributes"), device.get("capacity"));
    let count = attributes.len() + capacity.len();
    if count > MOST_ATTRIBUTES {
        let why = format!(
            "the total number of attributes and capacities must not exceed {MOST_ATTRIBUTES}"
        );
        report.invalid_as(device, count, why);
    }
    for (key, attribute) in attributes.entries() {
        check_key(&attribute, key, report);
        let kinds = ["bool", "int", "string", "version"];
        let said: Vec<&str> =
            kinds.into_iter().filter(|kind| attribute.get(kind).is_set()).collect();
        for kind in ["string", "version"] {
            if attribute.text(kind).len() > MOST_VALUE {
                report.too_long(&attribute.get(kind), MOST_VALUE);
            }
        }
        match said.len() {
            0 => report.invalid_as(&attribute, "", "exactly one value must be specified"),
            1 => {}
            _ => report.invalid(&attribute, "exactly one value must be specified"),
        }
    }
    for (key, amount) in capacity.entries() {
        check_key(&amount, key, report);
        let policy = amount.get("requestPolicy");
        if policy.is_set() && !device.get("allowMultipleAllocations").bool() {
            report.forbidden(&policy, "allowMultipleAllocations must be true");
        }
    }
    let taints = device.get("taints");
    if taints.len() > MOST_TAINTS {
        report.too_many(&taints, MOST_TAINTS);
    }
    for taint in taints.items() {
        check_taint(&taint, report);
    }
    let consumed = device.get("consumesCounters");
    set(&consumed, MOST_CONSUMED, "counterSet", report, |one, report| {
        check_label(&one.get("counterSet"), report);
        check_counters(&one.get("counters"), report);
    });
}

/// A name with or without a domain before it.
fn check_key(at: &At, key: &str, report: &mut Report) {
    let (domain, own) = match key.split_once('/') {
        Some((domain, own)) => (Some(domain), own),
        None => (None, key),
    };
    let mut faults = domain.map(name::subdomain).unwrap_or_default();
    faults.extend(name::c_identifier(own));
    for why in faults {
        report.invalid_as(at, key, why);
    }
}

fn check_counters(counters: &At, report: &mut Report) {
    if counters.is_empty() {
        report.required(counters, "");
    }
    for (key, counter) in counters.entries() {
        for why in name::label(key) {
            report.invalid_as(&counter, key, why);
        }
    }
}
