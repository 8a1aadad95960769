//! Nodes in trouble: the taints that say so, and how long a pod bears them that says nothing about it.
//!
//! A new node takes no pods before it has said that it is ready ([`fill_node`]); then its taints follow its
//! conditions ([`mended`]). A pod stays five minutes on a node that was lost ([`fill_pod`]).

use crate::object::{at, child_mut, text};
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Seconds.
const PATIENCE: i64 = 300;

/// The taint of a condition that has this status.
const OF_CONDITIONS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Has a new pod leave nodes that are lost, after a while, unless it says otherwise.
pub fn fill_pod(pod: &mut Value) {
    let said = at(pod, &["spec", "tolerations"]).and_then(Value::as_array);
    let is_borne = |taint: &str| {
        said.into_iter().flatten().any(|toleration| {
            let is = |field: &str, wanted: &str| {
                let said = text(toleration, &[field]).unwrap_or_default();
                said.is_empty() || said == wanted
            };
            is("key", taint) && is("effect", "NoExecute")
        })
    };
    let missing: Vec<Value> = [NOT_READY, UNREACHABLE]
        .into_iter()
        .filter(|taint| !is_borne(taint))
        .map(|taint| {
            json!({
                "key": taint, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": PATIENCE,
            })
        })
        .collect();
    if missing.is_empty() {
        return;
    }
    let all = child_mut(pod, "spec").entry("tolerations").or_insert(Value::Null);
    match all.as_array_mut() {
        Some(all) => all.extend(missing),
        None => *all = missing.into(),
    }
}

/// Keeps pods away from a new node until it has said that it is ready.
pub fn fill_node(node: &mut Value) {
    let is_there = taints(node).iter().any(|taint| is_of(taint, NOT_READY));
    if !is_there {
        let taint = json!({ "key": NOT_READY, "effect": "NoSchedule" });
        let all = child_mut(node, "spec").entry("taints").or_insert(Value::Null);
        match all.as_array_mut() {
            Some(all) => all.push(taint),
            None => *all = json!([taint]),
        }
    }
}

/// The taints a node should have by its conditions, and whether it takes pods at all; `None` if it has them.
/// What somebody else put there stays, and what a node has said nothing about yet.
pub fn mended(node: &Value, now: &str) -> Option<Vec<Value>> {
    let conditions = at(node, &["status", "conditions"]).and_then(Value::as_array);
    let status = |name: &str| {
        let found = conditions.into_iter().flatten().find(|condition| condition["type"] == name);
        found.and_then(|condition| text(condition, &["status"]))
    };
    let is_held = at(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true));
    let wanted = |key: &str| match OF_CONDITIONS.iter().find(|(_, _, taint)| *taint == key) {
        Some((name, bad, _)) => status(name).map(|status| status == *bad),
        None => (key == UNSCHEDULABLE).then_some(is_held),
    };
    let old = taints(node);
    let is_right = |taint: &&Value| {
        let key = text(taint, &["key"]).unwrap_or_default();
        !is_of(taint, key) || wanted(key) != Some(false)
    };
    let mut new: Vec<Value> = old.iter().filter(is_right).cloned().collect();
    for key in OF_CONDITIONS.iter().map(|(_, _, key)| *key).chain([UNSCHEDULABLE]) {
        if wanted(key) == Some(true) && !new.iter().any(|taint| is_of(taint, key)) {
            new.push(json!({ "key": key, "effect": "NoSchedule", "timeAdded": now }));
        }
    }
    (new != old).then_some(new)
}

fn taints(node: &Value) -> &[Value] {
    let taints = at(node, &["spec", "taints"]).and_then(Value::as_array);
    taints.map(Vec::as_slice).unwrap_or_default()
}

/// Whether a taint keeps new pods away for this reason.
fn is_of(taint: &Value, key: &str) -> bool {
    text(taint, &["key"]) == Some(key) && text(taint, &["effect"]) == Some("NoSchedule")
}
