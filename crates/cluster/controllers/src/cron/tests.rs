//! Cron jobs, decided.

use super::plan::{Due, Start, due, history, job, note_start, review, start};
use crate::mirror::Object;
use serde_json::{Value, json};
use teu_api::object;
use teu_api::time::parse;

fn at(text: &str) -> i64 {
    parse(text).expect("a time")
}

fn cron(schedule: &str, zone: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": { "name": "c", "namespace": "n", "uid": "c", "creationTimestamp": "2026-03-01T00:00:30Z" },
        "spec": {
            "schedule": schedule, "timeZone": zone, "concurrencyPolicy": "Allow",
            "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0,
            "jobTemplate": { "metadata": { "labels": { "a": "b" } }, "spec": { "completions": 1 } },
        },
        "status": {},
    })
}

fn check(cron: &Value, now: &str, start: Option<&str>, next: &str) {
    let found = due(cron, &cron["status"], at(now)).expect("a schedule");
    assert_eq!(found, Due { start: start.map(at), next: Some(at(next)) }, "{now}");
}

#[test]
fn the_newest_time_is_due() {
    let mut five = cron("*/5 * * * *", "");
    check(&five, "2026-03-01T00:04:59Z", None, "2026-03-01T00:05:00Z");
    check(&five, "2026-03-01T00:05:00Z", Some("2026-03-01T00:05:00Z"), "2026-03-01T00:10:00Z");
    check(&five, "2026-03-01T00:21:00Z", Some("2026-03-01T00:20:00Z"), "2026-03-01T00:25:00Z");
    // Years of absence.
    check(&five, "2028-03-01T00:21:00Z", Some("2028-03-01T00:20:00Z"), "2028-03-01T00:25:00Z");
    five["status"]["lastScheduleTime"] = "2026-03-01T00:20:00Z".into();
    check(&five, "2026-03-01T00:21:00Z", None, "2026-03-01T00:25:00Z");
    five["spec"]["suspend"] = true.into();
    let found = due(&five, &five["status"], at("2026-03-02T00:00:00Z"));
    assert_eq!(found, Ok(Due { start: None, next: None }));
}

#[test]
fn zones_are_known() {
    let daily = cron("30 2 * * *", "Europe/Berlin");
    check(&daily, "2026-03-01T01:00:00Z", None, "2026-03-01T01:30:00Z");
    // On this day the clocks go from 2 to 3: it is half past three instead.
    check(&daily, "2026-03-29T00:00:00Z", Some("2026-03-28T01:30:00Z"), "2026-03-29T01:30:00Z");
    check(&daily, "2026-03-30T00:00:00Z", Some("2026-03-29T01:30:00Z"), "2026-03-30T00:30:00Z");
    let made = job(&daily, at("2026-03-30T00:30:00Z"));
    let text = &made["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(text, "2026-03-30T02:30:00+02:00");
    assert_eq!(made["metadata"]["name"], "c-29580510");
    let nowhere = cron("* * * * *", "Mars/Olympus");
    assert_eq!(due(&nowhere, &json!({}), 0).expect_err("no such zone").0, "UnknownTimeZone");
}

#[test]
fn policies_decide_whether_it_starts() {
    let mut policy = cron("* * * * *", "");
    let mut status = json!({});
    let time = at("2026-03-01T00:01:00Z");
    assert_eq!(start(&policy, &status, time, time), Start::Now);
    let other = json!({ "metadata": { "name": "c-1", "uid": "1" } });
    note_start(&mut status, Some(&other), time - 60);
    assert_eq!(start(&policy, &status, time - 60, time), Start::Not);
    policy["spec"]["concurrencyPolicy"] = "Forbid".into();
    assert_eq!(start(&policy, &status, time, time), Start::Busy);
    policy["spec"]["concurrencyPolicy"] = "Replace".into();
    assert_eq!(start(&policy, &status, time, time), Start::InsteadOf(vec!["c-1".to_owned()]));
    policy["spec"]["startingDeadlineSeconds"] = 10.into();
    assert_eq!(start(&policy, &status, time, time + 11), Start::TooLate);
}

#[test]
fn what_has_ended_is_noted_and_forgotten() {
    let ended = |name: &str, kind: &str, minute: u32| {
        let time = format!("2026-03-01T00:{minute:02}:00Z");
        Object::new(json!({
            "metadata": { "name": name, "uid": name },
            "status": {
                "startTime": time, "completionTime": time,
                "conditions": [{ "type": kind, "status": "True" }],
            },
        }))
    };
    let jobs = [ended("a", "Complete", 2), ended("b", "Complete", 1), ended("d", "Failed", 3)];
    let mut owner = cron("* * * * *", "");
    owner["status"] =
        json!({ "active": [{ "name": "a", "uid": "a" }, { "name": "x", "uid": "x" }] });
    let (status, told) = review(&owner, &jobs);
    assert!(status.get("active").is_none());
    assert_eq!(status["lastSuccessfulTime"], "2026-03-01T00:03:00Z");
    let reasons: Vec<&str> = told.iter().map(|(_, reason, _)| *reason).collect();
    assert_eq!(reasons, ["SawCompletedJob", "MissingJob"]);
    let names: Vec<String> =
        history(&owner, &jobs).iter().map(|job| object::name(job).to_owned()).collect();
    assert_eq!(names, ["b", "d"]);
}
