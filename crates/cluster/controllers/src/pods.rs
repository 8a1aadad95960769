//! What controllers ask about pods: all of it pure.

use crate::mirror::Object;
use serde_json::Value;
use teu_api::kinds::field::At;
use teu_api::{object, time};

/// Its phase.
pub fn phase(pod: &Value) -> &str {
    object::text(pod, &["status", "phase"]).unwrap_or_default()
}

/// Whether it has ended, well or not.
pub fn is_over(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it counts as one that runs or will.
pub fn is_active(pod: &Value) -> bool {
    !is_over(pod) && !object::is_terminating(pod)
}

/// Seconds since 1970 of a time in an object.
pub fn seconds(object: &Value, path: &[&str]) -> Option<i64> {
    time::parse(object::text(object, path)?)
}

/// When it was made.
pub fn created(object: &Value) -> i64 {
    seconds(object, &["metadata", "creationTimestamp"]).unwrap_or(0)
}

/// Since when it has been ready, if it is.
pub fn ready_since(pod: &Value) -> Option<i64> {
    let ready = condition(pod, "Ready").filter(|it| it["status"] == "True")?;
    Some(seconds(ready, &["lastTransitionTime"]).unwrap_or(0))
}

/// Whether it is ready.
pub fn is_ready(pod: &Value) -> bool {
    ready_since(pod).is_some()
}

/// Whether it has been ready for long enough.
pub fn is_available(pod: &Value, min_ready_seconds: i64, now: i64) -> bool {
    ready_since(pod).is_some_and(|since| min_ready_seconds == 0 || since + min_ready_seconds <= now)
}

/// A condition of any object, by its type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object::at(object, &["status", "conditions"])?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// How a controller would rather lose one of its pods than another: the first goes first.
///
/// Those without a node, those that have not begun, those that are not ready, those whose deletion is
/// said to cost less, those whose node has more of their kind, those that are ready for less time (by
/// orders of magnitude), those that were restarted more, the younger ones.
pub fn deletion_order(pods: &mut [Object], on_same_node: impl Fn(&Value) -> usize, now: i64) {
    type Rank = (bool, u8, bool, i64, usize, u32, i64, u32);
    let rank = |pod: &Value| -> Rank {
        let at = At::root(pod);
        let begun = match phase(pod) {
            "Pending" | "" => 0,
            "Running" => 2,
            _ => 1,
        };
        let cost = object::text(
            pod,
            &["metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"],
        );
        let cost = cost.and_then(|cost| cost.parse::<i64>().ok()).unwrap_or(0);
        let magnitude = |since: i64| 64 - u64::try_from(now - since).unwrap_or(0).leading_zeros();
        let ready = ready_since(pod);
        let restarts: i64 = at
            .get("status.containerStatuses")
            .items()
            .map(|container| container.get("restartCount").int())
            .max()
            .unwrap_or(0);
        (
            !at.get("spec.nodeName").is_empty(),
            begun,
            ready.is_some(),
            cost,
            usize::MAX - on_same_node(pod),
            ready.map_or(0, magnitude),
            -restarts,
            magnitude(created(pod)),
        )
    };
    pods.sort_by_cached_key(|pod| (rank(pod), object::uid(pod).to_owned()));
}

/// A pod as a template describes it, for an owner that controls it.
pub fn of_template(template: &Value, owner: &Value) -> Value {
    let own = At::root(template);
    let mut metadata = serde_json::Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        let value = own.get("metadata").get(field).value;
        if !value.is_null() {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    metadata.insert("generateName".to_owned(), format!("{}-", object::name(owner)).into());
    metadata.insert("namespace".to_owned(), object::namespace(owner).into());
    metadata.insert("ownerReferences".to_owned(), vec![controller_ref(owner)].into());
    let mut pod = serde_json::Map::new();
    pod.insert("apiVersion".to_owned(), "v1".into());
    pod.insert("kind".to_owned(), "Pod".into());
    pod.insert("metadata".to_owned(), metadata.into());
    pod.insert("spec".to_owned(), own.get("spec").value.clone());
    pod.into()
}

/// The reference by which an object controls another.
pub fn controller_ref(owner: &Value) -> Value {
    serde_json::json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": object::name(owner),
        "uid": object::uid(owner), "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether a write was refused because its namespace is going: then nothing has to be done any more.
pub fn is_of_ending_namespace(status: &teu_api::Status) -> bool {
    status.code == 403
        && (status.message.contains("because it is being terminated")
            || status.causes.iter().any(|cause| cause.message.contains("being terminated")))
}

#[cfg(test)]
mod tests;
