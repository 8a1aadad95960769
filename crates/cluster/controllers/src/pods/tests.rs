//! Names, phases and owners of pods.

use super::*;
use serde_json::json;
use std::sync::Arc;

fn pod(name: &str, node: &str, phase: &str, ready: Option<&str>) -> Object {
    let ready: Vec<Value> = ready
        .into_iter()
        .map(|at| json!({ "type": "Ready", "status": "True", "lastTransitionTime": at }))
        .collect();
    Arc::new(json!({
        "metadata": { "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "nodeName": node }, "status": { "phase": phase, "conditions": ready },
    }))
}

#[test]
fn the_least_useful_pod_goes_first() {
    let now = time::parse("2026-01-01T02:00:00Z").expect("a time");
    let dear = json!({ "controller.kubernetes.io/pod-deletion-cost": "5" });
    let mut costly = (*pod("costly", "n", "Running", Some("2026-01-01T01:00:00Z"))).clone();
    costly["metadata"]["annotations"] = dear;
    let mut pods = vec![
        Arc::new(costly),
        pod("old", "n", "Running", Some("2026-01-01T00:00:01Z")),
        pod("crowded", "m", "Running", Some("2026-01-01T00:00:01Z")),
        pod("fresh", "n", "Running", Some("2026-01-01T01:59:00Z")),
        pod("unready", "n", "Running", None),
        pod("pending", "n", "Pending", None),
        pod("nowhere", "", "Pending", None),
    ];
    deletion_order(&mut pods, |pod| if pod["spec"]["nodeName"] == "m" { 2 } else { 1 }, now);
    let names: Vec<&str> = pods.iter().map(|pod| object::name(pod)).collect();
    assert_eq!(names, ["nowhere", "pending", "unready", "crowded", "fresh", "old", "costly"]);
}

#[test]
fn ready_for_long_enough() {
    let pod = pod("a", "n", "Running", Some("2026-01-01T00:00:00Z"));
    let at = |text: &str| time::parse(text).expect("a time");
    assert!(!is_available(&pod, 30, at("2026-01-01T00:00:29Z")));
    assert!(is_available(&pod, 30, at("2026-01-01T00:00:30Z")));
    assert!(is_available(&pod, 0, 0));
}
