//! What of a pod may change: images, deadlines, tolerations to come, gates to go; and its parts.

use super::super::super::equal::{difference, same};
use super::super::super::field::{At, Report};
use super::super::super::{fill, pod_spec};
use super::qos;
use serde_json::Value;

const MIRROR: &str = "kubernetes.io/config.mirror";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const UPDATABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Annotations that stay as they were.
pub fn annotations(pod: &At, old: &At, report: &mut Report) {
    let (new, before) = (pod.get("metadata.annotations"), old.get("metadata.annotations"));
    for (key, value) in before.entries() {
        let at = new.key(key);
        if at.value == value.value {
            continue;
        }
        if key.starts_with(APPARMOR) {
            report.forbidden(&at, "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            report.forbidden(&at, "may not remove or update mirror pod annotation");
        }
    }
    for (key, at) in new.entries().filter(|(key, _)| !before.key(key).is_set()) {
        if key.starts_with(APPARMOR) {
            report.forbidden(&at, "may not add AppArmor annotations");
        }
        if key == MIRROR {
            report.forbidden(&at, "may not add mirror pod annotation");
        }
    }
}

/// A change of the pod itself.
pub fn object(pod: &At, old: &At, report: &mut Report) {
    annotations(pod, old, report);
    let (spec, before) = (pod.get("spec"), old.get("spec"));
    for list in ["containers", "initContainers"] {
        if spec.get(list).len() != before.get(list).len() {
            let why = "pod updates may not add or remove containers";
            return report.forbidden(&spec.get(list), why);
        }
    }
    if deadline(&spec, &before, report) {
        return;
    }
    tolerations(&spec, &before, report);
    gates(&spec, &before, report);
    if same(spec.value, before.value) {
        return;
    }
    let mut munged = spec.value.clone();
    unchange(&mut munged, before.value);
    if before.get("schedulingGates").has_items() {
        while_gated(&mut munged, &spec, &before, report);
    }
    if !same(&munged, before.value) {
        let why = format!("{UPDATABLE}\n{}", difference(before.value, &munged));
        report.forbidden(&spec, &why);
    }
}

/// Puts back what may change.
fn unchange(spec: &mut Value, old: &Value) {
    for list in ["containers", "initContainers"] {
        for (at, container) in fill::items(spec, list).enumerate() {
            fill::keep(container, &old[list][at], "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        fill::keep(spec, old, field);
    }
    let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64();
    if grace(old).is_some_and(|seconds| seconds < 0) && grace(spec) == Some(1) {
        fill::keep(spec, old, "terminationGracePeriodSeconds");
    }
}

/// Whether it is so wrong that the rest does not matter.
fn deadline(spec: &At, before: &At, report: &mut Report) -> bool {
    let (new, old) = (spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"));
    match (new.opt_int(), old.opt_int()) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            report.invalid(&new, "must be between 0 and 2147483647, inclusive");
            return true;
        }
        (Some(seconds), Some(was)) if was < seconds => {
            report.invalid(&new, "must be less than or equal to previous value");
            return true;
        }
        (None, Some(_)) => {
            let why = "must not update from a positive integer to nil value";
            report.add(crate::Cause::invalid(new.to_string(), new.value, why));
        }
        _ => {}
    }
    false
}

fn tolerations(spec: &At, before: &At, report: &mut Report) {
    let list = spec.get("tolerations");
    let without_seconds = |toleration: &At| {
        let mut value = toleration.value.clone();
        fill::remove(&mut value, "tolerationSeconds");
        value
    };
    for old in before.get("tolerations").items() {
        let old = without_seconds(&old);
        if !list.items().any(|new| same(&without_seconds(&new), &old)) {
            let why = "existing toleration can not be modified except its tolerationSeconds";
            return report.forbidden(&list, why);
        }
    }
    pod_spec::tolerations(&list, report);
}

fn gates(spec: &At, before: &At, report: &mut Report) {
    let old = before.get("schedulingGates");
    for gate in spec.get("schedulingGates").items() {
        let own = gate.text("name");
        if !old.items().any(|one| one.text("name") == own) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{own}'");
            report.forbidden(&gate.get("name"), &why);
        }
    }
}

/// A pod that is not to be scheduled yet may be told more of where it may run.
fn while_gated(munged: &mut Value, spec: &At, before: &At, report: &mut Report) {
    let (selector, was) = (spec.get("nodeSelector"), before.get("nodeSelector"));
    if !same(selector.value, was.value) {
        let kept = was.entries().all(|(key, value)| selector.key(key).value == value.value);
        if !kept {
            let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            report.invalid(&selector, why);
        }
        fill::keep(munged, before.value, "nodeSelector");
    }
    let (affinity, was) = (spec.get("affinity.nodeAffinity"), before.get("affinity.nodeAffinity"));
    if same(affinity.value, was.value) {
        return;
    }
    node_affinity(&affinity, &was, report);
    let other = ["podAffinity", "podAntiAffinity"];
    let alone = other.iter().all(|kind| !spec.get("affinity").get(kind).is_set());
    if alone && !before.get("affinity").is_set() {
        fill::remove(munged, "affinity");
    } else {
        let nothing = Value::Null;
        let old = before.value.get("affinity").unwrap_or(&nothing);
        fill::keep(fill::child(munged, "affinity"), old, "nodeAffinity");
    }
}

fn node_affinity(new: &At, old: &At, report: &mut Report) {
    const TERMS: &str = "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let (terms, was) = (new.get(TERMS), old.get(TERMS));
    if was.has_items() && was.len() != terms.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return report.invalid(&terms, why);
    }
    for (term, was) in terms.items().zip(was.items()) {
        let starts = |field: &str| {
            let (new, old) = (term.get(field), was.get(field));
            new.len() >= old.len()
                && old.items().zip(new.items()).all(|(old, new)| same(old.value, new.value))
        };
        let nothing = was.is_empty() && !term.is_empty();
        if nothing || !starts("matchExpressions") || !starts("matchFields") {
            report.invalid(&term, "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// A change of `ephemeralcontainers`.
pub fn ephemeral(pod: &At, old: &At, report: &mut Report) {
    super::check(pod, report);
    annotations(pod, old, report);
    if old.get("metadata.annotations").key(MIRROR).is_set() {
        let why = "static pods do not support ephemeral containers";
        return report.forbidden(&pod.get(""), why);
    }
    let list = pod.get("spec.ephemeralContainers");
    for old in old.get("spec.ephemeralContainers").items() {
        let own = old.text("name");
        match list.items().find(|new| new.text("name") == own) {
            None => {
                let why = format!("existing ephemeral containers {own:?} may not be removed\n");
                report.forbidden(&list, &why);
            }
            Some(new) if !same(new.value, old.value) => {
                let diff = difference(old.value, new.value);
                let why =
                    format!("existing ephemeral containers {own:?} may not be changed\n{diff}");
                report.forbidden(&list, &why);
            }
            Some(_) => {}
        }
    }
}

/// A change of `resize`.
pub fn resize(pod: &At, old: &At, report: &mut Report) {
    super::check(pod, report);
    if old.get("metadata.annotations").key(MIRROR).is_set() {
        return report.forbidden(&pod.get(""), "static pods cannot be resized");
    }
    if old.text("spec.os.name") == "windows" {
        return report.forbidden(&pod.get(""), "windows pods cannot be resized");
    }
    let (spec, before) = (pod.get("spec"), old.get("spec"));
    if qos::class(pod.value) != old.text("status.qosClass") {
        let why = "Pod QOS Class may not change as a result of resizing";
        report.invalid_as(&spec, pod.text("status.qosClass"), why);
    }
    let mut munged = spec.value.clone();
    for list in ["initContainers", "containers"] {
        let (new, was) = (spec.get(list), before.get(list));
        for (at, (container, was)) in new.items().zip(was.items()).enumerate() {
            if list == "initContainers" && !pod_spec::is_sidecar(&was) {
                if !same(container.value, was.value) {
                    let why = "resources for non-sidecar init containers are immutable";
                    report.forbidden(&spec, why);
                }
                continue;
            }
            removed(&container, &was, report);
            only_cpu_and_memory(&mut munged[list][at], was.value);
            if !same(&munged[list][at], was.value) {
                let what = if list == "containers" { "" } else { " for sidecar containers" };
                let why = format!("only cpu and memory resources{what} are mutable");
                report.forbidden(&spec, &why);
            }
        }
    }
}

fn removed(container: &At, was: &At, report: &mut Report) {
    for list in ["requests", "limits"] {
        let resources = container.get("resources");
        let new = resources.get(list);
        let old = was.get("resources");
        if old.get(list).entries().any(|(resource, _)| !new.key(resource).is_set()) {
            report.forbidden(&new, &format!("resource {list} cannot be removed"));
        }
    }
}

/// Puts back the two amounts that may change, and the policy of it.
fn only_cpu_and_memory(container: &mut Value, old: &Value) {
    fill::keep(container, old, "resizePolicy");
    let nothing = Value::Null;
    let was = old.get("resources").unwrap_or(&nothing);
    let resources = fill::child(container, "resources");
    for list in ["limits", "requests"] {
        let was = was.get(list).unwrap_or(&nothing);
        let list = fill::child(resources, list);
        for resource in ["cpu", "memory"] {
            fill::keep(list, was, resource);
        }
    }
}
