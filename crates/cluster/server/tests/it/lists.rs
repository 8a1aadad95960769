//! Lists: which time, which objects, page by page.

use crate::world::{MAPS, World, map};
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}

#[test]
fn selectors() {
    let world = World::new();
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "x")] {
        world.post(MAPS, &map(name, json!({ "tier": tier }))).good();
    }
    let check = |query: &str, wanted: &[&str]| {
        assert_eq!(names(&world.get(&format!("{MAPS}?{query}")).good()), wanted, "{query}");
    };
    check("", &["a", "b", "c"]);
    check("labelSelector=tier%3Dx", &["a", "c"]);
    check("labelSelector=tier+notin+(x)", &["b"]);
    check("fieldSelector=metadata.name%3Db", &["b"]);
    check("fieldSelector=metadata.name!%3Db", &["a", "c"]);
    check("fieldSelector=metadata.namespace%3Ddefault&labelSelector=tier%3Dy", &["b"]);
    assert_eq!(world.get(&format!("{MAPS}?fieldSelector=spec.x%3D1")).code, 400);
    assert_eq!(world.get(&format!("{MAPS}?labelSelector=%3D%3D")).code, 400);
    let all = world.get("/api/v1/configmaps?fieldSelector=metadata.name%3Da").good();
    assert_eq!((names(&all), &all["kind"]), (vec!["a"], &json!("ConfigMapList")));
}

#[test]
fn pages_show_one_time() {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.post(MAPS, &map(name, json!({ "odd": "x" }))).good();
    }
    let first = world.get(&format!("{MAPS}?limit=2")).good();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    let next = first["metadata"]["continue"].as_str().expect("a token").to_owned();
    world.delete(&format!("{MAPS}/c")).good();
    let second = world.get(&format!("{MAPS}?limit=2&continue={next}")).good();
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let next = second["metadata"]["continue"].as_str().expect("a token").to_owned();
    let third = world.get(&format!("{MAPS}?limit=2&continue={next}")).good();
    assert_eq!((names(&third), &third["metadata"]["continue"]), (vec!["e"], &json!(null)));
    // When the history is gone, there is a token that does not mind.
    let revision = world.get(MAPS).good()["metadata"]["resourceVersion"].clone();
    let revision = revision.as_str().and_then(|text| text.parse().ok()).expect("a number");
    world.run(async { world.api.store.compact(revision).await }).expect("compacted");
    let gone = world.get(&format!("{MAPS}?limit=2&continue={next}")).bad(410);
    assert_eq!(gone["reason"], "Expired");
    let inconsistent = gone["metadata"]["continue"].as_str().expect("a token");
    let rest = world.get(&format!("{MAPS}?limit=2&continue={inconsistent}")).good();
    assert_eq!(names(&rest), ["e"]);
    assert_eq!(world.get(&format!("{MAPS}?continue=nonsense")).code, 400);
    let selected = world.get(&format!("{MAPS}?limit=3&labelSelector=odd")).good();
    assert_eq!(names(&selected), ["a", "b", "d"]);
}

#[test]
fn resource_versions_say_how_new() {
    let world = World::new();
    let made = world.post(MAPS, &map("a", json!({}))).good();
    let then = made["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    world.post(MAPS, &map("b", json!({}))).good();
    let check = |query: &str, wanted: &[&str]| {
        assert_eq!(names(&world.get(&format!("{MAPS}?{query}")).good()), wanted, "{query}");
    };
    check(&format!("resourceVersion={then}&resourceVersionMatch=Exact"), &["a"]);
    check(&format!("resourceVersion={then}&limit=5"), &["a"]);
    check("", &["a", "b"]);
    let code = |query: &str| world.get(&format!("{MAPS}?{query}")).code;
    assert_eq!(code("resourceVersionMatch=Exact"), 422);
    assert_eq!(code("resourceVersion=0&resourceVersionMatch=Exact"), 422);
    assert_eq!(code("resourceVersion=1&resourceVersionMatch=Other"), 422);
    assert_eq!(code("resourceVersion=x"), 400);
    assert_eq!(code("sendInitialEvents=true"), 422);
    // An object's own path is read, whatever its query says.
    assert_eq!(world.get(&format!("{MAPS}/a?watch=true")).good()["metadata"]["name"], "a");
    let future = world
        .get(&format!("{MAPS}?resourceVersion=999999&resourceVersionMatch=NotOlderThan"))
        .bad(504);
    assert_eq!(future["reason"], "Timeout");
}
