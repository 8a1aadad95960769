//! Priority and fairness: what every cluster has, how requests are sorted, and that a greedy client
//! does not keep a modest one from its turn.

use crate::world::{MAPS, Raw, World, map};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_server::fairness;

const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
/// Seats of the narrow level: three of six hundred.
const SEATS: usize = 3;
const SHARES: u32 = 1;

fn world() -> World {
    let world = World::guarded();
    world.run(async {
        fairness::ensure(&world.api).await.expect("levels and schemas");
        tokio::spawn(fairness::run(Arc::clone(&world.api)));
    });
    world.until(|| world.get("/version").headers.contains("x-kubernetes-pf-flowschema-uid"));
    world
}

fn header(headers: &str, name: &str) -> String {
    let lines = headers.lines().filter_map(|line| line.split_once(": "));
    let found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).next().unwrap_or_default()
}

fn account(world: &World, name: &str) -> String {
    world.post(ACCOUNTS, &json!({ "metadata": { "name": name } })).good();
    let request = json!({ "spec": { "expirationSeconds": 600 } });
    let answer = world.post(&format!("{ACCOUNTS}/{name}/token"), &request).good();
    format!("Authorization: Bearer {}", answer["status"]["token"].as_str().expect("a token"))
}

/// A level of three seats where `waiting` may wait, for all accounts; they may make config maps.
fn narrow(world: &World, waiting: u32) {
    let queuing = json!({ "queues": 1, "handSize": 1, "queueLengthLimit": waiting });
    let limited = json!({
        "nominalConcurrencyShares": SHARES, "lendablePercent": 0, "borrowingLimitPercent": 0,
        "limitResponse": { "type": "Queue", "queuing": queuing },
    });
    let spec = json!({ "type": "Limited", "limited": limited });
    let level = json!({ "metadata": { "name": "narrow" }, "spec": spec });
    world.post(&format!("{FLOW}/prioritylevelconfigurations"), &level).good();
    let rule = json!({
        "subjects": [{ "kind": "Group", "group": { "name": "system:serviceaccounts" } }],
        "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true }],
    });
    let spec = json!({
        "priorityLevelConfiguration": { "name": "narrow" }, "matchingPrecedence": 50,
        "distinguisherMethod": { "type": "ByUser" }, "rules": [rule],
    });
    let schema = json!({ "metadata": { "name": "narrow" }, "spec": spec });
    let schema = world.post(&format!("{FLOW}/flowschemas"), &schema).good();
    let level = world.get(&format!("{FLOW}/prioritylevelconfigurations/narrow")).good();
    let (schema, level) = (uid(&schema), uid(&level));
    let rights = json!({
        "metadata": { "name": "makers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit" },
        "subjects": [{ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts" }],
    });
    world.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &rights).good();
    let probe = account(world, "probe");
    world.until(|| world.ask("GET", MAPS, &[&probe], "").code == 200);
    world.until(|| {
        let headers = world.ask("GET", MAPS, &[&probe], "").headers;
        header(&headers, "x-kubernetes-pf-flowschema-uid") == schema
            && header(&headers, "x-kubernetes-pf-prioritylevel-uid") == level
    });
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().expect("a UID").to_owned()
}

/// A figure of the narrow level.
fn figure(world: &World, name: &str) -> usize {
    let line = format!("apiserver_flowcontrol_{name}{{priority_level=\"narrow\"}} ");
    let text = world.get("/metrics").text;
    let found = text.lines().find_map(|known| known.strip_prefix(&line));
    found.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Requests whose bodies do not come: each has a seat until its client goes.
fn greedy(world: &World, token: &str, count: usize) -> Vec<Raw> {
    let body = map("greedy", json!({})).to_string();
    let open = |_| world.hold("POST", MAPS, &[token, "Content-Type: application/json"], body.len());
    (0..count).map(open).collect()
}

#[test]
fn what_every_cluster_has_is_there_and_mended() {
    let world = world();
    let schemas = world.get(&format!("{FLOW}/flowschemas")).good();
    assert_eq!(schemas["items"].as_array().map(Vec::len), Some(13));
    let levels = world.get(&format!("{FLOW}/prioritylevelconfigurations")).good();
    assert_eq!(levels["items"].as_array().map(Vec::len), Some(8));
    // Every schema says that its level is there.
    world.until(|| {
        let schemas = world.get(&format!("{FLOW}/flowschemas")).good();
        schemas["items"].as_array().expect("items").iter().all(|schema| {
            let condition = &schema["status"]["conditions"][0];
            condition["type"] == "Dangling" && condition["status"] == "False"
        })
    });
    // What must be there comes back, what is suggested at the next start only.
    let path = format!("{FLOW}/flowschemas/catch-all");
    let before = world.get(&path).good();
    world.delete(&path).good();
    world.until(|| {
        let found = world.get(&path);
        found.code == 200 && uid(&found.json()) != uid(&before)
    });
    let path = format!("{FLOW}/flowschemas/global-default");
    world.delete(&path).good();
    world.run(async { fairness::ensure(&world.api).await }).expect("mended");
    world.get(&path).good();
    let lost = json!({
        "metadata": { "name": "lost" },
        "spec": { "priorityLevelConfiguration": { "name": "nowhere" } },
    });
    world.post(&format!("{FLOW}/flowschemas"), &lost).good();
    world.until(|| {
        let lost = world.get(&format!("{FLOW}/flowschemas/lost")).good();
        lost["status"]["conditions"][0]["status"] == "True"
    });
}

#[test]
fn requests_say_how_they_were_sorted() {
    let world = world();
    let schema_of = |headers: &[&str], path: &str| {
        let answer = world.ask("GET", path, headers, "");
        header(&answer.headers, "x-kubernetes-pf-flowschema-uid")
    };
    let known = |name: &str| uid(&world.get(&format!("{FLOW}/flowschemas/{name}")).good());
    assert_eq!(schema_of(&[], MAPS), known("exempt"));
    let token = account(&world, "robot");
    // Refusals say it too.
    assert_eq!(schema_of(&[&token], MAPS), known("service-accounts"));
    assert_eq!(schema_of(&["X-Nobody: 1"], "/readyz"), known("probes"));
    assert_eq!(schema_of(&["X-Nobody: 1"], "/nowhere"), known("global-default"));
}

#[test]
fn a_greedy_client_does_not_keep_a_modest_one_from_its_turn() {
    let world = world();
    narrow(&world, 40);
    let (eve, mia) = (account(&world, "eve"), account(&world, "mia"));
    let mut held = greedy(&world, &eve, SEATS);
    world.until(|| figure(&world, "current_executing_seats") == SEATS);
    held.extend(greedy(&world, &eve, 30));
    world.until(|| figure(&world, "current_inqueue_requests") == 30);
    // Whoever has no limit is answered, and so are other levels.
    world.get(MAPS).good();
    std::thread::scope(|scope| {
        let modest = scope.spawn(|| world.ask("GET", MAPS, &[&mia], ""));
        world.until(|| figure(&world, "current_inqueue_requests") == 31);
        // One of the greedy goes. The modest one came last of all, and is next.
        held.remove(0);
        modest.join().expect("no panic").good();
    });
    world.until(|| figure(&world, "current_inqueue_requests") == 29);
    // All go, also those who wait: nothing stays behind.
    drop(held);
    world.until(|| figure(&world, "current_executing_seats") == 0);
    assert_eq!(figure(&world, "current_inqueue_requests"), 0);
    world.ask("GET", MAPS, &[&eve], "").good();
}

#[test]
fn where_nobody_else_may_wait_a_client_is_told_to_come_again() {
    let world = world();
    narrow(&world, 2);
    let eve = account(&world, "eve");
    let held = greedy(&world, &eve, SEATS + 2);
    world.until(|| figure(&world, "current_inqueue_requests") == 2);
    let refused = world.ask("GET", MAPS, &[&eve], "");
    assert_eq!(header(&refused.headers, "retry-after"), "1");
    assert_ne!(header(&refused.headers, "x-kubernetes-pf-prioritylevel-uid"), "");
    let status = refused.bad(429);
    assert_eq!(status["reason"], "TooManyRequests");
    assert_eq!(figure(&world, "rejected_requests_total"), 1);
    // When the level has gone, nobody waits for it.
    world.delete(&format!("{FLOW}/prioritylevelconfigurations/narrow")).good();
    world.until(|| world.ask("GET", MAPS, &[&eve], "").code == 200);
    drop(held);
}
