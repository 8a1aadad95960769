//! Replicas, decided.

use super::plan::{Action, Failure, next_available, plan, status};
use crate::mirror::Object;
use serde_json::{Value, json};
use teu_api::{Status, object, time};

fn set(replicas: i64) -> Value {
    json!({
        "kind": "ReplicaSet", "metadata": { "name": "s", "generation": 3 },
        "spec": {
            "replicas": replicas, "minReadySeconds": 10,
            "template": { "metadata": { "labels": { "app": "x", "v": "1" } } },
        },
        "status": { "replicas": 0, "readyReplicas": 9 },
    })
}

fn pod(name: &str, ready: Option<&str>) -> Object {
    let ready: Vec<Value> = ready
        .into_iter()
        .map(|at| json!({ "type": "Ready", "status": "True", "lastTransitionTime": at }))
        .collect();
    let phase = if ready.is_empty() { "Pending" } else { "Running" };
    Object::new(json!({
        "metadata": { "name": name, "labels": { "app": "x" } },
        "status": { "phase": phase, "conditions": ready },
    }))
}

#[test]
fn there_are_as_many_as_wanted() {
    let pods = [pod("a", Some("2026-01-01T00:00:00Z")), pod("b", None)];
    assert_eq!(plan(&set(2), &pods, |_| 0, 0), Action::Nothing);
    assert_eq!(plan(&set(5), &pods, |_| 0, 0), Action::Create(3));
    assert_eq!(plan(&set(5000), &pods, |_| 0, 0), Action::Create(500));
    let Action::Delete(doomed) = plan(&set(1), &pods, |_| 0, 0) else { panic!("one too many") };
    assert_eq!(doomed.iter().map(|pod| object::name(pod)).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn the_status_counts() {
    let now = time::parse("2026-01-01T00:00:08Z").expect("a time");
    let pods = [pod("a", Some("2026-01-01T00:00:00Z")), pod("b", None)];
    let said = status(&set(2), &pods, 1, None, (now, "now"));
    let wanted = json!({
        "replicas": 2, "readyReplicas": 1, "terminatingReplicas": 1, "observedGeneration": 3,
    });
    assert_eq!(said, wanted);
    assert_eq!(next_available(&set(2), &pods, now), Some(2000));
    assert_eq!(next_available(&set(2), &pods, now + 2), None);
    let refused = Status::internal("no room");
    let failure = Failure { is_growth: true, status: &refused };
    let said = status(&set(2), &pods, 0, Some(failure), (now + 2, "now"));
    assert_eq!(said["availableReplicas"], 1);
    assert_eq!(said["conditions"][0]["reason"], "FailedCreate");
    assert_eq!(said["conditions"][0]["status"], "True");
}
