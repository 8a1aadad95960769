//! What admission says of nodes in trouble, of where pods are, and of what may grow.

use crate::world::World;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "a", "image": "a" }] } })
}

const NODES: &str = "/api/v1/nodes";

/// The keys of a node's taints.
fn taints(world: &World, name: &str) -> Vec<String> {
    let node = world.get(&format!("{NODES}/{name}")).good();
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints.iter().map(|it| format!("{}:{}", it["key"], it["effect"]).replace('"', "")).collect()
}

#[test]
fn a_node_takes_pods_when_it_is_ready_and_pods_know_where_they_are() {
    let world = World::new();
    let zone = "topology.kubernetes.io/zone";
    let labels = json!({ zone: "z", "kubernetes.io/os": "linux" });
    let node = json!({ "metadata": { "name": "n", "labels": labels } });
    world.post(NODES, &node).good();
    assert_eq!(taints(&world, "n"), ["node.kubernetes.io/not-ready:NoSchedule"]);
    let say = |ready: &str| {
        let merge = ["Content-Type: application/merge-patch+json"];
        let status = json!({ "status": {
            "conditions": [{ "type": "Ready", "status": ready }],
            "allocatable": { "cpu": "2", "memory": "1Gi" },
        } });
        let path = format!("{NODES}/n/status");
        world.ask("PATCH", &path, &merge, &status.to_string()).good();
    };
    say("True");
    world.until(|| taints(&world, "n").is_empty());
    say("Unknown");
    world.until(|| taints(&world, "n") == ["node.kubernetes.io/unreachable:NoSchedule"]);
    say("True");
    world.until(|| taints(&world, "n").is_empty());
    // Made for the node, and bound to it.
    let mut first = pod("first");
    first["spec"]["nodeName"] = "n".into();
    let first = world.post(PODS, &first).good();
    assert_eq!(first["metadata"]["labels"][zone], "z");
    let seconds: Vec<&Value> = first["spec"]["tolerations"]
        .as_array()
        .expect("two")
        .iter()
        .map(|it| &it["tolerationSeconds"])
        .collect();
    assert_eq!(seconds, [&json!(300), &json!(300)]);
    world.post(PODS, &pod("second")).good();
    let binding =
        json!({ "metadata": { "name": "second" }, "target": { "kind": "Node", "name": "n" } });
    world.post(&format!("{PODS}/second/binding"), &binding).good();
    let second = world.get(&format!("{PODS}/second")).good();
    assert_eq!(second["metadata"]["labels"][zone], "z");
    // It may grow as far as its node has room.
    let resize = |cpu: &str| {
        let patch = json!({ "spec": { "containers": [{ "name": "a", "resources": { "requests": { "cpu": cpu } } }] } });
        let headers = ["Content-Type: application/strategic-merge-patch+json"];
        world.ask("PATCH", &format!("{PODS}/third/resize"), &headers, &patch.to_string())
    };
    let mut third = pod("third");
    third["spec"]["nodeName"] = "n".into();
    third["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "1" } });
    world.post(PODS, &third).good();
    resize("2").good();
    let refused = resize("3").bad(403);
    let wanted = "cpu, requested: 3000, allocatable: 2000";
    assert!(refused["message"].as_str().is_some_and(|text| text.contains(wanted)), "{refused}");
}

#[test]
fn claims_grow_where_their_class_allows_it_and_one_class_of_pods_is_the_default() {
    const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
    let world = World::new();
    for (name, allows) in [("wide", true), ("tight", false)] {
        let class = json!({
            "metadata": { "name": name }, "provisioner": "p", "allowVolumeExpansion": allows,
        });
        world.post("/apis/storage.k8s.io/v1/storageclasses", &class).good();
        let claim = json!({ "metadata": { "name": name }, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": name, "volumeName": "v",
            "resources": { "requests": { "storage": "1Gi" } },
        } });
        world.post(CLAIMS, &claim).good();
    }
    let merge = |path: &str, patch: Value| {
        world.ask(
            "PATCH",
            path,
            &["Content-Type: application/merge-patch+json"],
            &patch.to_string(),
        )
    };
    let grow = |name: &str| {
        let requests = json!({ "requests": { "storage": "2Gi" } });
        merge(&format!("{CLAIMS}/{name}"), json!({ "spec": { "resources": requests } }))
    };
    let refused = grow("wide").code;
    assert!(refused == 403 || refused == 422, "{refused}");
    for name in ["wide", "tight"] {
        let status = json!({ "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } });
        merge(&format!("{CLAIMS}/{name}/status"), status).good();
    }
    grow("wide").good();
    let refused = grow("tight").bad(403);
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("must support resize")));
    let class =
        |name: &str| json!({ "metadata": { "name": name }, "value": 1, "globalDefault": true });
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    world.post(classes, &class("a")).good();
    let refused = world.post(classes, &class("b")).bad(403);
    let wanted = "PriorityClass a is already marked as default. Only one default can exist";
    assert!(refused["message"].as_str().is_some_and(|text| text.contains(wanted)), "{refused}");
}
