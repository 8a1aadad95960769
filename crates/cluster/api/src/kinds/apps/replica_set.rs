//! `ReplicaSet`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, labels, pod_spec, print, workload};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    default,
    status: Some(|_| json!({"replicas": 0})),
    check,
    change: |object, old, report| {
        report.immutable(&object.get("spec.selector"), &old.get("spec.selector"));
    },
    change_part: |_, object, _, report| check_status(&object.get("status"), report),
    warn: workload::warn,
    selectable: &["status.replicas"],
    field: |object, field| {
        let replicas = At::root(object).get("status.replicas").int();
        (field == "status.replicas").then(|| replicas.to_string())
    },
    columns: "Name,Desired:integer,Current:integer,Ready:integer,Age,+Containers,+Images,+Selector",
    cells,
    generation: true,
    read_part: workload::read_part,
    write_part: workload::write_part,
    ..Kind::namespaced()
};

fn default(object: &mut Value) {
    let spec = fill::child(object, "spec");
    fill::missing(spec, "replicas", 1);
    pod_spec::template::fill(spec);
    if let Some(status) = fill::field(object, "status") {
        fill::missing(status, "replicas", 0);
    }
}

fn check(object: &At, report: &mut Report) {
    let spec = object.get("spec");
    workload::counts(&spec, &["replicas", "minReadySeconds"], report);
    workload::selector(&spec, "empty selector is invalid for deployment", report);
    workload::selects_template(&spec, report);
    workload::template(&spec, "ReplicaSet", report);
}

/// What is wrong with counts of replicas, here and of replication controllers.
pub fn check_status(status: &At, report: &mut Report) {
    let counts = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "terminatingReplicas",
        "observedGeneration",
    ];
    workload::counts(status, &counts, report);
    let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    workload::at_most(status, &parts, "replicas", "cannot be greater than status.replicas", report);
    let why = "cannot be greater than readyReplicas";
    workload::at_most(status, &["availableReplicas"], "readyReplicas", why, report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let selector = labels::shown(At::root(object).get("spec.selector").value);
    print::replicas(object, now, selector)
}
