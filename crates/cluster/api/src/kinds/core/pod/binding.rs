//! `pods/x/binding`: a scheduler says where a pod runs.

use super::super::super::field::{At, Report};
use super::super::super::fill;
use crate::object;
use crate::status::Status;
use serde_json::{Value, json};

/// Puts a pod on a node.
pub fn bind(pod: &mut Value, binding: &Value) -> Result<(), Status> {
    let sent = At::root(binding);
    let mut report = Report::default();
    if !["", "Node"].contains(&sent.text("target.kind")) {
        report.unsupported(&sent.get("target.kind"), &["Node", "<empty>"]);
    }
    if sent.text("target.name").is_empty() {
        report.required(&sent.get("target.name"), "");
    }
    let causes = report.into_causes();
    let name = object::name(pod).to_owned();
    if !causes.is_empty() {
        return Err(Status::invalid("", "Binding", &name, causes));
    }
    let conflict = |why: &str| Err(Status::conflict("", "pods/binding", &name, why));
    let at = At::root(pod);
    for (what, field) in [("UID", "uid"), ("ResourceVersion", "resourceVersion")] {
        let asked = sent.get("metadata").text(field);
        let has = at.get("metadata").text(field);
        if !asked.is_empty() && asked != has {
            let why = format!(
                "Precondition failed: {what} in precondition: {asked}, {what} in object meta: {has}"
            );
            return conflict(&why);
        }
    }
    if object::is_terminating(pod) {
        return conflict(&format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = at.text("spec.nodeName");
    if !node.is_empty() {
        return conflict(&format!("pod {name} is already assigned to node {node:?}"));
    }
    if at.get("spec.schedulingGates").has_items() {
        return conflict(&format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    for kind in ["annotations", "labels"] {
        for (key, value) in sent.get("metadata").get(kind).entries() {
            let map = fill::child(fill::child(pod, "metadata"), kind);
            fill::set(map, key, value.value.clone());
        }
    }
    fill::set(fill::child(pod, "spec"), "nodeName", sent.text("target.name"));
    scheduled(fill::child(pod, "status"));
    Ok(())
}

fn scheduled(status: &mut Value) {
    fill::missing(status, "conditions", json!([]));
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    conditions.retain(|condition| fill::text(condition, "type") != "PodScheduled");
    conditions.push(json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null}));
}
