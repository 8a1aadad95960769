//! `DaemonSet`. How often its template changed is counted in an annotation.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::workload::{self, amount, at_most_all, number_or_percent};
use super::super::{fill, labels, meta, pod_spec, print};
use crate::row::Target;
use serde_json::{Value, json};

const GENERATION: &str = "deprecated.daemonset.template.generation";
const COUNTS: &[&str] =
    &["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"];

pub const RULES: Kind = Kind {
    default,
    status: Some(|_| {
        json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
            "numberReady": 0})
    }),
    create: |object| count_template(object, 1),
    prepare,
    check,
    change: |object, old, report| {
        report.immutable(&object.get("spec.selector"), &old.get("spec.selector"));
    },
    change_part: |_, object, old, report| {
        let (status, old) = (object.get("status"), old.get("status"));
        workload::counts(&status, COUNTS, report);
        let more = [
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
        ];
        workload::counts(&status, &more, report);
        workload::collisions(&status, &old, report);
    },
    warn: workload::warn,
    columns: "Name,Desired:integer,Current:integer,Ready:integer,Up-to-date:integer,Available:integer,Node Selector,Age,+Containers,+Images,+Selector",
    cells,
    generation: true,
    ..Kind::namespaced()
};

fn default(object: &mut Value) {
    let spec = fill::child(object, "spec");
    pod_spec::template::fill(spec);
    let strategy = fill::child(spec, "updateStrategy");
    fill::zero(strategy, "type", "RollingUpdate");
    if fill::text(strategy, "type") == "RollingUpdate" {
        fill::missing(strategy, "rollingUpdate", json!({}));
        let update = &mut strategy["rollingUpdate"];
        fill::missing(update, "maxUnavailable", 1);
        fill::missing(update, "maxSurge", 0);
    }
    fill::missing(spec, "revisionHistoryLimit", 10);
    if let Some(status) = fill::field(object, "status") {
        for count in COUNTS {
            fill::missing(status, count, 0);
        }
    }
}

fn count_template(object: &mut Value, times: i64) {
    let annotations = fill::child(fill::child(object, "metadata"), "annotations");
    fill::set(annotations, GENERATION, times.to_string());
}

fn prepare(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    if target == Target::Object {
        let times = meta::annotation(old, GENERATION).and_then(|text| text.parse::<i64>().ok());
        let template = |object: &Value| At::root(object).get("spec.template").value.clone();
        let changed = !same(&template(object), &template(old));
        if times.is_some() || changed {
            count_template(object, times.unwrap_or(0) + i64::from(changed));
        }
    }
    None
}

fn check(object: &At, report: &mut Report) {
    let spec = object.get("spec");
    let selector = spec.get("selector");
    labels::check(&selector, report);
    let labels_at = spec.get("template.metadata.labels");
    if !selector.is_set() || !labels::selects(selector.value, labels_at.value) {
        workload::not_selected(&labels_at, report);
    }
    if selector.is_set() && labels::is_empty(selector.value) {
        report.invalid(&selector, "empty selector is invalid for daemonset");
    }
    workload::template(&spec, "DaemonSet", report);
    workload::counts(&spec, &["minReadySeconds", "revisionHistoryLimit"], report);
    let strategy = spec.get("updateStrategy");
    match strategy.text("type") {
        "OnDelete" => {}
        "RollingUpdate" => rolling(&strategy.get("rollingUpdate"), report),
        _ => report.unsupported(&strategy, &["RollingUpdate", "OnDelete"]),
    }
}

fn rolling(update: &At, report: &mut Report) {
    let (unavailable, surge) = (update.get("maxUnavailable"), update.get("maxSurge"));
    for at in [unavailable, surge] {
        number_or_percent(&at, report);
        at_most_all(&at, report);
    }
    match (amount(&unavailable) != 0, amount(&surge) != 0) {
        (true, true) => report.invalid(&surge, "may not be set when maxUnavailable is non-zero"),
        (false, false) => report.required(&unavailable, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    let status = at.get("status");
    let (names, images) = print::containers(&at.get("spec.template.spec"));
    vec![
        print::name(object),
        status.get("desiredNumberScheduled").int().into(),
        status.get("currentNumberScheduled").int().into(),
        status.get("numberReady").int().into(),
        status.get("updatedNumberScheduled").int().into(),
        status.get("numberAvailable").int().into(),
        labels::shown_map(at.get("spec.template.spec.nodeSelector").value).into(),
        print::age(object, now),
        names,
        images,
        labels::shown(at.get("spec.selector").value).into(),
    ]
}
