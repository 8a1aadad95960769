//! What a write of a pod may touch.

use super::super::super::equal::{same, spec_changed};
use super::super::super::field::At;
use super::super::super::{fill, meta};
use crate::row::Target;
use serde_json::{Value, json};

const INIT_ANNOTATIONS: [&str; 4] = [
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

pub fn create(pod: &mut Value) {
    if let Some(annotations) = fill::at(pod, "metadata.annotations") {
        for key in INIT_ANNOTATIONS {
            fill::remove(annotations, key);
        }
    }
    if At::root(pod).get("spec.schedulingGates").has_items() {
        let gated = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates"}]);
        fill::set(fill::child(pod, "status"), "conditions", gated);
    }
    merge_label_keys(pod);
}

/// `matchLabelKeys` become expressions with the pod's own labels.
fn merge_label_keys(pod: &mut Value) {
    let labels = At::root(pod).get("metadata.labels").value.clone();
    let spec = fill::child(pod, "spec");
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = fill::at(spec, "affinity").and_then(|all| fill::field(all, kind))
        else {
            continue;
        };
        for term in fill::items(affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = fill::field(term, "podAffinityTerm") {
                merge(term, &labels);
            }
        }
        for term in fill::items(affinity, "requiredDuringSchedulingIgnoredDuringExecution") {
            merge(term, &labels);
        }
    }
    for constraint in fill::items(spec, "topologySpreadConstraints") {
        merge(constraint, &labels);
    }
}

fn merge(term: &mut Value, labels: &Value) {
    let mut added: Vec<Value> = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in At::root(term).get(field).strings() {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if added.is_empty() {
        return;
    }
    if let Some(selector) = fill::field(term, "labelSelector") {
        fill::missing(selector, "matchExpressions", json!([]));
        if let Some(expressions) = selector["matchExpressions"].as_array_mut() {
            expressions.append(&mut added);
        }
    }
}

pub fn update(pod: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    match target {
        Target::Object => {
            fill::keep(pod, old, "status");
            Some(spec_changed(pod, old))
        }
        Target::Subresource("status") => {
            status(pod, old);
            Some(false)
        }
        Target::Subresource("ephemeralcontainers") => {
            let new = At::root(pod).get("spec.ephemeralContainers").value.clone();
            fill::keep(pod, old, "spec");
            fill::keep(pod, old, "status");
            meta::keep_for_part(pod, old);
            fill::set(fill::child(pod, "spec"), "ephemeralContainers", new);
            Some(spec_changed(pod, old))
        }
        Target::Subresource("resize") => {
            resize(pod, old);
            Some(spec_changed(pod, old))
        }
        Target::Subresource(_) => Some(spec_changed(pod, old)),
    }
}

fn status(pod: &mut Value, old: &Value) {
    fill::keep(pod, old, "spec");
    let before = old.get("metadata").unwrap_or(&Value::Null);
    for field in ["ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        fill::keep(fill::child(pod, "metadata"), before, field);
    }
    let before = old.get("status").unwrap_or(&Value::Null);
    let status = fill::child(pod, "status");
    if fill::text(status, "qosClass").is_empty() {
        fill::keep(status, before, "qosClass");
    }
    if let Some(seen) = before.get("observedGeneration").cloned() {
        fill::zero(status, "observedGeneration", seen);
    }
    let at = At::root(before);
    let old_conditions = at.get("conditions");
    let mut used: Vec<usize> = Vec::new();
    for condition in fill::items(status, "conditions") {
        let kind = fill::text(condition, "type").to_owned();
        let found = old_conditions
            .items()
            .enumerate()
            .find(|(at, one)| one.text("type") == kind && !used.contains(at))
            .map(|(at, one)| (at, one.get("observedGeneration").int()));
        if let Some((at, generation)) = found {
            used.push(at);
            if generation != 0 {
                fill::zero(condition, "observedGeneration", generation);
            }
        }
    }
}

/// Only amounts of containers and how they may be changed.
fn resize(pod: &mut Value, old: &Value) {
    let names = |pod: &Value, list: &str| -> Vec<String> {
        let at = At::root(pod);
        let list = at.get("spec").get(list).value.clone();
        At::root(&list).items().map(|one| one.text("name").to_owned()).collect()
    };
    let lists = ["containers", "initContainers"];
    if lists.iter().any(|list| names(pod, list) != names(old, list)) {
        return;
    }
    let mut spec = old.get("spec").cloned().unwrap_or_default();
    let sent = pod.get("spec").cloned().unwrap_or_default();
    for list in lists {
        for (at, container) in fill::items(&mut spec, list).enumerate() {
            let new = At::root(&sent).get(list).index(at).value.clone();
            for field in ["resources", "resizePolicy"] {
                fill::keep(container, &new, field);
            }
        }
    }
    if !same(&spec["resources"], &sent["resources"]) {
        fill::keep(&mut spec, &sent, "resources");
    }
    fill::set(pod, "spec", spec);
    fill::keep(pod, old, "status");
    meta::keep_for_part(pod, old);
}
