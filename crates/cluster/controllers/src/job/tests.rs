//! Jobs, decided.

use super::plan::{FINALIZER, plan};
use super::pod;
use super::status::{count, note};
use super::view::View;
use crate::mirror::Object;
use serde_json::{Value, json};
use teu_api::{object, time};

const NOW: &str = "2026-01-01T01:00:00Z";

fn now() -> i64 {
    time::parse(NOW).expect("a time")
}

fn job(spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "j", "namespace": "n", "uid": "j" },
        "spec": { "backoffLimit": 6, "template": { "spec": { "restartPolicy": "Never", "containers": [{}] } } },
        "status": {},
    });
    for (name, value) in spec.as_object().expect("fields") {
        job["spec"][name] = value.clone();
    }
    job
}

fn pod(name: &str, phase: &str, index: Option<i64>) -> Object {
    let ended = json!({ "terminated": { "exitCode": 3, "finishedAt": "2026-01-01T00:59:55Z" } });
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "n", "uid": name, "finalizers": [FINALIZER] },
        "status": { "phase": phase, "containerStatuses": [{ "name": "c", "state": {} }] },
    });
    if let Some(index) = index {
        let name = "batch.kubernetes.io/job-completion-index";
        pod["metadata"]["annotations"] = json!({ name: index.to_string() });
    }
    if matches!(phase, "Failed" | "Succeeded") {
        pod["status"]["containerStatuses"][0]["state"] = ended;
    }
    Object::new(pod)
}

/// How many are made, the names of those that go, and when to look again.
fn decide(job: &Value, pods: &[Object]) -> (usize, Vec<String>, Option<u64>) {
    let plan = plan(&View::new(job, pods, now()));
    let names = plan.delete.iter().map(|pod| object::name(pod).to_owned()).collect();
    (plan.create.len(), names, plan.after)
}

/// What is said after everything that ended was let go.
fn settle(job: &mut Value, pods: &mut [Object]) {
    let view = View::new(job, pods, now());
    let (noted, release) = note(&view, &view, NOW);
    job["status"] = noted;
    for pod in pods.iter_mut() {
        if release.iter().any(|gone| object::uid(gone) == object::uid(pod)) {
            let mut free = (**pod).clone();
            free["metadata"]["finalizers"] = json!([]);
            *pod = Object::new(free);
        }
    }
    job["status"] = count(job, pods, now(), NOW);
}

fn has(job: &Value, kind: &str) -> bool {
    crate::pods::condition(job, kind).is_some_and(|it| it["status"] == "True")
}

#[test]
fn as_many_run_as_are_missing() {
    let wanted = job(json!({ "completions": 3, "parallelism": 2 }));
    assert_eq!(decide(&wanted, &[]).0, 2);
    assert_eq!(decide(&wanted, &[pod("a", "Running", None)]).0, 1);
    let ended = [pod("a", "Succeeded", None), pod("b", "Succeeded", None)];
    assert_eq!(decide(&wanted, &ended).0, 1);
    let many = [pod("a", "Running", None), pod("b", "Running", None), pod("c", "Pending", None)];
    assert_eq!(decide(&wanted, &many).1, ["c"]);
}

#[test]
fn a_job_that_is_done_is_complete_when_all_is_counted() {
    let mut job = job(json!({ "completions": 1, "parallelism": 1 }));
    let mut pods = vec![pod("a", "Running", None)];
    settle(&mut job, &mut pods);
    assert_eq!((&job["status"]["active"], has(&job, "Complete")), (&json!(1), false));
    pods = vec![pod("a", "Succeeded", None)];
    settle(&mut job, &mut pods);
    assert!(has(&job, "SuccessCriteriaMet") && has(&job, "Complete"), "{}", job["status"]);
    assert_eq!(job["status"]["succeeded"], 1);
    assert_eq!(job["status"]["completionTime"], NOW);
    assert_eq!(job["status"]["uncountedTerminatedPods"], json!({}));
}

#[test]
fn failures_are_counted_once_and_end_it() {
    let mut job = job(json!({ "completions": 1, "parallelism": 1, "backoffLimit": 1 }));
    let mut pods = vec![pod("a", "Failed", None)];
    // The next one waits ten seconds from the failure.
    assert_eq!(decide(&job, &pods), (0, vec![], Some(5000)));
    settle(&mut job, &mut pods);
    settle(&mut job, &mut pods);
    assert_eq!((&job["status"]["failed"], has(&job, "Failed")), (&json!(1), false));
    pods.push(pod("b", "Failed", None));
    settle(&mut job, &mut pods);
    assert_eq!(job["status"]["failed"], 2);
    assert!(has(&job, "FailureTarget") && has(&job, "Failed"));
    let failed = crate::pods::condition(&job, "Failed").expect("it is set");
    assert_eq!(failed["reason"], "BackoffLimitExceeded");
}

#[test]
fn indexes_are_filled_in_order() {
    let mut job = job(json!({ "completions": 4, "parallelism": 3, "completionMode": "Indexed" }));
    let pods = [pod("a", "Running", Some(1)), pod("b", "Pending", Some(1))];
    assert_eq!(decide(&job, &pods).1, ["b"]);
    let slots = plan(&View::new(&job, &pods[..1], now())).create;
    assert_eq!(slots.iter().map(|slot| slot.index).collect::<Vec<_>>(), [Some(0), Some(2)]);
    let made = pod::make(&job, slots[1]);
    assert_eq!(made["spec"]["hostname"], "j-2");
    assert_eq!(made["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    let mut pods: Vec<Object> =
        (0..4).map(|at| pod(&format!("p{at}"), "Succeeded", Some(at))).collect();
    settle(&mut job, &mut pods);
    assert_eq!(job["status"]["completedIndexes"], "0-3");
    assert!(has(&job, "Complete"));
}

#[test]
fn a_policy_judges_failures() {
    let rule = |action: &str| {
        json!({
            "completions": 1, "parallelism": 1, "backoffLimit": 0, "podReplacementPolicy": "Failed",
            "podFailurePolicy": { "rules": [{
                "action": action, "onExitCodes": { "operator": "In", "values": [3] },
            }] },
        })
    };
    let mut ignoring = job(rule("Ignore"));
    let mut pods = vec![pod("a", "Failed", None)];
    settle(&mut ignoring, &mut pods);
    assert!(!has(&ignoring, "FailureTarget") && ignoring["status"].get("failed").is_none());
    assert!(pods[0]["metadata"]["finalizers"].as_array().expect("a list").is_empty());
    let mut ending = job(rule("FailJob"));
    settle(&mut ending, &mut [pod("a", "Failed", None)]);
    let failed = crate::pods::condition(&ending, "Failed").expect("it is set");
    assert_eq!(failed["reason"], "PodFailurePolicy");
    let text = "Container c for pod n/a failed with exit code 3 matching FailJob rule at index 0";
    assert_eq!(failed["message"], text);
}

#[test]
fn a_job_stands_still_and_goes_on() {
    let mut job = job(json!({ "completions": 1, "parallelism": 1, "suspend": true }));
    assert_eq!(decide(&job, &[pod("a", "Running", None)]).1, ["a"]);
    settle(&mut job, &mut []);
    assert!(has(&job, "Suspended") && job["status"].get("startTime").is_none());
    job["spec"]["suspend"] = false.into();
    settle(&mut job, &mut []);
    assert_eq!((has(&job, "Suspended"), &job["status"]["startTime"]), (false, &json!(NOW)));
}

#[test]
fn some_indexes_may_be_enough() {
    let rules = json!([{ "succeededIndexes": "0,2", "succeededCount": 1 }]);
    let mut job = job(json!({
        "completions": 3, "parallelism": 3, "completionMode": "Indexed",
        "successPolicy": { "rules": rules },
    }));
    let mut pods = vec![pod("a", "Succeeded", Some(2)), pod("b", "Running", Some(0))];
    assert_eq!(decide(&job, &pods).1, ["b"]);
    pods.truncate(1);
    settle(&mut job, &mut pods);
    let met = crate::pods::condition(&job, "Complete").expect("it is set");
    assert_eq!(
        (&met["reason"], &met["message"]),
        (&json!("SuccessPolicy"), &json!("Matched rules at index 0"))
    );
}

#[test]
fn each_index_fails_and_waits_for_itself() {
    let mut job = job(json!({
        "completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": i32::MAX,
        "backoffLimitPerIndex": 1,
    }));
    let mut pods = vec![pod("a", "Failed", Some(0))];
    // The other index does not wait with it.
    let decided = plan(&View::new(&job, &pods, now()));
    assert_eq!(decided.create.iter().map(|slot| slot.index).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(decided.after, Some(5000));
    // It is held, and not counted, until the next pod says how often the index failed.
    pods.push(pod("b", "Running", Some(1)));
    settle(&mut job, &mut pods);
    assert!(job["status"].get("failed").is_none());
    let later = plan(&View::new(&job, &pods, now() + 5));
    assert_eq!(later.create.len(), 1);
    let mut next = pod::make(&job, later.create[0]);
    let count = &next["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"];
    assert_eq!(count, "1");
    next["metadata"]["uid"] = "c".into();
    next["status"] = json!({ "phase": "Running" });
    pods.push(Object::new(next.clone()));
    settle(&mut job, &mut pods);
    assert_eq!(job["status"]["failed"], 1);
    // It fails once more than it may: so has the job, when the other index is through.
    next["status"]["phase"] = "Failed".into();
    pods[2] = Object::new(next);
    settle(&mut job, &mut pods);
    assert_eq!(
        (&job["status"]["failedIndexes"], &job["status"]["failed"]),
        (&json!("0"), &json!(2))
    );
    assert!(!has(&job, "Failed"));
    pods[1] = pod("b", "Succeeded", Some(1));
    settle(&mut job, &mut pods);
    let failed = crate::pods::condition(&job, "Failed").expect("it is set");
    assert_eq!(failed["reason"], "FailedIndexes");
}

#[test]
fn a_failure_that_is_ignored_makes_the_index_wait_longer_all_the_same() {
    let rule = json!({ "action": "Ignore", "onExitCodes": { "operator": "In", "values": [3] } });
    let job = job(json!({
        "completions": 1, "parallelism": 1, "completionMode": "Indexed", "backoffLimit": i32::MAX,
        "backoffLimitPerIndex": 0, "podFailurePolicy": { "rules": [rule] },
    }));
    let pods = [pod("a", "Failed", Some(0))];
    let view = View::new(&job, &pods, now() + 60);
    assert!(view.failed_indexes.is_empty() && view.is_kept(&pods[0]));
    let made = pod::make(&job, plan(&view).create[0]);
    let annotation = |name: &str| made["metadata"]["annotations"][name].clone();
    assert_eq!(annotation("batch.kubernetes.io/job-index-failure-count"), "0");
    assert_eq!(annotation("batch.kubernetes.io/job-index-ignored-failure-count"), "1");
}

#[test]
fn a_status_notes_only_so_many_pods_at_once() {
    let wanted = job(json!({ "completions": 2000, "parallelism": 2000, "backoffLimit": 5000 }));
    let pods: Vec<Object> = (0..1200).map(|at| pod(&format!("p{at}"), "Succeeded", None)).collect();
    let view = View::new(&wanted, &pods, now());
    let (noted, release) = note(&view, &view, NOW);
    let uids = noted["uncountedTerminatedPods"]["succeeded"].as_array().expect("a list");
    assert_eq!((uids.len(), release.len()), (500, 500));
}

#[test]
fn a_pod_that_says_nothing_of_its_end_delays_the_next_from_when_it_was_made() {
    let wanted = job(json!({ "completions": 1, "parallelism": 1 }));
    let silent = |created: &str| {
        Object::new(json!({
            "metadata": { "name": "a", "uid": "a", "finalizers": [FINALIZER], "creationTimestamp": created },
            "status": { "phase": "Failed" },
        }))
    };
    assert_eq!(decide(&wanted, &[silent("2026-01-01T00:59:57Z")]).2, Some(7000));
    assert_eq!(decide(&wanted, &[silent("2026-01-01T00:30:00Z")]).0, 1);
}
