//! Rollouts, decided.

use super::plan::{Step, plan};
use super::revision::REVISION;
use super::sets::{DESIRED, Limits, MOST, scaled};
use super::status::Said;
use crate::mirror::Object;
use serde_json::{Value, json};
use teu_api::object;

fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "n", "uid": "d", "generation": 1 },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
            },
            "template": template(image), "revisionHistoryLimit": 1, "progressDeadlineSeconds": 600,
        },
        "status": {},
    })
}

fn template(image: &str) -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "image": image }] } })
}

/// A set of so many, of which so many are available.
fn set(name: &str, image: &str, (replicas, available): (i64, i64), revision: &str) -> Object {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = name.into();
    Object::new(json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": name,
            "creationTimestamp": format!("2026-01-01T00:00:0{revision}Z"),
            "annotations": { REVISION: revision, DESIRED: "4", MOST: "5" },
        },
        "spec": { "replicas": replicas, "minReadySeconds": 0, "template": template },
        "status": { "replicas": available, "availableReplicas": available, "readyReplicas": available },
    }))
}

/// The steps in few words.
fn steps(deployment: &Value, sets: &[Object]) -> Vec<String> {
    let plan = plan(deployment, sets, false);
    let say = |step: &Step| match step {
        Step::Create(set) => format!("create {}", set["spec"]["replicas"]),
        Step::Write { set, scaled: Some((from, to)) } => {
            format!("{} {from}→{to}", object::name(set))
        }
        Step::Write { set, scaled: None } => format!("write {}", object::name(set)),
        Step::Delete(set) => format!("delete {}", object::name(set)),
    };
    plan.steps.iter().map(say).collect()
}

#[test]
fn parts_are_rounded_in_the_way_that_moves() {
    let check = |value: Value, up: bool, wanted: i64| assert_eq!(scaled(&value, 10, up), wanted);
    check(json!("25%"), true, 3);
    check(json!("25%"), false, 2);
    check(json!(7), true, 7);
    let limits = |replicas| Limits::of(&deployment(replicas, "a"));
    assert_eq!((limits(4).surge, limits(4).unavailable), (1, 1));
    assert_eq!((limits(1).surge, limits(1).unavailable), (1, 0));
}

#[test]
fn a_rollout_goes_step_by_step() {
    let wanted = deployment(4, "b");
    let old = |replicas, available| set("old", "a", (replicas, available), "1");
    let new = |replicas, available| set("new", "b", (replicas, available), "2");
    assert_eq!(steps(&wanted, &[]), ["create 4"]);
    assert_eq!(steps(&wanted, &[old(4, 4)]), ["create 1"]);
    assert_eq!(steps(&wanted, &[old(4, 4), new(1, 0)]), ["old 4→3"]);
    assert_eq!(steps(&wanted, &[old(3, 3), new(1, 0)]), ["new 1→2"]);
    assert_eq!(steps(&wanted, &[old(3, 3), new(2, 0)]), [""; 0]);
    assert_eq!(steps(&wanted, &[old(3, 3), new(2, 2)]), ["old 3→1"]);
    // What serves nobody goes at once.
    assert_eq!(steps(&wanted, &[old(4, 1), new(1, 0)]), ["old 4→3"]);
    assert_eq!(steps(&wanted, &[old(0, 0), new(4, 4)]), [""; 0]);
}

#[test]
fn a_set_that_is_wanted_again_gets_the_highest_number() {
    let sets = [set("old", "a", (4, 4), "1"), set("new", "b", (0, 0), "2")];
    let plan = plan(&deployment(4, "a"), &sets, false);
    assert_eq!(plan.revision.as_deref(), Some("3"));
    let [Step::Write { set, scaled: None }] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!(set["metadata"]["annotations"][REVISION], "3");
    assert_eq!(set["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
}

#[test]
fn recreation_waits_for_the_old_pods() {
    let mut wanted = deployment(4, "b");
    wanted["spec"]["strategy"] = json!({ "type": "Recreate" });
    assert_eq!(steps(&wanted, &[set("old", "a", (4, 4), "1")]), ["old 4→0"]);
    assert_eq!(steps(&wanted, &[set("old", "a", (0, 1), "1")]), [""; 0]);
    assert_eq!(plan(&wanted, &[set("old", "a", (0, 0), "1")], true).steps, []);
    assert_eq!(steps(&wanted, &[set("old", "a", (0, 0), "1")]), ["create 4"]);
}

#[test]
fn scaling_while_two_sets_have_pods_is_in_proportion() {
    let sets = [set("old", "a", (3, 3), "1"), set("new", "b", (2, 2), "2")];
    let mut said = steps(&deployment(8, "b"), &sets);
    said.sort();
    assert_eq!(said, ["new 2→4", "old 3→6"]);
    let mut paused = deployment(4, "c");
    paused["spec"]["paused"] = true.into();
    assert_eq!(steps(&paused, &[set("old", "a", (3, 3), "1")]), ["old 3→4"]);
}

#[test]
fn history_is_kept_in_bounds() {
    let mut wanted = deployment(1, "c");
    wanted["status"] = json!({
        "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1,
    });
    let sets = [
        set("one", "a", (0, 0), "1"),
        set("two", "b", (0, 0), "2"),
        set("three", "c", (1, 1), "3"),
    ];
    assert_eq!(steps(&wanted, &sets)[..1], ["write three"]);
    let settled: Vec<Object> = sets
        .iter()
        .map(|set| {
            let mut set = (**set).clone();
            set["metadata"]["annotations"][DESIRED] = "1".into();
            set["metadata"]["annotations"][MOST] = "2".into();
            Object::new(set)
        })
        .collect();
    assert_eq!(steps(&wanted, &settled), ["delete one"]);
}

#[test]
fn a_rollout_that_does_not_move_is_late() {
    let wanted = deployment(1, "a");
    let sets = [set("one", "a", (1, 0), "1")];
    let at = |text: &str| teu_api::time::parse(text).expect("a time");
    let (begun, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:10:01Z");
    let mut said = Said::of(&wanted);
    said.progress(&wanted, "True", "NewReplicaSetCreated", String::new(), begun);
    assert_eq!(said.conclude(&wanted, &sets, (at(begun), begun)), Some(601_000));
    let reason = |said: &Said| {
        let list = said.status["conditions"].as_array().expect("conditions").clone();
        list.iter().find(|it| it["type"] == "Progressing").expect("it is set")["reason"].clone()
    };
    assert_eq!(reason(&said), "NewReplicaSetCreated");
    assert_eq!(said.conclude(&wanted, &sets, (at(late), late)), None);
    assert_eq!(reason(&said), "ProgressDeadlineExceeded");
    let sets = [set("one", "a", (1, 1), "1")];
    said.conclude(&wanted, &sets, (at(late), late));
    assert_eq!(reason(&said), "NewReplicaSetAvailable");
}
