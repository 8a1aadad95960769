//! What is said of a job. Pure.

use super::indexes;
use super::view::{End, View, is_indexed, uncounted};
use crate::conditions::{self, Condition, count as number};
use crate::mirror::Object;
use crate::pods::condition;
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::{object, time};

/// Conditions whose change is told.
pub const TOLD: &[(&str, &str)] =
    &[("Complete", "True"), ("Failed", "True"), ("Suspended", "True"), ("Suspended", "False")];

/// Pods that a status notes at once: it must not grow with the job.
const MOST_NOTED: usize = 500;

/// Whether it is over.
pub fn is_finished(job: &Value) -> bool {
    finished(job).is_some()
}

fn finished(job: &Value) -> Option<&Value> {
    let holds = |kind: &str| condition(job, kind).filter(|it| it["status"] == "True");
    holds("Complete").or_else(|| holds("Failed"))
}

/// When it was over, in seconds.
pub fn finished_at(job: &Value) -> Option<i64> {
    time::parse(finished(job)?["lastTransitionTime"].as_str()?)
}

/// The status with what ended noted; and the pods that may go then.
pub fn note(view: &View<'_>, before: &View<'_>, now: &str) -> (Value, Vec<Object>) {
    let job = view.job;
    let mut status = job["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    begin(view, &mut status, now);
    let mut noted = [uncounted(job, "succeeded"), uncounted(job, "failed")];
    let end = before.end().or_else(|| view.end());
    // What is held for the next pod of its index goes when there is no next one.
    let goes = |pod: &&Object| end.is_some() || !view.is_kept(pod);
    let mut release: Vec<Object> = view.ignored.iter().filter(goes).cloned().collect();
    let mut room = MOST_NOTED.saturating_sub(noted.iter().map(Vec::len).sum());
    let mut some = |pods: &[Object]| -> Vec<Object> {
        let some: Vec<Object> = pods.iter().filter(goes).take(room).cloned().collect();
        room -= some.len();
        some
    };
    let (succeeded, failed) = match is_indexed(job) {
        true => (view.fresh_succeeded.clone(), some(&view.fresh_failed)),
        false => (some(&view.fresh_succeeded), some(&view.fresh_failed)),
    };
    let uids = |pods: &[Object]| -> Vec<String> {
        pods.iter().map(|pod| object::uid(pod).to_owned()).collect()
    };
    if is_indexed(job) {
        list(&mut status, "completedIndexes", indexes::write(&view.completed));
        if At::root(job).get("spec.backoffLimitPerIndex").is_set() {
            status["failedIndexes"] = indexes::write(&view.failed_indexes).into();
        }
        number(&mut status, "succeeded", view.succeeded);
    } else {
        noted[0].extend(uids(&succeeded));
    }
    noted[1].extend(uids(&failed));
    release.extend(succeeded.into_iter().chain(failed));
    // What was noted by a look that was cut off.
    let is_noted = |pod: &&Object| noted.iter().flatten().any(|uid| uid == object::uid(pod));
    let more: Vec<Object> = view.pods.iter().filter(is_noted).cloned().collect();
    release.extend(more.into_iter().filter(|pod| super::plan::is_held(pod)));
    release.sort_by(|a, b| object::uid(a).cmp(object::uid(b)));
    release.dedup_by(|a, b| object::uid(a) == object::uid(b));
    let mut waiting = json!({});
    for (name, uids) in ["succeeded", "failed"].into_iter().zip(noted) {
        if !uids.is_empty() {
            waiting[name] = json!(uids);
        }
    }
    status["uncountedTerminatedPods"] = waiting;
    running(view, &mut status);
    if let Some(end) = end {
        target(&mut status, &end, now);
    }
    (status, release)
}

fn list(status: &mut Value, name: &str, text: String) {
    match text.is_empty() {
        true => drop(status.as_object_mut().and_then(|fields| fields.shift_remove(name))),
        false => status[name] = text.into(),
    }
}

/// Since when it is active; whether it stands still.
fn begin(view: &View<'_>, status: &mut Value, now: &str) {
    let is_suspended = view.is_suspended();
    let was = conditions::find(status, "Suspended").map(|it| it["status"] == "True");
    let (wanted, reason, message) = match is_suspended {
        true => ("True", "JobSuspended", "Job suspended"),
        false => ("False", "JobResumed", "Job resumed"),
    };
    if is_suspended || was == Some(true) {
        let message = message.to_owned();
        let condition = Condition { kind: "Suspended", status: wanted, reason, message };
        probed(status, &condition, now);
    }
    if is_suspended && view.end().is_none() {
        if let Some(fields) = status.as_object_mut() {
            fields.shift_remove("startTime");
        }
    } else if status.get("startTime").is_none_or(Value::is_null) {
        status["startTime"] = now.into();
    }
}

/// A condition with the time of the last look, which jobs have.
fn probed(status: &mut Value, condition: &Condition<'_>, now: &str) {
    let before = conditions::find(status, condition.kind).cloned();
    conditions::set(status, condition, now, false);
    let list = status["conditions"].as_array_mut();
    let found = list.and_then(|list| list.iter_mut().find(|it| it["type"] == condition.kind));
    if let Some(found) = found
        && before.as_ref() != Some(&*found)
    {
        found["lastProbeTime"] = now.into();
    }
}

fn running(view: &View<'_>, status: &mut Value) {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    number(status, "active", count(view.active.len()));
    status["ready"] = count(view.ready).into();
    status["terminating"] = count(view.terminating).into();
}

/// Says that it is about to end.
fn target(status: &mut Value, end: &End, now: &str) {
    let kind = if end.is_success { "SuccessCriteriaMet" } else { "FailureTarget" };
    let condition =
        Condition { kind, status: "True", reason: &end.reason, message: end.message.clone() };
    probed(status, &condition, now);
}

/// The status when what was noted is let go: it is counted; and the end, if nothing runs any more.
pub fn count(job: &Value, pods: &[Object], now: i64, text: &str) -> Value {
    let mut status = job["status"].clone();
    let at = At::root(job);
    let held =
        |uid: &String| pods.iter().any(|pod| object::uid(pod) == uid && super::plan::is_held(pod));
    let mut waiting = json!({});
    for name in ["succeeded", "failed"] {
        let (left, gone): (Vec<String>, Vec<String>) =
            uncounted(job, name).into_iter().partition(held);
        let more = i64::try_from(gone.len()).unwrap_or(i64::MAX);
        number(&mut status, name, at.get("status").get(name).int() + more);
        if !left.is_empty() {
            waiting[name] = json!(left);
        }
    }
    let is_counted = waiting.as_object().is_none_or(serde_json::Map::is_empty);
    status["uncountedTerminatedPods"] = waiting;
    let counted = json!({ "spec": job["spec"], "metadata": job["metadata"], "status": status });
    let view = View::new(&counted, pods, now);
    running(&view, &mut status);
    let is_at_rest = view.active.is_empty()
        && view.terminating == 0
        && view.fresh_failed.is_empty()
        && view.fresh_succeeded.is_empty();
    match said(&status) {
        Some(end) if is_counted && is_at_rest => finish(&mut status, &end, text),
        _ => {}
    }
    status
}

/// The end that was said, if one was.
fn said(status: &Value) -> Option<End> {
    let of = |kind: &str, is_success: bool| {
        let condition = conditions::find(status, kind).filter(|it| it["status"] == "True")?;
        let text = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        Some(End { is_success, reason: text("reason"), message: text("message") })
    };
    of("SuccessCriteriaMet", true).or_else(|| of("FailureTarget", false))
}

fn finish(status: &mut Value, end: &End, now: &str) {
    let kind = if end.is_success { "Complete" } else { "Failed" };
    let condition =
        Condition { kind, status: "True", reason: &end.reason, message: end.message.clone() };
    probed(status, &condition, now);
    if end.is_success {
        status["completionTime"] = now.into();
    }
    if status.get("startTime").is_none_or(Value::is_null) {
        status["startTime"] = now.into();
    }
}
