//! What may become larger while it is there: claims whose class allows it, pods that still fit their node.

use super::limits::{amounts, pod_amounts};
use crate::object::{at, generation, text};
use serde_json::Value;

const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Why a claim may not grow; `classes` are all there are.
pub fn check_claim(new: &Value, old: &Value, classes: &[Value]) -> Result<(), String> {
    let size =
        |claim: &Value| amounts(at(claim, &["spec", "resources", "requests"])).remove("storage");
    if size(new) <= size(old) {
        return Ok(());
    }
    if text(old, &["status", "phase"]) != Some("Bound") {
        return Err("Only bound persistent volume claims can be expanded".to_owned());
    }
    let class = class_of(new);
    let may = classes.iter().find(|it| crate::object::name(it) == class);
    let may = may.is_some_and(|class| class["allowVolumeExpansion"] == true);
    match may && class == class_of(old) {
        true => Ok(()),
        false => Err("only dynamically provisioned pvc can be resized and the storageclass that \
                      provisions the pvc must support resize"
            .to_owned()),
    }
}

fn class_of(claim: &Value) -> &str {
    let old = text(claim, &["metadata", "annotations", OLD_CLASS]);
    old.or_else(|| text(claim, &["spec", "storageClassName"])).unwrap_or_default()
}

/// The node that has to be looked at before a pod's resources are changed, if they are.
pub fn node_of<'a>(pod: &'a Value, old: &Value) -> Option<&'a str> {
    let node = text(pod, &["spec", "nodeName"]).filter(|name| !name.is_empty())?;
    (generation(pod) != generation(old)).then_some(node)
}

/// Why a pod cannot have what it asks for on its node.
pub fn check_pod(pod: &Value, node: &Value) -> Result<(), String> {
    let has = amounts(at(node, &["status", "allocatable"]));
    let asked = pod_amounts(pod.get("spec").unwrap_or(&Value::Null), "requests");
    let mut faults = Vec::new();
    for resource in ["cpu", "memory"] {
        let number = |amount: crate::quantity::Quantity| match resource {
            "cpu" => amount.milli_value(),
            _ => amount.value(),
        };
        let asked = asked.get(resource).copied().map_or(0, number);
        let has = has.get(resource).copied().map_or(0, number);
        if asked > has {
            faults.push(format!("{resource}, requested: {asked}, allocatable: {has}"));
        }
    }
    if !faults.is_empty() {
        let faults = faults.join("; ");
        return Err(format!("Node didn't have enough allocatable resources: {faults}"));
    }
    let system = text(node, &["metadata", "labels", "kubernetes.io/os"]).unwrap_or_default();
    match system == "linux" {
        true => Ok(()),
        false => Err(format!(
            "pod resize is only supported on linux nodes, node {:?} is {system:?}",
            crate::object::name(node)
        )),
    }
}
