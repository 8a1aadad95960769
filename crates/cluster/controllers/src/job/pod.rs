//! A job's pods: how one is made, and what it says about its index. Pure.

use super::plan::{FINALIZER, Slot};
use crate::pods;
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::object;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
const VARIABLE: &str = "JOB_COMPLETION_INDEX";

fn annotation<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    object::text(pod, &["metadata", "annotations", name])
}

/// The index of a pod.
pub fn index_of(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok().filter(|index| *index >= 0)
}

/// How often its index had failed when it was made.
pub fn failures_of(pod: &Value) -> i64 {
    number(pod, FAILURES)
}

/// How often it had failed in a way that does not count.
pub fn ignored_of(pod: &Value) -> i64 {
    number(pod, IGNORED)
}

fn number(pod: &Value, name: &str) -> i64 {
    let number = annotation(pod, name).and_then(|text| text.parse().ok());
    number.filter(|number| (0..=i64::from(i32::MAX)).contains(number)).unwrap_or(0)
}

/// When a pod ended, as far as anything says so.
pub fn ended(pod: &Value) -> i64 {
    let at = At::root(pod);
    let containers = at.get("status.containerStatuses");
    let ends: Option<Vec<i64>> = containers
        .items()
        .map(|it| teu_api::time::parse(it.get("state.terminated").text("finishedAt")))
        .collect();
    let unready = || {
        let ready = pods::condition(pod, "Ready").filter(|it| it["status"] == "False")?;
        pods::seconds(ready, &["lastTransitionTime"])
    };
    let deleted = || {
        let grace = at.get("metadata.deletionGracePeriodSeconds").int();
        Some(pods::seconds(pod, &["metadata", "deletionTimestamp"])? - grace)
    };
    let ends = ends.and_then(|ends| ends.into_iter().max());
    ends.or_else(unready).or_else(deleted).unwrap_or_else(|| pods::created(pod))
}

/// A pod of a job.
pub fn make(job: &Value, slot: Slot) -> Value {
    let template = &job["spec"]["template"];
    let mut pod = pods::of_template(template, job);
    let finalizers = &mut pod["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(finalizers) => finalizers.push(FINALIZER.into()),
        None => *finalizers = json!([FINALIZER]),
    }
    let Some(index) = slot.index else { return pod };
    let name = object::name(job);
    pod["metadata"]["generateName"] = format!("{name}-{index}-").into();
    pod["metadata"]["labels"][INDEX] = index.to_string().into();
    pod["metadata"]["annotations"][INDEX] = index.to_string().into();
    if At::root(job).get("spec.backoffLimitPerIndex").is_set() {
        pod["metadata"]["annotations"][FAILURES] = slot.failures.to_string().into();
        if slot.ignored > 0 {
            pod["metadata"]["annotations"][IGNORED] = slot.ignored.to_string().into();
        }
    }
    pod["spec"]["hostname"] = format!("{name}-{index}").into();
    let field = format!("metadata.labels['{INDEX}']");
    let variable = json!({
        "name": VARIABLE,
        "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": field } },
    });
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(env) if env.iter().any(|known| known["name"] == VARIABLE) => {}
                Some(env) => env.push(variable.clone()),
                None => container["env"] = json!([variable]),
            }
        }
    }
    pod
}
