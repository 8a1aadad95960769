//! What a cron job starts and when, what it keeps, and what is said of it. Pure.

use super::zone::Clockwork;
use crate::job::is_finished;
use crate::mirror::Object;
use crate::pods::{condition, controller_ref, created, seconds};
use crate::recorder::Level;
use serde_json::{Value, json};
use teu_api::kinds::batch::schedule::Schedule;
use teu_api::kinds::field::At;
use teu_api::{object, time};

/// Times that are looked at one by one; more were missed by a clock that jumped.
const MISSED: usize = 100;
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What is due, and when to look again; both in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub start: Option<i64>,
    pub next: Option<i64>,
}

/// Whether a time's job is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It was already.
    Not,
    /// Its deadline has passed.
    TooLate,
    /// Another still runs.
    Busy,
    /// When these have been deleted.
    InsteadOf(Vec<String>),
    Now,
}

type Told = (Level, &'static str, String);

/// The status on the jobs there are, and what is to be told.
pub fn review(owner: &Value, jobs: &[Object]) -> (Value, Vec<Told>) {
    let mut status = owner["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    let (mut told, mut active) = (Vec::new(), Vec::new());
    let find = |uid: &str| jobs.iter().find(|job| object::uid(job) == uid);
    let known = status["active"].as_array().cloned().unwrap_or_default();
    for entry in &known {
        let name = entry["name"].as_str().unwrap_or_default();
        match find(entry["uid"].as_str().unwrap_or_default()) {
            None => {
                told.push((Level::Normal, "MissingJob", format!("Active job went missing: {name}")))
            }
            Some(job) if is_finished(job) => {
                let is_good = condition(job, "Complete").is_some_and(|it| it["status"] == "True");
                let how = if is_good { "Complete" } else { "Failed" };
                let text = format!("Saw completed job: {name}, condition: {how}");
                told.push((Level::Normal, "SawCompletedJob", text));
            }
            Some(_) => active.push(entry.clone()),
        }
    }
    let is_known = |job: &Object| known.iter().any(|entry| entry["uid"] == object::uid(job));
    for job in jobs.iter().filter(|job| !is_finished(job) && !is_known(job)) {
        let name = object::name(job);
        let text = format!("Saw a job that the controller did not create or forgot: {name}");
        told.push((Level::Warning, "UnexpectedJob", text));
    }
    let completed = jobs.iter().filter_map(|job| object::text(job, &["status", "completionTime"]));
    let last = status["lastSuccessfulTime"].as_str().into_iter().chain(completed).max();
    if let Some(last) = last.map(str::to_owned) {
        status["lastSuccessfulTime"] = last.into();
    }
    set_active(&mut status, active);
    (status, told)
}

fn set_active(status: &mut Value, active: Vec<Value>) {
    match active.is_empty() {
        true => drop(status.as_object_mut().and_then(|fields| fields.shift_remove("active"))),
        false => status["active"] = active.into(),
    }
}

/// Finished jobs beyond what is to be kept, the oldest.
pub fn history(owner: &Value, jobs: &[Object]) -> Vec<Object> {
    let at = At::root(owner);
    let mut gone = Vec::new();
    for (kind, limit) in
        [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")]
    {
        let Some(limit) = at.get("spec").get(limit).opt_int() else { continue };
        let is_kind = |job: &&Object| condition(job, kind).is_some_and(|it| it["status"] == "True");
        let mut ended: Vec<&Object> = jobs.iter().filter(is_kind).collect();
        ended.retain(|job| !object::is_terminating(job));
        let begun = |job: &Object| seconds(job, &["status", "startTime"]).unwrap_or(i64::MAX);
        ended.sort_by_key(|job| (begun(job), object::name(job).to_owned()));
        let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        gone.extend(ended.into_iter().take(surplus).cloned());
    }
    gone
}

fn clockwork(owner: &Value) -> Result<Clockwork, (&'static str, String)> {
    let at = At::root(owner);
    let (text, zone) = (at.text("spec.schedule"), at.text("spec.timeZone"));
    let schedule = Schedule::parse(text).map_err(|error| {
        ("UnparseableSchedule", format!("unparseable schedule: {text:?} : {error}"))
    })?;
    // The zone may stand before the schedule, as long ago.
    let before = ["TZ=", "CRON_TZ="].iter().find_map(|start| text.strip_prefix(start));
    let before = before.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let zone = if zone.is_empty() { before } else { zone };
    let unknown =
        || ("UnknownTimeZone", format!("invalid timeZone: {zone:?}: unknown time zone {zone}"));
    Clockwork::new(schedule, zone).ok_or_else(unknown)
}

/// What is due, or why that cannot be said.
pub fn due(owner: &Value, status: &Value, now: i64) -> Result<Due, (&'static str, String)> {
    let at = At::root(owner);
    if at.get("spec.suspend").bool() {
        return Ok(Due { start: None, next: None });
    }
    let clockwork = clockwork(owner)?;
    let last = status["lastScheduleTime"].as_str().and_then(time::parse);
    let mut from = last.unwrap_or_else(|| created(owner));
    if let Some(deadline) = at.get("spec.startingDeadlineSeconds").opt_int() {
        from = from.max(now - deadline);
    }
    let (mut start, mut missed) = (None, 0);
    let mut next = clockwork.next_after(from);
    while let Some(time) = next.filter(|time| *time <= now) {
        start = Some(time);
        missed += 1;
        // What is further back is of no interest: only the newest is started.
        next = match missed < MISSED {
            true => clockwork.next_after(time),
            false => {
                start = newest(&clockwork, time, now);
                clockwork.next_after(now)
            }
        };
    }
    Ok(Due { start, next })
}

/// The newest time up to now, found from ever nearer by.
fn newest(clockwork: &Clockwork, known: i64, now: i64) -> Option<i64> {
    let (mut early, mut late) = (known, now);
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        match clockwork.next_after(middle) {
            Some(time) if time <= now => early = time,
            _ => late = middle,
        }
    }
    Some(early)
}

/// Whether the job of a time is started.
pub fn start(owner: &Value, status: &Value, at: i64, now: i64) -> Start {
    let spec = At::root(owner);
    let deadline = spec.get("spec.startingDeadlineSeconds").opt_int();
    if deadline.is_some_and(|deadline| at + deadline < now) {
        return Start::TooLate;
    }
    let name = name(owner, at);
    let active: Vec<String> =
        At::root(status).get("active").items().map(|entry| entry.text("name").to_owned()).collect();
    let last = status["lastScheduleTime"].as_str().and_then(time::parse);
    if active.contains(&name) || last == Some(at) {
        return Start::Not;
    }
    match spec.text("spec.concurrencyPolicy") {
        "Forbid" if !active.is_empty() => Start::Busy,
        "Replace" if !active.is_empty() => Start::InsteadOf(active),
        _ => Start::Now,
    }
}

/// A job's name: that of its minute.
fn name(owner: &Value, at: i64) -> String {
    format!("{}-{}", object::name(owner), at.div_euclid(60))
}

/// The job of a time.
pub fn job(owner: &Value, at: i64) -> Value {
    let template = &owner["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": name(owner, at), "namespace": object::namespace(owner),
        "ownerReferences": [controller_ref(owner)],
    });
    for field in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let text = clockwork(owner).ok().and_then(|clockwork| clockwork.text(at));
    metadata["annotations"][SCHEDULED] = text.unwrap_or_else(|| time::rfc3339(at)).into();
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"],
    })
}

/// Notes that a time's job was started.
pub fn note_start(status: &mut Value, job: Option<&Value>, at: i64) {
    let mut active = status["active"].as_array().cloned().unwrap_or_default();
    active.extend(job.map(|job| {
        json!({
            "kind": "Job", "apiVersion": "batch/v1", "namespace": object::namespace(job),
            "name": object::name(job), "uid": object::uid(job),
            "resourceVersion": job["metadata"]["resourceVersion"],
        })
    }));
    set_active(status, active);
    status["lastScheduleTime"] = time::rfc3339(at).into();
}
