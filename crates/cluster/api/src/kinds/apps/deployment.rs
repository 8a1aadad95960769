//! `Deployment`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::workload::{self, amount, at_most_all, number_or_percent};
use super::super::{fill, labels, pod_spec, print};
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    default,
    status: Some(empty_status),
    prepare: workload::keep_labels,
    check,
    change: |object, old, report| {
        report.immutable(&object.get("spec.selector"), &old.get("spec.selector"));
    },
    change_part: |_, object, old, report| {
        check_status(&object.get("status"), &old.get("status"), report);
    },
    warn: workload::warn,
    columns: "Name,Ready,Up-to-date,Available,Age,+Containers,+Images,+Selector",
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
    let strategy = fill::child(spec, "strategy");
    fill::zero(strategy, "type", "RollingUpdate");
    if fill::text(strategy, "type") == "RollingUpdate" {
        fill::missing(strategy, "rollingUpdate", json!({}));
        let update = &mut strategy["rollingUpdate"];
        fill::missing(update, "maxUnavailable", "25%");
        fill::missing(update, "maxSurge", "25%");
    }
    fill::missing(spec, "revisionHistoryLimit", 10);
    fill::missing(spec, "progressDeadlineSeconds", 600);
}

fn check(object: &At, report: &mut Report) {
    let spec = object.get("spec");
    report.non_negative(&spec.get("replicas"));
    workload::selector(&spec, "empty selector is invalid for deployment", report);
    workload::selects_template(&spec, report);
    workload::template(&spec, "ReplicaSet", report);
    strategy(&spec.get("strategy"), report);
    let counts = ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"];
    workload::counts(&spec, &counts, report);
    let deadline = spec.get("progressDeadlineSeconds");
    if deadline.is_set() && deadline.int() <= spec.get("minReadySeconds").int() {
        report.invalid(&deadline, "must be greater than minReadySeconds");
    }
}

fn strategy(at: &At, report: &mut Report) {
    let update = at.get("rollingUpdate");
    match at.text("type") {
        "Recreate" => {
            if update.is_set() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                report.forbidden(&update, why);
            }
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (update.get("maxUnavailable"), update.get("maxSurge"));
            number_or_percent(&unavailable, report);
            number_or_percent(&surge, report);
            if amount(&unavailable) == 0 && amount(&surge) == 0 {
                report.invalid(&unavailable, "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(&unavailable, report);
        }
        _ => report.unsupported(at, &["Recreate", "RollingUpdate"]),
    }
}

fn check_status(status: &At, old: &At, report: &mut Report) {
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
    ];
    workload::counts(status, &counts, report);
    let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    workload::at_most(status, &parts, "replicas", "cannot be greater than status.replicas", report);
    let why = "cannot be greater than readyReplicas";
    workload::at_most(status, &["availableReplicas"], "readyReplicas", why, report);
    workload::collisions(status, old, report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    let (spec, status) = (at.get("spec"), at.get("status"));
    let (names, images) = print::containers(&spec.get("template.spec"));
    let ready = status.get("readyReplicas").int();
    vec![
        print::name(object),
        format!("{ready}/{}", spec.get("replicas").int()).into(),
        status.get("updatedReplicas").int().into(),
        status.get("availableReplicas").int().into(),
        print::age(object, now),
        names,
        images,
        labels::shown(spec.get("selector").value).into(),
    ]
}
