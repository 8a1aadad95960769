//! `PersistentVolume`.

use super::super::equal::{difference, same};
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, pod_spec, print, quantities};
use super::persistent_volume_claim::{check_modes, class, short_modes};
use crate::row::keep_untouchable;
use serde_json::{Map, Value, json};

pub const RULES: Kind = Kind {
    default,
    status: Some(|_| json!({"phase": "Pending"})),
    stamp: |volume, now| {
        if let Some(status) = fill::field(volume, "status") {
            fill::missing(status, "lastPhaseTransitionTime", now);
        }
    },
    prepare: |volume, old, target| {
        keep_untouchable(true, volume, old, target);
        let phase = |volume: &Value| At::root(volume).text("status.phase").to_owned();
        let noted = |volume: &Value| At::root(volume).get(TIME).value.clone();
        if phase(volume) != phase(old) && noted(volume) == noted(old) {
            fill::remove(fill::child(volume, "status"), "lastPhaseTransitionTime");
        }
        Some(false)
    },
    check: |volume, report| check_spec(&volume.get("spec"), report),
    change,
    change_part: |_, _, _, _| (),
    columns: "Name,Capacity,Access Modes,Reclaim Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age,+VolumeMode",
    cells,
    ..Kind::cluster()
};

const TIME: &str = "status.lastPhaseTransitionTime";
const CLASS: &str = "volumeAttributesClassName";

fn default(volume: &mut Value) {
    let spec = fill::child(volume, "spec");
    fill::zero(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill::missing(spec, "volumeMode", "Filesystem");
    if let Some(list) = fill::field(spec, "capacity") {
        quantities::fill_list(list);
    }
    pod_spec::fill_volume(spec);
    if let Some(status) = fill::field(volume, "status") {
        fill::zero(status, "phase", "Pending");
    }
}

/// Where its bytes are: the fields of the spec that say it.
fn source(spec: &Value) -> Value {
    let is_source = |field: &str| {
        ["local", "csi"].contains(&field) || pod_spec::SOURCES.iter().any(|(own, ..)| *own == field)
    };
    let fields = spec.as_object().into_iter().flatten();
    let own: Map<String, Value> = fields
        .filter(|(field, value)| is_source(field) && !value.is_null())
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    Value::Object(own)
}

fn check_spec(spec: &At, report: &mut Report) {
    let modes = spec.get("accessModes");
    if modes.is_empty() {
        report.required(&modes, "");
    }
    check_modes(spec, report);
    check_capacity(&spec.get("capacity"), report);
    let reclaim = spec.get("persistentVolumeReclaimPolicy");
    if !reclaim.is_empty() {
        report.maybe_one_of(&reclaim, &["Delete", "Recycle", "Retain"]);
    }
    let affinity = spec.get("nodeAffinity");
    if affinity.is_set() {
        let required = affinity.get("required");
        if required.is_set() {
            pod_spec::node_selector(&required, report);
        } else {
            report.required(&required, "must specify required node constraints");
        }
    }
    check_source(spec, report);
    if spec.get("hostPath").is_set()
        && spec.text("hostPath.path").trim_end_matches('/').is_empty()
        && reclaim.str() == "Recycle"
    {
        report.forbidden(&reclaim, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.get("storageClassName");
    if !class.is_empty() {
        report.each(&class, name::subdomain(class.str()));
    }
    report.maybe_one_of(&spec.get("volumeMode"), &["Block", "Filesystem"]);
    let attributes = spec.get(CLASS);
    if attributes.is_set() {
        if attributes.is_empty() {
            report.required(&attributes, "an empty string is disallowed");
        } else {
            report.each(&attributes, name::subdomain(attributes.str()));
        }
        if !spec.get("csi").is_set() {
            let why = "has to be specified when using volumeAttributesClassName";
            report.required(&spec.get("csi"), why);
        }
    }
}

fn check_capacity(capacity: &At, report: &mut Report) {
    if capacity.is_empty() {
        report.required(capacity, "");
    }
    if capacity.len() > 1 || !capacity.key("storage").is_set() {
        let shown = if capacity.is_set() { capacity.value.clone() } else { json!({}) };
        report.unsupported(&capacity.called_as(&shown), &["storage"]);
    }
    for (_, amount) in capacity.entries() {
        let quantity = quantities::read(&amount);
        if quantity.sign() < 0 {
            report.invalid_as(&amount, quantity.value(), "must be a valid resource quantity");
        }
        quantities::check_positive(&amount, report);
    }
}

fn check_source(spec: &At, report: &mut Report) {
    let mut count = 0;
    let mut one_more = |at: &At, report: &mut Report| {
        count += 1;
        if count > 1 {
            report.forbidden(at, "may not specify more than 1 volume type");
        }
        count == 1
    };
    for (field, shown, check) in pod_spec::SOURCES {
        let at = spec.get(field);
        if at.is_set() {
            let at = spec.called(shown, at.value);
            if one_more(&at, report) {
                check(&at, report);
            }
        }
    }
    let local = spec.get("local");
    if local.is_set() && one_more(&local, report) {
        let path = local.get("path");
        if path.is_empty() {
            report.required(&path, "");
        } else {
            pod_spec::no_backsteps(&path, path.str(), report);
        }
        if !spec.get("nodeAffinity").is_set() {
            let root = At::root(spec.value);
            let at = root.called("metadata.annotations", spec.value);
            report.required(&at, "Local volume requires node affinity");
        }
    }
    let csi = spec.get("csi");
    if csi.is_set() && one_more(&csi, report) {
        check_csi(&csi, report);
    }
    if count == 0 {
        report.required(spec, "must specify a volume type");
    }
}

fn check_csi(csi: &At, report: &mut Report) {
    pod_spec::csi_driver(&csi.get("driver"), report);
    if csi.text("volumeHandle").is_empty() {
        report.required(&csi.get("volumeHandle"), "");
    }
    for secret in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let secret = csi.get(secret);
        for field in ["name", "namespace"] {
            let at = secret.get(field);
            if secret.is_set() && at.is_empty() {
                report.required(&at, "");
            }
        }
    }
}

fn change(volume: &At, old: &At, report: &mut Report) {
    let (spec, before) = (volume.get("spec"), old.get("spec"));
    let (mut new, was) = (source(spec.value), source(before.value));
    if let (Some(csi), Some(before)) = (fill::field(&mut new, "csi"), was.get("csi")) {
        for secret in ["controllerExpandSecretRef", "nodeExpandSecretRef"] {
            if before.get(secret).is_none_or(Value::is_null) {
                fill::keep(csi, before, secret);
            }
        }
    }
    if !same(&new, &was) {
        let why = format!(
            "spec.persistentvolumesource is immutable after creation\n{}",
            difference(&was, &new)
        );
        report.forbidden(&spec.called("persistentvolumesource", spec.value), &why);
    }
    report.immutable(
        &volume.called("volumeMode", spec.get("volumeMode").value),
        &before.get("volumeMode"),
    );
    let (affinity, was) = (spec.get("nodeAffinity"), before.get("nodeAffinity"));
    if was.is_set() && !same(affinity.value, was.value) {
        let at = volume.called("nodeAffinity", affinity.value);
        let why = "field is immutable, except for updating from beta label to GA";
        report.invalid(&at, why);
    }
    let (class, was) = (spec.get(CLASS), before.get(CLASS));
    if was.is_set() && !class.is_set() {
        report.forbidden(&class, "update from non-nil value to nil is forbidden");
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let volume = At::root(object);
    let spec = volume.get("spec");
    let claim = spec.get("claimRef");
    let claim = if claim.is_set() {
        format!("{}/{}", claim.text("namespace"), claim.text("name"))
    } else {
        String::new()
    };
    let phase = if volume.get("metadata.deletionTimestamp").is_set() {
        "Terminating"
    } else {
        volume.text("status.phase")
    };
    vec![
        print::name(object),
        quantities::read(&spec.get("capacity").key("storage")).to_string().into(),
        short_modes(&spec.get("accessModes")).into(),
        spec.text("persistentVolumeReclaimPolicy").into(),
        phase.into(),
        claim.into(),
        class(&volume).into(),
        print::or(spec.text(CLASS), "<unset>"),
        volume.text("status.reason").into(),
        print::age(object, now),
        print::or(spec.text("volumeMode"), "<unset>"),
    ]
}
