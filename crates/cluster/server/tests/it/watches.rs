//! Watches: where they begin, what selectors make of changes, how they end.

use crate::world::{MAPS, World, map};
use serde_json::json;

fn version(object: &serde_json::Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
}

#[test]
fn changes_come_in_order_from_any_revision() {
    let world = World::new();
    let made = world.post(MAPS, &map("a", json!({}))).good();
    let mut changed = made.clone();
    changed["data"]["a"] = "2".into();
    let changed = world.put(&format!("{MAPS}/a"), &changed).good();
    world.delete(&format!("{MAPS}/a")).good();
    world.post(MAPS, &map("b", json!({}))).good();
    // No cache was started before: the store's own history is shown.
    let mut events = world.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&made)));
    let first = events.next().expect("an event");
    assert_eq!((&first["type"], &first["object"]), (&json!("MODIFIED"), &changed));
    let gone = events.next().expect("an event");
    assert_eq!((&gone["type"], &gone["object"]["data"]), (&json!("DELETED"), &json!({ "a": "2" })));
    let number = |object| version(object).parse::<u64>().expect("a number");
    assert!(number(&gone["object"]) > number(&changed));
    events.expect("ADDED", "b");
    world.post(MAPS, &map("c", json!({}))).good();
    events.expect("ADDED", "c");
    let mut from_cache =
        world.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&gone["object"])));
    from_cache.expect("ADDED", "b");
    from_cache.expect("ADDED", "c");
}

#[test]
fn selectors_turn_changes_into_coming_and_going() {
    let world = World::new();
    let from = version(&world.get(MAPS).good());
    let mut events =
        world.watch(&format!("{MAPS}?watch=1&resourceVersion={from}&labelSelector=in%3Dyes"));
    let made = world.post(MAPS, &map("a", json!({ "in": "yes" }))).good();
    events.expect("ADDED", "a");
    let mut left = made;
    left["metadata"]["labels"]["in"] = "no".into();
    let mut left = world.put(&format!("{MAPS}/a"), &left).good();
    let gone = events.next().expect("an event");
    assert_eq!(gone["type"], "DELETED");
    assert_eq!(gone["object"]["metadata"]["labels"]["in"], "yes");
    assert_eq!(version(&gone["object"]), version(&left));
    left["metadata"]["labels"]["in"] = "yes".into();
    world.put(&format!("{MAPS}/a"), &left).good();
    events.expect("ADDED", "a");
    world.delete(&format!("{MAPS}/a")).good();
    events.expect("DELETED", "a");
}

#[test]
fn initial_events_end_with_a_bookmark() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({}))).good();
    let path = format!(
        "{MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    );
    let mut events = world.watch(&path);
    events.expect("ADDED", "a");
    let bookmark = events.next().expect("an event");
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // And it ends in time.
    assert_eq!(events.next(), None);
    assert_eq!(world.get(&format!("{MAPS}?watch=1&sendInitialEvents=true")).code, 422);
    let mut legacy = world.watch("/api/v1/watch/namespaces/default/configmaps/a?timeoutSeconds=1");
    legacy.expect("ADDED", "a");
    assert_eq!(legacy.next(), None);
}

#[test]
fn a_forgotten_past_is_gone() {
    let world = World::new();
    let made = world.post(MAPS, &map("a", json!({}))).good();
    world.post(MAPS, &map("b", json!({}))).good();
    let last = version(&world.post(MAPS, &map("c", json!({}))).good());
    let revision = last.parse().expect("a number");
    world.run(async { world.api.store.compact(revision).await }).expect("compacted");
    // It is said in the stream, where real clients look for it.
    let mut past = world.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&made)));
    let told = past.next().expect("why it ends");
    assert_eq!((&told["type"], &told["object"]["code"]), (&json!("ERROR"), &json!(410)), "{told}");
    assert_eq!(told["object"]["reason"], "Expired");
    assert_eq!(past.next(), None);
    let mut events = world.watch(&format!("{MAPS}?watch=1&resourceVersion={last}"));
    world.delete(&format!("{MAPS}/a")).good();
    events.expect("DELETED", "a");
}

#[test]
fn tables_are_watched_too() {
    let world = World::new();
    let table = "Accept: application/json;as=Table;g=meta.k8s.io;v=v1";
    let from = version(&world.get(MAPS).good());
    let mut events = world.watch_as(&format!("{MAPS}?watch=1&resourceVersion={from}"), &[table]);
    world.post(MAPS, &map("a", json!({}))).good();
    let event = events.next().expect("an event");
    assert_eq!(event["object"]["kind"], "Table");
    assert_eq!(event["object"]["rows"][0]["cells"][0], "a");
}

#[test]
fn a_web_socket_gets_an_event_in_each_message() {
    let world = World::new();
    let from = version(&world.get(MAPS).good());
    let wish = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let path = format!("{MAPS}?watch=1&resourceVersion={from}");
    let mut socket = world.upgrade(&path, &wish, 101);
    for name in ["a", "b"] {
        world.post(MAPS, &map(name, json!({}))).good();
        let (opcode, bytes) = socket.frame();
        let event: serde_json::Value = serde_json::from_slice(&bytes).expect("an event");
        assert_eq!((opcode, &event["type"]), (1, &json!("ADDED")));
        assert_eq!(event["object"]["metadata"]["name"], name);
    }
    // What ends is closed.
    let mut short = world.upgrade(&format!("{path}&timeoutSeconds=1"), &wish, 101);
    assert_eq!([short.frame().0, short.frame().0], [1, 1]);
    assert_eq!(short.frame(), (8, vec![0x03, 0xe8]));
    // A page of some web site has to show a token.
    let elsewhere = [&wish[..], &["Origin: https://elsewhere"]].concat();
    assert_eq!(world.ask("GET", &path, &elsewhere, "").code, 403);
    assert_eq!(world.ask("GET", &path, &wish[..3], "").code, 400);
}
