//! What is to be done so that there are so many pods, and what is said of it. Pure.

use crate::batch::MOST;
use crate::conditions::{self, Condition, count};
use crate::mirror::Object;
use crate::pods::{deletion_order, is_available, is_ready, ready_since};
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::kinds::labels::selects;
use teu_api::{Status, object};

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// So many more.
    Create(usize),
    /// These fewer.
    Delete(Vec<Object>),
}

/// What failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Whether it was making pods, not deleting them.
    pub is_growth: bool,
    /// Why.
    pub status: &'a Status,
}

/// Decides on the active pods of an owner.
pub fn plan(
    owner: &Value,
    mine: &[Object],
    on_same_node: impl Fn(&Value) -> usize,
    now: i64,
) -> Action {
    let wanted = At::root(owner).get("spec.replicas").int();
    let wanted = usize::try_from(wanted).unwrap_or(0);
    match mine.len() {
        has if has < wanted => Action::Create((wanted - has).min(MOST)),
        has if has > wanted => {
            let mut doomed = mine.to_vec();
            deletion_order(&mut doomed, on_same_node, now);
            doomed.truncate((has - wanted).min(MOST));
            Action::Delete(doomed)
        }
        _ => Action::Nothing,
    }
}

/// Whether a pod is on its way out.
pub fn is_ending(pod: &Value) -> bool {
    object::is_terminating(pod) && !crate::pods::is_over(pod)
}

/// The status on these pods. `now` is in seconds and as it is written.
pub fn status(
    owner: &Value,
    mine: &[Object],
    terminating: usize,
    failure: Option<Failure<'_>>,
    now: (i64, &str),
) -> Value {
    let at = At::root(owner);
    let mut status = at.get("status").value.clone();
    if !status.is_object() {
        status = json!({});
    }
    let min_ready = at.get("spec.minReadySeconds").int();
    let nothing = json!({});
    let labels = object::at(owner, &["spec", "template", "metadata", "labels"]).unwrap_or(&nothing);
    let template = json!({ "matchLabels": labels });
    let of = |is_so: &dyn Fn(&Value) -> bool| number(mine.iter().filter(|pod| is_so(pod)).count());
    status["replicas"] = number(mine.len()).into();
    let own = |pod: &Value| selects(&template, &pod["metadata"]["labels"]);
    count(&mut status, "fullyLabeledReplicas", of(&own));
    count(&mut status, "readyReplicas", of(&is_ready));
    count(&mut status, "availableReplicas", of(&|pod| is_available(pod, min_ready, now.0)));
    if owner["kind"] == "ReplicaSet" {
        status["terminatingReplicas"] = number(terminating).into();
    }
    status["observedGeneration"] = object::generation(owner).into();
    match failure {
        None => conditions::remove(&mut status, "ReplicaFailure"),
        Some(failure) if conditions::find(&status, "ReplicaFailure").is_none() => {
            let reason = if failure.is_growth { "FailedCreate" } else { "FailedDelete" };
            let message = failure.status.message.clone();
            let condition = Condition { kind: "ReplicaFailure", status: "True", reason, message };
            conditions::set(&mut status, &condition, now.1, false);
        }
        Some(_) => {}
    }
    status
}

/// In how many milliseconds the next pod that is ready counts as available.
pub fn next_available(owner: &Value, mine: &[Object], now: i64) -> Option<u64> {
    let min_ready = At::root(owner).get("spec.minReadySeconds").int();
    let left = |pod: &Object| Some(ready_since(pod)? + min_ready - now).filter(|left| *left > 0);
    let soonest = mine.iter().filter_map(left).min()?;
    u64::try_from(soonest).ok().map(|seconds| seconds * 1000)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
