//! Nodes in trouble, where pods are, what may grow.

use crate::admission::{priority, resize, topology, trouble};
use serde_json::{Value, json};

fn borne(key: &str) -> Value {
    json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 })
}

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

#[test]
fn pods_leave_lost_nodes_unless_they_say_otherwise() {
    let check = |said: Value, added: &[&str]| {
        let mut pod = json!({ "spec": { "tolerations": said } });
        trouble::fill_pod(&mut pod);
        let mut wanted = said.as_array().cloned().unwrap_or_default();
        wanted.extend(added.iter().map(|key| borne(key)));
        assert_eq!(pod["spec"]["tolerations"], Value::Array(wanted), "{said}");
    };
    check(Value::Null, &[NOT_READY, UNREACHABLE]);
    check(json!([]), &[NOT_READY, UNREACHABLE]);
    check(json!([{ "operator": "Exists" }]), &[]);
    check(json!([{ "key": NOT_READY, "operator": "Exists" }]), &[UNREACHABLE]);
    let other = json!([{ "key": NOT_READY, "operator": "Exists", "effect": "NoSchedule" }]);
    check(other, &[NOT_READY, UNREACHABLE]);
}

#[test]
fn taints_follow_conditions() {
    let mut node = json!({ "spec": { "taints": [{ "key": "own", "effect": "NoSchedule" }] } });
    trouble::fill_node(&mut node);
    let mut again = node.clone();
    trouble::fill_node(&mut again);
    assert_eq!(again, node);
    let keys = |taints: &[Value]| -> Vec<String> {
        taints.iter().map(|it| it["key"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let check = |node: &Value, conditions: Value, wanted: Option<&[&str]>| {
        let mut node = node.clone();
        node["status"]["conditions"] = conditions;
        let found = trouble::mended(&node, "now").map(|taints| keys(&taints));
        let owned =
            |keys: &[&str]| -> Vec<String> { keys.iter().map(ToString::to_string).collect() };
        assert_eq!(found, wanted.map(owned));
    };
    let ready = |status: &str| json!([{ "type": "Ready", "status": status }]);
    // A node that has said nothing stays as it was made.
    check(&node, Value::Null, None);
    check(&node, ready("False"), None);
    check(&node, ready("True"), Some(&["own"]));
    check(&node, ready("Unknown"), Some(&["own", UNREACHABLE]));
    let pressed =
        json!([{ "type": "Ready", "status": "True" }, { "type": "PIDPressure", "status": "True" }]);
    check(&node, pressed, Some(&["own", "node.kubernetes.io/pid-pressure"]));
    node["spec"]["unschedulable"] = true.into();
    check(&node, ready("True"), Some(&["own", "node.kubernetes.io/unschedulable"]));
    // What drives pods away is another's affair.
    let driven = json!({ "spec": { "taints": [{ "key": NOT_READY, "effect": "NoExecute" }] } });
    check(&driven, ready("True"), None);
}

#[test]
fn pods_are_told_where_they_are() {
    let zone = "topology.kubernetes.io/zone";
    let node = json!({ "metadata": { "labels": { zone: "a", "kubernetes.io/hostname": "x" } } });
    let mut pod = json!({ "spec": { "nodeName": "x" } });
    assert_eq!(topology::node_of(&pod), Some("x"));
    topology::fill(&mut pod, topology::labels_of(&node));
    assert_eq!(pod["metadata"]["labels"], json!({ zone: "a" }));
    pod["metadata"]["labels"][zone] = "mine".into();
    topology::fill(&mut pod, topology::labels_of(&node));
    assert_eq!(pod["metadata"]["labels"], json!({ zone: "mine" }));
    let mut bare = json!({ "metadata": {} });
    topology::fill(&mut bare, topology::labels_of(&json!({})));
    assert_eq!(bare, json!({ "metadata": {} }));
}

#[test]
fn claims_grow_where_their_class_allows_it() {
    let claim = |size: &str, class: &str, phase: &str| {
        json!({
            "spec": { "storageClassName": class, "resources": { "requests": { "storage": size } } },
            "status": { "phase": phase },
        })
    };
    let classes = [
        json!({ "metadata": { "name": "wide" }, "allowVolumeExpansion": true }),
        json!({ "metadata": { "name": "tight" } }),
    ];
    let check = |old: Value, new: Value, wanted: &str| {
        let found = resize::check_claim(&new, &old, &classes);
        assert!(found.clone().err().unwrap_or_default().starts_with(wanted), "{found:?}");
        assert_eq!(found.is_ok(), wanted.is_empty());
    };
    check(claim("1Gi", "wide", "Bound"), claim("2Gi", "wide", "Bound"), "");
    check(claim("1Gi", "tight", "Bound"), claim("1024Mi", "tight", "Bound"), "");
    check(claim("1Gi", "wide", "Pending"), claim("2Gi", "wide", "Pending"), "Only bound");
    check(claim("1Gi", "tight", "Bound"), claim("2Gi", "tight", "Bound"), "only dynamically");
    check(claim("1Gi", "", "Bound"), claim("2Gi", "", "Bound"), "only dynamically");
}

#[test]
fn pods_grow_where_their_node_has_room() {
    let pod = |cpu: &str, generation: i64| {
        json!({
            "metadata": { "generation": generation },
            "spec": { "nodeName": "x", "containers": [{ "resources": { "requests": { "cpu": cpu, "memory": "1Gi" } } }] },
        })
    };
    assert_eq!(resize::node_of(&pod("1", 2), &pod("1", 1)), Some("x"));
    assert_eq!(resize::node_of(&pod("1", 1), &pod("1", 1)), None);
    let node = |system: &str| {
        json!({
            "metadata": { "name": "x", "labels": { "kubernetes.io/os": system } },
            "status": { "allocatable": { "cpu": "2", "memory": "1Gi" } },
        })
    };
    let check = |pod: Value, node: Value, wanted: Result<(), &str>| {
        assert_eq!(resize::check_pod(&pod, &node), wanted.map_err(str::to_owned));
    };
    check(pod("2", 1), node("linux"), Ok(()));
    let full =
        "Node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: 2000";
    check(pod("2500m", 1), node("linux"), Err(full));
    let other = "pod resize is only supported on linux nodes, node \"x\" is \"windows\"";
    check(pod("1", 1), node("windows"), Err(other));
}

#[test]
fn one_class_of_pods_is_the_default() {
    let class = |name: &str, is_default: bool| json!({ "metadata": { "name": name }, "globalDefault": is_default });
    let there = [class("a", true), class("b", false)];
    let wanted = "PriorityClass a is already marked as default. Only one default can exist";
    assert_eq!(priority::check_class(&class("b", true), &there), Err(wanted.to_owned()));
    assert_eq!(priority::check_class(&class("a", true), &there), Ok(()));
    assert_eq!(priority::check_class(&class("c", false), &there), Ok(()));
    assert_eq!(priority::check_class(&class("b", true), &there[1..]), Ok(()));
}
