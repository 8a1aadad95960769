//! `StatefulSet`.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, meta, name, pod_spec, print, workload};
use serde_json::{Value, json};

const FIXED: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub const RULES: Kind = Kind {
    name: name::label_name,
    default,
    status: Some(|_| json!({"replicas": 0, "availableReplicas": 0})),
    check,
    change,
    change_part: |_, object, old, report| {
        check_status(&object.get("status"), &old.get("status"), report);
    },
    warn: workload::warn,
    columns: "Name,Ready,Age,+Containers,+Images",
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
    fill::zero(spec, "podManagementPolicy", "OrderedReady");
    let strategy = fill::child(spec, "updateStrategy");
    if fill::text(strategy, "type").is_empty() {
        fill::set(strategy, "type", "RollingUpdate");
        fill::missing(strategy, "rollingUpdate", json!({}));
    }
    if fill::text(strategy, "type") == "RollingUpdate"
        && let Some(update) = fill::field(strategy, "rollingUpdate")
    {
        fill::missing(update, "partition", 0);
    }
    let retention = fill::child(spec, "persistentVolumeClaimRetentionPolicy");
    fill::zero(retention, "whenDeleted", "Retain");
    fill::zero(retention, "whenScaled", "Retain");
    fill::missing(spec, "revisionHistoryLimit", 10);
    for claim in fill::items(spec, "volumeClaimTemplates") {
        fill::zero(claim, "kind", "PersistentVolumeClaim");
        fill::zero(claim, "apiVersion", "v1");
        pod_spec::fill_claim_spec(fill::child(claim, "spec"));
        fill::zero(fill::child(claim, "status"), "phase", "Pending");
    }
    if let Some(status) = fill::field(object, "status") {
        fill::missing(status, "replicas", 0);
        fill::missing(status, "availableReplicas", 0);
    }
}

fn check(object: &At, report: &mut Report) {
    let spec = object.get("spec");
    let management = spec.get("podManagementPolicy");
    match management.str() {
        "" => report.required(&management, ""),
        "OrderedReady" | "Parallel" => {}
        _ => report.invalid(&management, "must be 'OrderedReady' or 'Parallel'"),
    }
    strategy(&spec.get("updateStrategy"), report);
    for when in ["whenDeleted", "whenScaled"] {
        let retention = spec.get("persistentVolumeClaimRetentionPolicy");
        report.maybe_one_of(&retention.get(when), &["Retain", "Delete"]);
    }
    workload::counts(&spec, &["replicas", "minReadySeconds", "ordinals.start"], report);
    workload::selector(&spec, "empty selector is invalid for statefulset", report);
    workload::selects_template(&spec, report);
    let template = spec.get("template");
    let metadata = template.get("metadata");
    meta::labels(&template.called("labels", metadata.get("labels").value), report);
    let annotations = template.called("annotations", metadata.get("annotations").value);
    meta::annotations(&annotations, report);
    pod_spec::specific_annotations(&annotations, &template.get("spec"), report);
    workload::runs_for_ever(&spec, "StatefulSet", report);
}

fn strategy(at: &At, report: &mut Report) {
    let update = at.get("rollingUpdate");
    match at.text("type") {
        "" => report.required(at, ""),
        "OnDelete" => {
            if update.is_set() {
                report.invalid(&update, "only allowed for updateStrategy 'RollingUpdate'");
            }
        }
        "RollingUpdate" => {
            report.non_negative(&update.get("partition"));
            let unavailable = update.get("maxUnavailable");
            if unavailable.is_set() {
                workload::number_or_percent(&unavailable, report);
                if workload::amount(&unavailable) == 0 {
                    report.invalid(&unavailable, "cannot be 0");
                }
                workload::at_most_all(&unavailable, report);
            }
        }
        _ => report.invalid(at, "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

fn change(object: &At, old: &At, report: &mut Report) {
    let (spec, before) = (object.get("spec"), old.get("spec"));
    let mut munged = spec.value.clone();
    for field in MUTABLE {
        fill::keep(&mut munged, before.value, field);
    }
    if !same(&munged, before.value) {
        report.forbidden(&spec, FIXED);
    }
}

fn check_status(status: &At, old: &At, report: &mut Report) {
    let parts = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    workload::counts(status, &["replicas", "observedGeneration"], report);
    workload::counts(status, &parts, report);
    workload::at_most(status, &parts, "replicas", "cannot be greater than status.replicas", report);
    let why = "cannot be greater than status.readyReplicas";
    workload::at_most(status, &["availableReplicas"], "readyReplicas", why, report);
    workload::collisions(status, old, report);
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let at = At::root(object);
    let (names, images) = print::containers(&at.get("spec.template.spec"));
    let (ready, wanted) = (at.get("status.readyReplicas").int(), at.get("spec.replicas").int());
    vec![
        print::name(object),
        format!("{ready}/{wanted}").into(),
        print::age(object, now),
        names,
        images,
    ]
}
