//! Which pods are garbage: pure.

use crate::mirror::Object;
use crate::pods::{condition, created, is_over};
use serde_json::Value;
use teu_api::kinds::field::At;
use teu_api::object;

/// Says of a node that what runs there does not any more.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Why a pod is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its node is not there.
    NodeGone,
    /// It was deleted, and never had a node.
    Unscheduled,
    /// It was deleted, and its node is out of service.
    OutOfService,
}

/// The node that a pod is on; empty for none.
pub fn node(pod: &Value) -> &str {
    object::text(pod, &["spec", "nodeName"]).unwrap_or_default()
}

/// Whether a node is out of service: somebody said so, and it does not say that it is ready.
pub fn is_out(node: &Value) -> bool {
    let at = At::root(node);
    let is_ready = condition(node, "Ready").is_some_and(|it| it["status"] == "True");
    !is_ready && at.get("spec.taints").items().any(|taint| taint.text("key") == OUT_OF_SERVICE)
}

/// Whether and why a pod is garbage, with its node if that is there.
pub fn judge(pod: &Value, node: Option<&Value>) -> Option<Reason> {
    let is_going = object::is_terminating(pod);
    match (self::node(pod), node) {
        ("", _) => is_going.then_some(Reason::Unscheduled),
        (_, None) => Some(Reason::NodeGone),
        (_, Some(node)) => (is_going && is_out(node)).then_some(Reason::OutOfService),
    }
}

/// Of the pods that ended those beyond a number: evicted ones first, then the oldest.
pub fn surplus(mut pods: Vec<Object>, kept: usize) -> Vec<Object> {
    pods.retain(|pod| is_over(pod));
    let surplus = pods.len().saturating_sub(kept);
    let is_evicted = |pod: &Value| object::text(pod, &["status", "reason"]) == Some("Evicted");
    pods.sort_by_cached_key(|pod| {
        (
            !is_evicted(pod),
            created(pod),
            object::namespace(pod).to_owned(),
            object::name(pod).to_owned(),
        )
    });
    pods.truncate(surplus);
    pods
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_garbage() {
        let pod = |node: &str, is_going: bool| {
            let at = if is_going { json!("2026-01-01T00:00:00Z") } else { Value::Null };
            json!({ "metadata": { "name": "p", "deletionTimestamp": at }, "spec": { "nodeName": node } })
        };
        let node = |ready: &str, taint: &str| {
            json!({
                "spec": { "taints": [{ "key": taint, "effect": "NoExecute" }] },
                "status": { "conditions": [{ "type": "Ready", "status": ready }] },
            })
        };
        let sound = node("True", "x");
        assert_eq!(judge(&pod("n", false), None), Some(Reason::NodeGone));
        assert_eq!(judge(&pod("", false), None), None);
        assert_eq!(judge(&pod("", true), None), Some(Reason::Unscheduled));
        assert_eq!(judge(&pod("n", true), Some(&sound)), None);
        let out = node("Unknown", OUT_OF_SERVICE);
        assert_eq!(judge(&pod("n", true), Some(&out)), Some(Reason::OutOfService));
        assert_eq!(judge(&pod("n", false), Some(&out)), None);
        assert_eq!(judge(&pod("n", true), Some(&node("True", OUT_OF_SERVICE))), None);
    }

    #[test]
    fn the_oldest_that_ended_go_first_and_evicted_ones_before_them() {
        let pod = |name: &str, phase: &str, reason: &str, minute: u32| {
            Object::new(json!({
                "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:{minute:02}:00Z") },
                "status": { "phase": phase, "reason": reason },
            }))
        };
        let all = vec![
            pod("new", "Failed", "", 3),
            pod("runs", "Running", "", 0),
            pod("old", "Succeeded", "", 1),
            pod("evicted", "Failed", "Evicted", 9),
        ];
        let gone = |kept: usize| -> Vec<String> {
            let gone = surplus(all.clone(), kept);
            gone.iter().map(|pod| object::name(pod).to_owned()).collect()
        };
        assert_eq!(gone(3), [""; 0]);
        assert_eq!(gone(1), ["evicted", "old"]);
    }
}
