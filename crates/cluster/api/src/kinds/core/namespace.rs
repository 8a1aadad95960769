//! `Namespace`: its finalizers are in its spec and only `/finalize` changes them.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, meta, name, print};
use crate::row::Target;
use serde_json::{Value, json};

pub const RULES: Kind = Kind {
    name: name::label_name,
    default,
    status: Some(|_| json!({"phase": "Active"})),
    create,
    prepare,
    check,
    recheck: false,
    change_part,
    selectable: &["status.phase"],
    columns: "Name,Status,Age",
    cells,
    ..Kind::cluster()
};

fn default(object: &mut Value) {
    let name = crate::object::name(object).to_owned();
    if !name.is_empty() {
        let labels = fill::child(fill::child(object, "metadata"), "labels");
        fill::set(labels, "kubernetes.io/metadata.name", name);
    }
    if let Some(status) = fill::field(object, "status") {
        fill::zero(status, "phase", "Active");
    }
}

fn create(object: &mut Value) {
    default(object);
    let spec = fill::child(object, "spec");
    fill::missing(spec, "finalizers", json!([]));
    if let Some(finalizers) = spec["finalizers"].as_array_mut()
        && !finalizers.iter().any(|finalizer| finalizer == "kubernetes")
    {
        finalizers.push("kubernetes".into());
    }
}

fn prepare(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    match target {
        Target::Object => {
            fill::keep(object, old, "spec");
            fill::keep(object, old, "status");
        }
        Target::Subresource("finalize") => fill::keep(object, old, "status"),
        Target::Subresource(_) => fill::keep(object, old, "spec"),
    }
    Some(false)
}

fn check(object: &At, report: &mut Report) {
    let finalizers = object.get("spec.finalizers");
    for finalizer in finalizers.strings() {
        meta::finalizer(&finalizers, finalizer, report);
        meta::kube_finalizer(&finalizers, finalizer, report);
    }
}

fn change_part(part: &str, object: &At, _old: &At, report: &mut Report) {
    if part == "finalize" {
        for finalizer in object.get("spec.finalizers").items() {
            meta::finalizer(&finalizer, finalizer.str(), report);
            meta::kube_finalizer(&finalizer, finalizer.str(), report);
        }
        return;
    }
    let (status, phase) = (object.get("status"), object.text("status.phase"));
    let at = status.called("Phase", status.value);
    let (right, how) = if object.get("metadata.deletionTimestamp").is_set() {
        ("Terminating", "is not empty")
    } else {
        ("Active", "is empty")
    };
    if phase != right {
        report.invalid_as(
            &at,
            phase,
            format!("may only be '{right}' if `deletionTimestamp` {how}"),
        );
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let phase = At::root(object).text("status.phase").into();
    vec![print::name(object), phase, print::age(object, now)]
}
