//! One object: made, read, changed, in every format.

use crate::world::{MAPS, World, map};
use serde_json::json;

#[test]
fn an_object_is_made_read_and_changed() {
    let world = World::new();
    let made = world.post(MAPS, &map("a", json!({}))).good();
    let metadata = &made["metadata"];
    assert_eq!((&made["kind"], &made["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    assert!(metadata["creationTimestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    let path = format!("{MAPS}/a");
    assert_eq!(world.get(&path).good(), made);

    let mut next = made.clone();
    next["data"]["a"] = "2".into();
    next["metadata"]["uid"] = json!(null);
    let changed = world.put(&path, &next).good();
    assert_eq!(changed["data"]["a"], "2");
    assert_eq!(changed["metadata"]["uid"], made["metadata"]["uid"]);
    assert_ne!(changed["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    // The old revision is refused, the same again changes nothing.
    let refused = world.put(&path, &next).bad(409);
    assert_eq!(refused["reason"], "Conflict");
    assert_eq!(world.put(&path, &changed).good(), changed);
}

#[test]
fn refusals_are_those_of_kubernetes() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({}))).good();
    let check = |answer: crate::world::Answer, code: u16, reason: &str, message: &str| {
        let status = answer.bad(code);
        assert_eq!(status["kind"], "Status");
        assert_eq!((&status["reason"], &status["message"]), (&json!(reason), &json!(message)));
        assert_eq!(status["code"], code);
    };
    check(
        world.post(MAPS, &map("a", json!({}))),
        409,
        "AlreadyExists",
        "configmaps \"a\" already exists",
    );
    check(world.get(&format!("{MAPS}/b")), 404, "NotFound", "configmaps \"b\" not found");
    check(
        world.get("/api/v1/nothing"),
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    check(
        world.post("/api/v1/namespaces/none/configmaps", &map("a", json!({}))),
        404,
        "NotFound",
        "namespaces \"none\" not found",
    );
    check(
        world.post(MAPS, &json!({ "metadata": { "name": "c", "namespace": "kube-system" } })),
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
    let status = world.post(MAPS, &map("A_b", json!({ "-": "x" }))).bad(422);
    let fields: Vec<_> = status["details"]["causes"]
        .as_array()
        .expect("causes")
        .iter()
        .map(|cause| cause["field"].clone())
        .collect();
    assert_eq!(fields, ["metadata.name", "metadata.labels"]);
    assert_eq!(world.ask("POST", MAPS, &["Content-Type: application/json"], "{").code, 400);
    assert_eq!(world.ask("POST", MAPS, &["Content-Type: text/html"], "x").code, 415);
    assert_eq!(world.ask("GET", MAPS, &["Accept: text/html"], "").code, 406);
    assert_eq!(world.announce("POST", MAPS, 4 << 20), 413);
}

#[test]
fn names_are_generated_and_dry_runs_write_nothing() {
    let world = World::new();
    let made = world.post(MAPS, &json!({ "metadata": { "generateName": "web-" } })).good();
    let name = made["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    let dry = world.post(&format!("{MAPS}?dryRun=All"), &map("dry", json!({}))).good();
    assert_eq!(dry["metadata"]["resourceVersion"], json!(null));
    assert_eq!(world.get(&format!("{MAPS}/dry")).code, 404);
    assert_eq!(world.post(&format!("{MAPS}?dryRun=Some"), &map("dry", json!({}))).code, 422);
}

#[test]
fn formats_and_forms() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({ "k": "v" }))).good();
    let path = format!("{MAPS}/a");
    let yaml = world.ask("GET", &path, &["Accept: application/yaml"], "");
    assert!(yaml.text.contains("\n  labels:\n    k: v\n"), "{}", yaml.text);
    assert!(yaml.headers.contains("application/yaml"), "{}", yaml.headers);
    let partial = "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let partial = world.ask("GET", &path, &[partial], "").good();
    assert_eq!(partial["kind"], "PartialObjectMetadata");
    assert_eq!((&partial["metadata"]["name"], &partial["data"]), (&json!("a"), &json!(null)));
    let table = "Accept: application/json;as=Table;g=meta.k8s.io;v=v1";
    for path in [&*path, MAPS] {
        let table = world.ask("GET", path, &[table], "").good();
        assert_eq!(table["kind"], "Table");
        assert_eq!(table["rows"][0]["cells"][0], "a");
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
    let pretty = world.get(&format!("{path}?pretty=1"));
    assert!(pretty.text.starts_with("{\n  \"kind\""), "{}", pretty.text);
}

#[test]
fn discovery_and_health() {
    let world = World::new();
    let list = world.get("/api/v1").good();
    let names: Vec<_> = list["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|r| r["name"].clone())
        .collect();
    assert!(
        names.contains(&json!("configmaps")) && names.contains(&json!("pods/status")),
        "{names:?}"
    );
    assert_eq!(world.get("/apis/apps").good()["preferredVersion"]["version"], "v1");
    assert_eq!(world.get("/apis/none").code, 404);
    let aggregated = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let answer = world.ask("GET", "/apis", &[aggregated], "");
    let tag = answer
        .headers
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .expect("a tag")
        .to_owned();
    assert_eq!(answer.good()["kind"], "APIGroupDiscoveryList");
    assert_eq!(
        world.ask("GET", "/apis", &[aggregated, &format!("If-None-Match: {tag}")], "").code,
        304
    );
    for path in ["/healthz", "/livez", "/readyz", "/readyz/ping"] {
        assert_eq!(world.get(path).text, "ok", "{path}");
    }
    assert!(world.get("/readyz?verbose").text.contains("[+]etcd ok\n"));
    assert_eq!(world.get("/readyz/none").code, 404);
    assert_eq!(world.get("/version").good()["major"], "1");
    assert!(world.get("/metrics").text.contains("apiserver_request_total{code=\"200\""));
}

#[test]
fn components_are_asked_for() {
    const PATH: &str = "/api/v1/componentstatuses";
    let world = World::new();
    let answer = world.get(PATH);
    assert!(answer.headers.contains("v1 ComponentStatus is deprecated in v1.19+"), "{answer:?}");
    let all = answer.good();
    assert_eq!((&all["kind"], &all["metadata"]), (&json!("ComponentStatusList"), &json!({})));
    let of = |name: &str| world.get(&format!("{PATH}/{name}")).good()["conditions"][0].clone();
    let good = json!({ "type": "Healthy", "status": "True", "message": "ok" });
    assert_eq!((of("etcd-0"), of("controller-manager")), (good.clone(), good));
    let none = of("scheduler");
    assert_eq!(none["status"], "False");
    assert_eq!(none["message"], "nobody holds the lease kube-system/kube-scheduler: none runs");
    let chosen = world.get(&format!("{PATH}?fieldSelector=metadata.name=etcd-0")).good();
    assert_eq!(chosen["items"].as_array().map(Vec::len), Some(1));
    let unknown = world.get(&format!("{PATH}/x")).bad(500);
    assert_eq!(unknown["message"], "Component not found: x");
    assert_eq!(world.get(&format!("{PATH}?watch=1")).code, 405);
    assert_eq!(world.delete(&format!("{PATH}/etcd-0")).code, 405);
}

#[test]
fn options_are_checked() {
    let world = World::new();
    let body = map("a", json!({})).to_string();
    let long = "x".repeat(129);
    let refused = |method: &str, path: &str, query: &str| {
        let json = ["Content-Type: application/json"];
        world.ask(method, &format!("{path}?{query}"), &json, &body).bad(422)["message"]
            .as_str()
            .expect("a message")
            .to_owned()
    };
    assert_eq!(
        refused("POST", MAPS, &format!("fieldManager={long}")),
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes"
    );
    let message = refused("PUT", &format!("{MAPS}/a"), "fieldManager=a%07b");
    assert!(
        message.starts_with("UpdateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid")
    );
    assert!(message.ends_with("invalid character U+0007 (at position 1)"), "{message}");
    assert_eq!(
        refused("POST", MAPS, "dryRun=some"),
        "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"some\": supported values: \"All\""
    );
    assert_eq!(world.get(&format!("{MAPS}/a")).code, 404);
    // An object is made in its collection, and a collection is not replaced.
    assert_eq!(world.post(&format!("{MAPS}/a"), &map("a", json!({}))).code, 405);
    assert_eq!(world.put(MAPS, &map("a", json!({}))).code, 405);
}
