//! Stateful sets, decided.

use super::plan::{Step, View};
use super::pod::{make, ordinal};
use crate::mirror::Object;
use crate::revisions::Revisions;
use serde_json::{Value, json};
use teu_api::object;

fn set(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "db", "namespace": "n", "uid": "db", "generation": 1 },
        "spec": {
            "replicas": replicas, "serviceName": "svc", "podManagementPolicy": "OrderedReady",
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "selector": { "matchLabels": { "a": "b" } },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {} }],
        },
        "status": { "currentRevision": "old" },
    })
}

fn revisions() -> Revisions {
    let revision = |name: &str, image: &str| {
        json!({
            "metadata": { "name": name },
            "data": { "spec": { "template": {
                "$patch": "replace", "metadata": { "labels": { "a": "b" } },
                "spec": { "containers": [{ "image": image }] },
            } } },
        })
    };
    let (old, new) = (revision("old", "1"), revision("new", "2"));
    let (newest, all) = (new.clone(), vec![Object::new(old), Object::new(new)]);
    Revisions { newest, all, twins: Vec::new() }
}

fn pod(ordinal: i64, revision: &str, phase: &str) -> Object {
    let all = revisions();
    let mut pod = make(&set(1), ordinal, all.find(revision).expect("it is there"));
    pod["metadata"]["uid"] = format!("{ordinal}").into();
    let ready = if phase == "Running" { "True" } else { "False" };
    pod["status"] = json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] });
    Object::new(pod)
}

fn next(set: &Value, pods: &[Object]) -> String {
    let revisions = revisions();
    match View::new(set, pods, &revisions, 0).next() {
        Step::Wait => "wait".to_owned(),
        Step::Create(pod) => {
            let label = object::label(&pod, "controller-revision-hash").unwrap_or_default();
            format!("create {} {label}", object::name(&pod))
        }
        Step::Recreate(pod) => format!("recreate {}", object::name(&pod)),
        Step::Remove(pod) => format!("remove {}", object::name(&pod)),
        Step::Update(old) => {
            let names: Vec<&str> = old.iter().map(|pod| object::name(pod)).collect();
            format!("update {}", names.join(" "))
        }
    }
}

#[test]
fn pods_come_one_after_another() {
    assert_eq!(next(&set(2), &[]), "create db-0 new");
    assert_eq!(next(&set(2), &[pod(0, "new", "Pending")]), "wait");
    assert_eq!(next(&set(2), &[pod(0, "new", "Running")]), "create db-1 new");
    assert_eq!(next(&set(1), &[pod(0, "new", "Failed")]), "recreate db-0");
    let mut parallel = set(2);
    parallel["spec"]["podManagementPolicy"] = "Parallel".into();
    assert_eq!(next(&parallel, &[pod(0, "new", "Pending")]), "create db-1 new");
}

#[test]
fn the_last_go_first() {
    let pods = [pod(0, "new", "Running"), pod(1, "new", "Running"), pod(2, "new", "Running")];
    assert_eq!(next(&set(1), &pods), "remove db-2");
    assert_eq!(next(&set(3), &pods), "wait");
}

#[test]
fn updates_go_down_to_the_partition() {
    let mut canary = set(3);
    canary["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 2.into();
    let old = |ordinal| pod(ordinal, "old", "Running");
    assert_eq!(next(&canary, &[old(0), old(1), old(2)]), "update db-2");
    assert_eq!(next(&canary, &[old(0), old(1), pod(2, "new", "Running")]), "wait");
    assert_eq!(next(&canary, &[pod(2, "new", "Running")]), "create db-0 old");
    assert_eq!(next(&set(3), &[old(0), old(1), pod(2, "new", "Running")]), "update db-1");
    let all: Vec<Object> = (0..3).map(|at| pod(at, "new", "Running")).collect();
    let (whole, revisions) = (set(3), revisions());
    let status = View::new(&whole, &all, &revisions, 0).status();
    assert_eq!(
        (&status["currentRevision"], &status["currentReplicas"]),
        (&json!("new"), &json!(3))
    );
}

#[test]
fn pods_have_names_and_claims() {
    let pod = pod(3, "new", "Running");
    assert_eq!(ordinal(&set(1), &pod), Some(3));
    for other in ["db", "db-", "db-03", "db-x", "dbx-1"] {
        assert_eq!(ordinal(&set(1), &json!({ "metadata": { "name": other } })), None, "{other}");
    }
    assert_eq!(
        (&pod["spec"]["hostname"], &pod["spec"]["subdomain"]),
        (&json!("db-3"), &json!("svc"))
    );
    let claim = json!({ "name": "data", "persistentVolumeClaim": { "claimName": "data-db-3" } });
    assert_eq!(pod["spec"]["volumes"], json!([claim]));
}

#[test]
fn as_many_are_updated_at_once_as_may_be_unavailable() {
    let mut set = set(4);
    set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = json!("50%");
    let old = |ordinal| pod(ordinal, "old", "Running");
    let new = |ordinal| pod(ordinal, "new", "Running");
    assert_eq!(next(&set, &[old(0), old(1), old(2), old(3)]), "update db-3 db-2");
    assert_eq!(next(&set, &[old(0), old(1), new(2), new(3)]), "update db-1 db-0");
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    let pending = |ordinal| pod(ordinal, "new", "Pending");
    assert_eq!(next(&set, &[old(0), old(1), new(2), pending(3)]), "update db-1");
    assert_eq!(next(&set, &[old(0), old(1), pending(2), pending(3)]), "wait");
    // What is unavailable anyway costs nothing.
    let ill = pod(1, "old", "Pending");
    assert_eq!(next(&set, &[old(0), ill, pending(2), pending(3)]), "update db-1");
}

#[test]
fn no_pod_is_made_before_its_claims_are_fit() {
    let (revisions, mut set) = (revisions(), set(2));
    let next = |set: &Value| {
        let view = View::new(set, &[], &revisions, 0).waiting([0].into());
        assert_eq!(view.missing().collect::<Vec<i64>>(), [0, 1]);
        view.next()
    };
    assert_eq!(next(&set), Step::Wait);
    set["spec"]["podManagementPolicy"] = "Parallel".into();
    assert!(matches!(next(&set), Step::Create(pod) if object::name(&pod) == "db-1"));
}
