//! Nodes: their kubelets, what else listens there, and what they do for pods.

use super::behind::{PODS, kubelet, last, node, plain, pod};
use crate::world::World;
use serde_json::json;

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: SPDY/3.1"];

#[test]
fn a_kubelet_and_its_neighbours() {
    let world = World::new();
    let (port, seen) = kubelet(&world);
    let (other, _) = plain(&world);
    node(&world, "n", "127.0.0.1", port);
    for name in ["n".to_owned(), format!("n:{port}"), format!("https:n:{port}")] {
        let path = format!("/api/v1/nodes/{name}/proxy/healthz?x");
        assert_eq!(world.get(&path).text, "GET /healthz?x");
        assert!(
            last(&seen).starts_with("GET /healthz?x certificate=apiserver authorization= user= ")
        );
    }
    let answer = world.get(&format!("/api/v1/nodes/n:{other}/proxy/metrics"));
    assert_eq!(answer.text, "GET /metrics");
    world.get("/api/v1/nodes/none/proxy/x").bad(404);
    // One whose certificate is not the cluster's is not spoken with.
    let (stranger, seen) = super::behind::private(&world);
    node(&world, "m", "127.0.0.1", stranger);
    world.get("/api/v1/nodes/m/proxy/x").bad(503);
    assert!(seen.lock().expect("unharmed").is_empty());
}

#[test]
fn a_log_comes_from_the_node() {
    let world = World::new();
    let (port, seen) = kubelet(&world);
    node(&world, "n", "127.0.0.1", port);
    pod(&world, "a", "127.0.0.1", 1);
    let log = |query: &str| world.get(&format!("{PODS}/a/log?{query}"));
    let query = "follow=true&tailLines=5&sinceTime=2026-01-01T00%3A00%3A00Z&limitBytes=9&x=y";
    let asked = "/containerLogs/default/a/c?follow=true&tailLines=5&limitBytes=9&sinceTime=2026-01-01T00%3A00%3A00Z";
    // In the order in which they are looked at.
    assert_eq!(log(query).text, format!("GET {asked}"));
    assert!(last(&seen).contains("certificate=apiserver authorization= user= forwarded="));
    assert_eq!(log("container=c").text, "GET /containerLogs/default/a/c?");
    let refused = log("container=d").bad(400);
    assert_eq!(refused["message"], "container d is not valid for pod a");
    let refused = log("tailLines=-1&sinceSeconds=0").bad(422);
    assert_eq!(refused["details"]["causes"].as_array().map(Vec::len), Some(2), "{refused}");
    world.get(&format!("{PODS}/none/log")).bad(404);
    // A pod of two containers has to be asked for one; what the node says of it comes back.
    let two = json!({
        "metadata": { "name": "two" },
        "spec": { "containers": [{ "name": "c", "image": "i" }, { "name": "gone", "image": "i" }] },
    });
    world.post(PODS, &two).good();
    let refused = world.get(&format!("{PODS}/two/log")).bad(400);
    let text = "a container name must be specified for pod two, choose one of: [c gone]";
    assert_eq!(refused["message"], text);
    // It is on no node yet: nothing was said.
    let empty = world.get(&format!("{PODS}/two/log?container=c"));
    assert_eq!((empty.code, &*empty.text), (200, ""));
}

#[test]
fn what_a_node_has_no_log_of_is_a_status() {
    let world = World::new();
    let (port, _) = kubelet(&world);
    node(&world, "n", "127.0.0.1", port);
    let gone = json!({
        "metadata": { "name": "a" },
        "spec": { "nodeName": "n", "containers": [{ "name": "gone", "image": "i" }] },
    });
    world.post(PODS, &gone).good();
    let refused = world.get(&format!("{PODS}/a/log")).bad(404);
    assert_eq!(refused["message"], "no such container here");
}

#[test]
fn exec_attach_and_ports_leave_http_at_the_node() {
    let world = World::new();
    let (port, seen) = kubelet(&world);
    node(&world, "n", "127.0.0.1", port);
    pod(&world, "a", "127.0.0.1", 1);
    let check = |method: &str, path: &str, asked: &str| {
        let mut stream = world.upgrade_by(method, &format!("{PODS}/a/{path}"), &UPGRADE, 101);
        assert_eq!(stream.exchange("ping"), "ping");
        assert!(
            last(&seen).starts_with(&format!("{method} {asked} certificate=apiserver ")),
            "{path}"
        );
    };
    check(
        "POST",
        "exec?command=sh&command=-c&command=echo%20%26&stdin=true&stdout=true&tty=1",
        "/exec/default/a/c?input=1&output=1&tty=1&command=sh&command=-c&command=echo%20%26",
    );
    check("GET", "exec?command=sh&stdout=true", "/exec/default/a/c?output=1&command=sh");
    check("POST", "attach?container=c&stderr=1", "/attach/default/a/c?error=1");
    check("POST", "portforward", "/portForward/default/a?");
    check("GET", "portforward?ports=80", "/portForward/default/a?port=80");
    let refused = world.post(&format!("{PODS}/a/exec?command=sh&stdout=1"), &json!({})).bad(400);
    assert_eq!(refused["message"], "Upgrade request required");
    world.upgrade(&format!("{PODS}/a/exec?stdout=1"), &UPGRADE, 400);
    world.upgrade(&format!("{PODS}/none/exec?stdout=1&command=sh"), &UPGRADE, 404);
}
