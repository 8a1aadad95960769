//! What belongs to nobody goes; what is to go first, last or not at all does so.

use crate::world::{MAPS, World};
use serde_json::{Value, json};
use std::sync::Arc;

/// One where what belongs to nobody is looked for.
fn world() -> World {
    let world = World::new();
    world.run(async {
        tokio::spawn(teu_server::garbage::run(Arc::clone(&world.api)));
    });
    world
}

fn make(world: &World, name: &str, owners: &[(&Value, bool)], finalizers: &[&str]) -> Value {
    let owner = |(owner, blocks): &(&Value, bool)| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks,
        })
    };
    let owners: Vec<Value> = owners.iter().map(owner).collect();
    let metadata = json!({ "name": name, "ownerReferences": owners, "finalizers": finalizers });
    world.post(MAPS, &json!({ "metadata": metadata })).good()
}

fn delete(world: &World, name: &str, propagation: &str) {
    world.delete(&format!("{MAPS}/{name}?propagationPolicy={propagation}")).good();
}

fn is_there(world: &World, name: &str) -> bool {
    world.get(&format!("{MAPS}/{name}")).code == 200
}

fn metadata(world: &World, name: &str) -> Value {
    world.get(&format!("{MAPS}/{name}")).good()["metadata"].clone()
}

fn release(world: &World, name: &str) {
    let path = format!("{MAPS}/{name}");
    let header = ["Content-Type: application/merge-patch+json"];
    let patch = json!({ "metadata": { "finalizers": null } });
    world.ask("PATCH", &path, &header, &patch.to_string()).good();
}

#[test]
fn dependents_go_after_their_last_owner() {
    let world = world();
    let (one, two) = (make(&world, "one", &[], &[]), make(&world, "two", &[], &[]));
    let child = make(&world, "child", &[(&one, false), (&two, false)], &[]);
    make(&world, "grandchild", &[(&child, false)], &[]);
    delete(&world, "one", "Background");
    world.until(|| {
        metadata(&world, "child")["ownerReferences"].as_array().is_some_and(|list| list.len() == 1)
    });
    assert_eq!(metadata(&world, "child")["ownerReferences"][0]["name"], "two");
    delete(&world, "two", "Background");
    world.until(|| !is_there(&world, "child") && !is_there(&world, "grandchild"));
    // One whose owner never was, or was another of that name.
    let false_owner =
        json!({ "metadata": { "name": "one", "uid": "00000000-0000-4000-8000-000000000000" } });
    make(&world, "one", &[], &[]);
    make(&world, "stray", &[(&false_owner, false)], &[]);
    world.until(|| !is_there(&world, "stray"));
    assert!(is_there(&world, "one"));
}

#[test]
fn owners_wait_for_dependents_in_the_foreground() {
    let world = world();
    let owner = make(&world, "owner", &[], &[]);
    make(&world, "blocks", &[(&owner, true)], &["example.com/wait"]);
    make(&world, "plain", &[(&owner, false)], &[]);
    delete(&world, "owner", "Foreground");
    world.until(|| !is_there(&world, "plain"));
    world.until(|| metadata(&world, "blocks")["deletionTimestamp"].is_string());
    assert_eq!(metadata(&world, "owner")["finalizers"], json!(["foregroundDeletion"]));
    release(&world, "blocks");
    world.until(|| !is_there(&world, "owner") && !is_there(&world, "blocks"));
}

#[test]
fn orphans_stay() {
    let world = world();
    let owner = make(&world, "owner", &[], &[]);
    make(&world, "child", &[(&owner, true)], &[]);
    delete(&world, "owner", "Orphan");
    world.until(|| !is_there(&world, "owner"));
    assert!(metadata(&world, "child")["ownerReferences"].is_null());
}

#[test]
fn a_circle_goes() {
    let world = world();
    let one = make(&world, "one", &[], &[]);
    let two = make(&world, "two", &[(&one, true)], &[]);
    let three = make(&world, "three", &[(&two, true)], &[]);
    let path = format!("{MAPS}/one");
    let owner = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "three",
        "uid": three["metadata"]["uid"], "blockOwnerDeletion": true,
    }]);
    let patch = json!({ "metadata": { "ownerReferences": owner } });
    let header = ["Content-Type: application/merge-patch+json"];
    world.ask("PATCH", &path, &header, &patch.to_string()).good();
    delete(&world, "one", "Foreground");
    world.until(|| ["one", "two", "three"].iter().all(|name| !is_there(&world, name)));
}
