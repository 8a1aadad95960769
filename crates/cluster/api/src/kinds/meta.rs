//! `metadata` of any object: names, labels, annotations, owners, finalizers, and what of it may change.

use super::field::{At, Report};
use super::{fill, name};
use crate::row::{Target, keep_untouchable};
use crate::selector::{label_key_errors, label_value_errors};
use crate::status::Cause;
use serde_json::Value;

const ANNOTATIONS_BYTES: usize = 256 * 1024;
const MANAGER_BYTES: usize = 128;
const SUBRESOURCE_BYTES: usize = 256;

/// How a kind's names look: the name, and whether it is only the start of one.
pub type NameRule = fn(&str, bool) -> Vec<String>;

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a namespace.
    Namespace,
    /// In the cluster.
    Cluster,
    /// Nowhere: they are questions. Nothing is asked of their metadata.
    Nowhere,
}

/// `metadata` of a new object of a built-in kind.
pub fn check(object: &At, place: Place, rule: NameRule, report: &mut Report) {
    if place != Place::Nowhere {
        check_any(object, place, rule, report);
        kube_finalizers(&object.get("metadata.finalizers"), report);
    }
}

fn check_any(object: &At, place: Place, rule: NameRule, report: &mut Report) {
    let meta = object.get("metadata");
    let prefix = meta.get("generateName");
    if !prefix.is_empty() {
        report.each(&prefix, rule(prefix.str(), true));
    }
    let own = meta.get("name");
    if own.is_empty() {
        report.required(&own, "name or generateName is required");
    } else {
        report.each(&own, rule(own.str(), false));
    }
    let namespace = meta.get("namespace");
    match place {
        Place::Namespace if namespace.is_empty() => report.required(&namespace, ""),
        Place::Namespace => report.each(&namespace, name::label(namespace.str())),
        Place::Cluster if !namespace.is_empty() => {
            report.forbidden(&namespace, "not allowed on this type");
        }
        Place::Cluster | Place::Nowhere => {}
    }
    report.non_negative(&meta.get("generation"));
    check_common(&meta, report);
}

/// What is wrong with the metadata of a new object of a definition's kind, or of a definition.
pub fn faults(object: &Value, place: Place, rule: NameRule) -> Vec<Cause> {
    let mut report = Report::default();
    check_any(&At::root(object), place, rule, &mut report);
    report.into_causes()
}

/// What is wrong with a change of its metadata.
pub fn change_faults(object: &Value, old: &Value) -> Vec<Cause> {
    let mut report = Report::default();
    check_any_update(&At::root(object), &At::root(old), &mut report);
    report.into_causes()
}

fn check_common(meta: &At, report: &mut Report) {
    labels(&meta.get("labels"), report);
    annotations(&meta.get("annotations"), report);
    owners(&meta.get("ownerReferences"), report);
    finalizers(&meta.get("finalizers"), report);
    managed_fields(&meta.get("managedFields"), report);
}

/// `metadata` of a changed object of a built-in kind.
pub fn check_update(object: &At, old: &At, report: &mut Report) {
    check_any_update(object, old, report);
    kube_finalizers(&object.get("metadata.finalizers"), report);
}

fn check_any_update(object: &At, old: &At, report: &mut Report) {
    let meta = object.get("metadata");
    let before = old.get("metadata");
    if before.get("deletionTimestamp").is_set() {
        no_new_finalizers(&meta.get("finalizers"), &before.get("finalizers"), report);
    }
    let version = meta.get("resourceVersion");
    if version.is_empty() {
        report.invalid_as(&version, "", "must be specified for an update");
    }
    let generation = meta.get("generation");
    if generation.int() < before.get("generation").int() {
        report.invalid_as(&generation, generation.int(), "must not be decremented");
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        report.immutable(&meta.get(field), &before.get(field));
    }
    check_common(&meta, report);
}

fn no_new_finalizers(new: &At, old: &At, report: &mut Report) {
    let known: Vec<&str> = old.strings().collect();
    let mut extra: Vec<String> = new
        .strings()
        .filter(|name| !known.contains(name))
        .map(|name| format!("{name:?}"))
        .collect();
    extra.sort();
    if !extra.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            extra.join(", ")
        );
        report.forbidden(new, &why);
    }
}

/// Labels, or a selector that is a map of them.
pub fn labels(at: &At, report: &mut Report) {
    for (key, value) in at.entries() {
        for why in label_key_errors(key) {
            report.invalid_as(at, key, why);
        }
        for why in label_value_errors(value.str()) {
            report.invalid_as(at, value.str(), why);
        }
    }
}

/// A label's key that is a field of its own.
pub fn label_key(at: &At, report: &mut Report) {
    report.each(at, label_key_errors(at.str()));
}

/// Annotations: their keys, and how much they are together.
pub fn annotations(at: &At, report: &mut Report) {
    let mut bytes = 0;
    for (key, value) in at.entries() {
        bytes += key.len() + value.str().len();
        for why in name::qualified(&key.to_lowercase()) {
            report.invalid_as(at, key, why);
        }
    }
    if bytes > ANNOTATIONS_BYTES {
        report.too_long(at, ANNOTATIONS_BYTES);
    }
}

fn owners(at: &At, report: &mut Report) {
    let mut controller: Option<String> = None;
    for owner in at.items() {
        let version = owner.text("apiVersion");
        let text = |name: &str| owner.text(name);
        if version.rsplit('/').next().unwrap_or_default().is_empty() {
            report.invalid_as(
                &at.called("apiVersion", owner.value),
                version,
                "version must not be empty",
            );
        }
        for field in ["kind", "name", "uid"] {
            if text(field).is_empty() {
                report.invalid_as(&at.called(field, owner.value), "", "must not be empty");
            }
        }
        if version == "v1" && text("kind") == "Event" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            report.invalid_as(at, owner.value.clone(), why);
        }
        if owner.get("controller").bool() {
            let current = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}"
                    );
                    report.invalid(at, why);
                }
                None => controller = Some(current),
            }
        }
    }
}

/// A finalizer's name, in `metadata` or a namespace's `spec`.
pub fn finalizer(at: &At, name: &str, report: &mut Report) {
    for why in name::qualified(name) {
        report.invalid_as(at, name, why);
    }
}

/// Finalizers without a domain are Kubernetes' own.
pub fn kube_finalizer(at: &At, name: &str, report: &mut Report) {
    if !name.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&name) {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        report.invalid_as(at, name, why);
    }
}

fn finalizers(at: &At, report: &mut Report) {
    for name in at.strings() {
        finalizer(at, name, report);
    }
    let has = |name: &str| at.strings().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        report.invalid(at, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// Finalizers of a built-in kind's object.
fn kube_finalizers(at: &At, report: &mut Report) {
    for item in at.items() {
        kube_finalizer(&item, item.str(), report);
    }
}

fn managed_fields(at: &At, report: &mut Report) {
    for entry in at.items() {
        let operation = entry.get("operation");
        if !["Apply", "Update"].contains(&operation.str()) {
            report.invalid(&operation, "must be `Apply` or `Update`");
        }
        let kind = entry.get("fieldsType");
        if !kind.is_empty() && kind.str() != "FieldsV1" {
            report.invalid(&kind, "must be `FieldsV1`");
        }
        let manager = entry.get("manager");
        if manager.str().len() > MANAGER_BYTES {
            report.too_long(&manager, MANAGER_BYTES);
        }
        let subresource = entry.get("subresource");
        if subresource.str().len() > SUBRESOURCE_BYTES {
            report.too_long(&subresource, SUBRESOURCE_BYTES);
        }
    }
}

/// `metadata` of a template: labels and annotations, and nothing else if it says so.
pub fn only_labels_and_annotations(meta: &At, report: &mut Report) {
    annotations(&meta.get("annotations"), report);
    labels(&meta.get("labels"), report);
    for field in [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ] {
        let at = meta.get(field);
        if !at.is_empty() {
            report.forbidden(&at, "cannot be set");
        }
    }
}

/// `status.conditions` of the common form.
pub fn conditions(at: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for condition in at.items() {
        let kind = condition.get("type");
        if seen.contains(&kind.str()) {
            report.duplicate(&kind);
        }
        seen.push(kind.str());
        label_key(&kind, report);
        let status = condition.get("status");
        if !["True", "False", "Unknown"].contains(&status.str()) {
            report.unsupported(&status, &["False", "True", "Unknown"]);
        }
        let observed = condition.get("observedGeneration");
        if observed.int() < 0 {
            report.invalid(&observed, "must be greater than or equal to zero");
        }
        if !condition.get("lastTransitionTime").is_set() {
            report.required(&condition.get("lastTransitionTime"), "must be set");
        }
        condition_reason(&condition.get("reason"), report);
        let message = condition.get("message");
        if message.str().len() > 32 * 1024 {
            report.too_long(&message, 32 * 1024);
        }
    }
}

const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

fn condition_reason(at: &At, report: &mut Report) {
    let reason = at.str().as_bytes();
    let Some((first, last)) = reason.first().zip(reason.last()) else {
        return report.required(at, "must be set");
    };
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b':');
    let ends = last.is_ascii_alphanumeric() || *last == b'_';
    if !first.is_ascii_alphabetic() || !ends || !reason.iter().all(inner) {
        report.invalid(at, REASON);
    }
    if reason.len() > 1024 {
        report.too_long(at, 1024);
    }
}

/// Takes from the old object what a write of a part may not touch of `metadata`.
pub fn keep_for_part(object: &mut Value, old: &Value) {
    let before = old.get("metadata").unwrap_or(&Value::Null);
    let metadata = fill::child(object, "metadata");
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
    ] {
        fill::keep(metadata, before, field);
    }
}

/// Takes over a write of `status` for kinds whose labels and finalizers are no part of that right.
pub fn status_alone(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    if target != Target::Subresource("status") {
        return None;
    }
    keep_untouchable(true, object, old, target);
    keep_for_part(object, old);
    Some(false)
}

/// An object's annotation.
pub fn annotation<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    crate::object::text(object, &["metadata", "annotations", key])
}
