//! Deletions: finalizers, preconditions, propagation, collections.

use crate::world::{MAPS, World, map};
use serde_json::json;

#[test]
fn finalizers_hold_an_object() {
    let world = World::new();
    let mut held = map("a", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/wait"]);
    world.post(MAPS, &held).good();
    let path = format!("{MAPS}/a");
    let begun = world.delete(&path).good();
    assert_eq!(begun["kind"], "ConfigMap");
    assert_eq!(begun["metadata"]["deletionGracePeriodSeconds"], 0);
    let mut more = world.get(&path).good();
    more["metadata"]["finalizers"] = json!(["example.com/wait", "example.com/more"]);
    let refused = world.put(&path, &more).bad(422);
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.finalizers");
    let mut free = world.get(&path).good();
    free["metadata"]["finalizers"] = json!([]);
    world.put(&path, &free).good();
    assert_eq!(world.get(&path).code, 404);
}

#[test]
fn preconditions_and_propagation() {
    let world = World::new();
    let made = world.post(MAPS, &map("a", json!({}))).good();
    let path = format!("{MAPS}/a");
    let delete = |options: &serde_json::Value| {
        world.ask("DELETE", &path, &["Content-Type: application/json"], &options.to_string())
    };
    assert_eq!(delete(&json!({ "preconditions": { "uid": "other" } })).code, 409);
    assert_eq!(delete(&json!({ "preconditions": { "resourceVersion": "1" } })).code, 409);
    assert_eq!(delete(&json!({ "propagationPolicy": "Sideways" })).code, 422);
    delete(&json!({ "dryRun": ["All"] })).good();
    let begun = delete(&json!({ "propagationPolicy": "Foreground" })).good();
    assert_eq!(begun["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert_eq!(begun["metadata"]["uid"], made["metadata"]["uid"]);
    let gone = delete(&json!({ "propagationPolicy": "Background" })).good();
    assert_eq!((&gone["kind"], &gone["status"]), (&json!("Status"), &json!("Success")));
    assert_eq!(gone["details"]["uid"], made["metadata"]["uid"]);
    assert_eq!(delete(&json!({})).code, 404);
}

#[test]
fn a_collection_goes_as_it_is_selected() {
    let world = World::new();
    for (name, keep) in [("a", "no"), ("b", "yes"), ("c", "no")] {
        world.post(MAPS, &map(name, json!({ "keep": keep }))).good();
    }
    let gone = world.delete(&format!("{MAPS}?labelSelector=keep%3Dno")).good();
    assert_eq!(gone["items"].as_array().map(Vec::len), Some(2));
    let left = world.get(MAPS).good();
    assert_eq!(left["items"][0]["metadata"]["name"], "b");
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_namespace_is_emptied_and_goes() {
    let world = World::new();
    world.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).good();
    let maps = "/api/v1/namespaces/n/configmaps";
    world.post(maps, &map("a", json!({}))).good();
    let mut held = map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/wait"]);
    world.post(maps, &held).good();
    let begun = world.delete("/api/v1/namespaces/n").good();
    assert_eq!(begun["status"]["phase"], "Terminating");
    let refused = world.post(maps, &map("late", json!({}))).bad(403);
    assert_eq!(refused["reason"], "Forbidden");
    world.until(|| world.get(&format!("{maps}/a")).code == 404);
    let mut free = world.get(&format!("{maps}/held")).good();
    free["metadata"]["finalizers"] = json!([]);
    while world.put(&format!("{maps}/held"), &free).code == 409 {
        free["metadata"]["resourceVersion"] = json!(null);
    }
    world.until(|| world.get("/api/v1/namespaces/n").code == 404);
}

#[test]
fn what_is_not_understood_deletes_nothing() {
    let world = World::new();
    let path = format!("{MAPS}/a");
    world.post(MAPS, &map("a", json!({}))).good();
    let refused = world.delete(&format!("{path}?dryRun=Server")).bad(422);
    assert_eq!(
        refused["message"],
        "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"Server\": supported values: \"All\""
    );
    let code = |options: serde_json::Value| {
        world.ask("DELETE", &path, &["Content-Type: application/json"], &options.to_string()).code
    };
    assert_eq!(code(json!({ "dryRun": ["All", "x"] })), 422);
    assert_eq!(code(json!({ "gracePeriodSeconds": "5" })), 400);
    assert_eq!(code(json!({ "preconditions": { "uid": 5 } })), 400);
    assert_eq!(code(json!({ "kind": "Pod", "apiVersion": "v1" })), 400);
    // The old way to watch is no way to delete.
    assert_eq!(world.delete("/api/v1/watch/namespaces/default/configmaps").code, 405);
    world.get(&path).good();
}

#[test]
fn a_cluster_keeps_the_namespaces_that_it_needs() {
    let world = World::new();
    for name in ["default", "kube-public", "kube-system"] {
        let refused = world.delete(&format!("/api/v1/namespaces/{name}")).bad(403);
        assert_eq!(
            refused["message"],
            format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted")
        );
    }
}
