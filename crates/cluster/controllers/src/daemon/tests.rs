//! Daemon sets, decided.

use super::node::{fits, of_pod, tolerations};
use super::plan::{View, make};
use crate::mirror::Object;
use crate::revisions::LABEL;
use serde_json::{Value, json};
use teu_api::object;

fn set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "d", "namespace": "n", "uid": "d" },
        "spec": {
            "selector": { "matchLabels": { "a": "b" } },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1 } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [] } },
        },
        "status": {},
    })
}

fn node(name: &str, taints: Value) -> Object {
    let labels = json!({ "disk": "ssd", "cores": "8" });
    Object::new(
        json!({ "metadata": { "name": name, "labels": labels }, "spec": { "taints": taints } }),
    )
}

fn pod(name: &str, node: &str, revision: &str, is_ready: bool) -> Object {
    // Its label is the end of its name, as of all that nobody made by hand.
    let labels = json!({ LABEL: revision.trim_start_matches("d-") });
    let revision = json!({ "metadata": { "name": revision, "labels": labels } });
    let mut pod = make(&set(), node, &revision);
    let ready = json!({ "type": "Ready", "status": if is_ready { "True" } else { "False" } });
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["uid"] = name.into();
    pod["status"] = json!({ "phase": "Running", "conditions": [ready] });
    Object::new(pod)
}

fn names(pods: &[Object]) -> Vec<&str> {
    pods.iter().map(|pod| object::name(pod)).collect()
}

#[test]
fn a_node_fits_or_not() {
    let taint = json!([{ "key": "k", "value": "v", "effect": "NoSchedule" }]);
    let check = |spec: Value, taints: &Value, wanted: (bool, bool)| {
        assert_eq!(fits(&spec, &node("x", taints.clone())), wanted, "{spec}");
    };
    let none = json!([]);
    check(json!({}), &none, (true, true));
    check(json!({}), &taint, (false, true));
    let tolerant = json!([{ "key": "k", "operator": "Equal", "value": "v" }]);
    check(json!({ "tolerations": tolerant }), &taint, (true, true));
    check(json!({}), &json!([{ "key": "k", "effect": "NoExecute" }]), (false, false));
    let trouble = json!([{ "key": "node.kubernetes.io/not-ready", "effect": "NoExecute" }]);
    check(json!({}), &trouble, (true, true));
    check(json!({ "nodeSelector": { "disk": "hdd" } }), &none, (false, false));
    check(json!({ "nodeName": "y" }), &none, (false, false));
    let affinity = |operator: &str, value: &str| {
        let term = json!({ "matchExpressions": [{ "key": "cores", "operator": operator, "values": [value] }] });
        json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] },
        } } })
    };
    check(affinity("Gt", "4"), &none, (true, true));
    check(affinity("Lt", "4"), &none, (false, false));
    assert_eq!(tolerations(&json!({ "hostNetwork": true })).len(), 7);
}

#[test]
fn every_node_has_one() {
    let nodes = [node("x", json!([])), node("y", json!([]))];
    let set = set();
    let plan = |pods: &[Object]| View::new(&set, (&nodes, pods), "new", 0).plan();
    assert_eq!(plan(&[]).create, ["x", "y"]);
    let one = pod("a", "x", "d-new", true);
    assert_eq!(of_pod(&one), Some("x"));
    assert_eq!(plan(std::slice::from_ref(&one)).create, ["y"]);
    let twice = plan(&[one.clone(), pod("b", "x", "d-new", true)]);
    assert_eq!(names(&twice.delete), ["b"]);
    let mut failed = (*one).clone();
    failed["status"]["phase"] = "Failed".into();
    assert_eq!(names(&plan(&[Object::new(failed)]).failed), ["a"]);
}

#[test]
fn an_update_takes_one_node_at_a_time() {
    let nodes = [node("x", json!([])), node("y", json!([])), node("z", json!([]))];
    let set = set();
    let plan = |pods: &[Object]| View::new(&set, (&nodes, pods), "new", 0).plan();
    let old = |name: &str, node: &str| pod(name, node, "d-old", true);
    let all = [old("a", "x"), old("b", "y"), old("c", "z")];
    assert_eq!(names(&plan(&all).delete), ["a"]);
    let waits = [pod("a", "x", "d-new", false), old("b", "y"), old("c", "z")];
    assert_eq!(names(&plan(&waits).delete), [""; 0]);
    let goes_on = [pod("a", "x", "d-new", true), old("b", "y"), pod("c", "z", "d-old", false)];
    assert_eq!(names(&plan(&goes_on).delete), ["c"]);
    let status = View::new(&set, (&nodes, &goes_on), "new", 0).status();
    let said = |name: &str| status[name].as_i64().unwrap_or(0);
    let counts = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
    ];
    assert_eq!(counts.map(said), [3, 3, 2, 1]);
}

#[test]
fn with_surge_the_old_pod_stays_until_the_new_one_serves() {
    let mut set = set();
    set["spec"]["updateStrategy"]["rollingUpdate"] = json!({ "maxSurge": 1, "maxUnavailable": 0 });
    let nodes = ["x", "y", "z"].map(|name| node(name, json!([])));
    let check = |pods: &[Object], created: &[&str], deleted: &[&str]| {
        let plan = View::new(&set, (&nodes, pods), "new", 0).plan();
        assert_eq!(plan.create, created);
        assert_eq!(names(&plan.delete), deleted);
    };
    let old = |name: &str| pod(&format!("old-{name}"), name, "d-old", true);
    let new = |name: &str, is_ready| pod(&format!("new-{name}"), name, "d-new", is_ready);
    let ill = pod("ill", "z", "d-old", false);
    check(&[old("x"), old("y"), old("z")], &["x"], &[]);
    check(&[old("x"), new("x", false), old("y"), old("z")], &[], &[]);
    check(&[old("x"), new("x", true), old("y"), old("z")], &["y"], &["old-x"]);
    check(&[new("x", true), old("y"), old("z")], &["y"], &[]);
    // One that serves nobody needs no room, and goes as soon as there is another.
    check(&[old("x"), old("y"), Object::clone(&ill)], &["z", "x"], &[]);
    check(&[new("x", true), new("y", true), ill, new("z", false)], &[], &["ill"]);
    check(&[new("x", true), new("y", true), new("z", true)], &[], &[]);
}
