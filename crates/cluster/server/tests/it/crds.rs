//! Custom resources: served at once, by their schema, in several versions, gone with their definition.

use crate::world::World;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition(schema: &Value) -> Value {
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": schema },
            "subresources": { "status": {}, "scale": { "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size" } },
            "additionalPrinterColumns": [{ "name": "Size", "type": "integer", "jsonPath": ".spec.size" }],
        })
    };
    json!({
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"] },
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": { "type": "integer", "default": 3, "maximum": 10 },
                    "color": { "type": "string" },
                },
                "x-kubernetes-validations": [{ "rule": "self.size != 7", "message": "seven is taken" }],
            },
            "status": { "type": "object", "properties": { "size": { "type": "integer" } } },
        },
    })
}

fn established(world: &World) {
    let path = format!("{DEFINITIONS}/widgets.example.com");
    world.until(|| {
        let status = world.get(&path).good()["status"].clone();
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        all.iter().any(|it| it["type"] == "Established" && it["status"] == "True")
    });
}

#[test]
fn a_definition_is_served_by_its_schema() {
    let world = World::new();
    world.post(DEFINITIONS, &definition(&schema())).good();
    established(&world);
    let widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "a" },
        "spec": { "color": "red", "unknown": 1 },
    });
    let made = world.post(WIDGETS, &widget);
    assert!(made.headers.to_lowercase().contains("warning: 299"), "{}", made.headers);
    assert_eq!(made.good()["spec"], json!({ "color": "red", "size": 3 }));
    let strict = world.post(&format!("{WIDGETS}?fieldValidation=Strict"), &widget);
    assert_eq!(strict.code, 400, "{strict:?}");
    for (size, text) in [(11, "less than or equal to 10"), (7, "seven is taken")] {
        let bad = json!({ "metadata": { "name": "b" }, "spec": { "size": size } });
        let refused = world.post(WIDGETS, &bad).bad(422);
        assert!(refused["message"].as_str().is_some_and(|all| all.contains(text)), "{refused}");
    }
    let scale = world.get(&format!("{WIDGETS}/a/scale")).good();
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    let table = "Accept: application/json;as=Table;g=meta.k8s.io;v=v1";
    let table = world.ask("GET", WIDGETS, &[table], "").good();
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3]));
    let other = world.get("/apis/example.com/v1beta1/widgets").good();
    assert_eq!(other["items"][0]["apiVersion"], "example.com/v1beta1");
    assert!(
        world.get("/apis/example.com").good()["versions"]
            .as_array()
            .is_some_and(|all| all.len() == 2)
    );
    assert!(world.get("/openapi/v3").text.contains("apis/example.com/v1\""));
}

#[test]
fn defaults_reach_what_is_stored_already() {
    let world = World::new();
    let mut plain = schema();
    plain["properties"]["spec"]["properties"]["size"] = json!({ "type": "integer" });
    plain["properties"]["spec"]["x-kubernetes-validations"] = json!([]);
    world.post(DEFINITIONS, &definition(&plain)).good();
    established(&world);
    let made = world.post(WIDGETS, &json!({ "metadata": { "name": "a" }, "spec": {} })).good();
    assert_eq!(made["spec"], json!({}));
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let mut changed = world.get(&path).good();
    for at in [0, 1] {
        changed["spec"]["versions"][at]["schema"]["openAPIV3Schema"] = schema();
    }
    world.put(&path, &changed).good();
    world.until(|| world.get(&format!("{WIDGETS}/a")).good()["spec"]["size"] == 3);
    assert_eq!(world.get(WIDGETS).good()["items"][0]["spec"]["size"], 3);
}

#[test]
fn a_definition_takes_its_objects_with_it() {
    let world = World::new();
    world.post(DEFINITIONS, &definition(&schema())).good();
    established(&world);
    world.post(WIDGETS, &json!({ "metadata": { "name": "a" } })).good();
    let mut events = world.watch(&format!("{WIDGETS}?watch=1"));
    events.expect("ADDED", "a");
    world.delete(&format!("{DEFINITIONS}/widgets.example.com")).good();
    events.expect("DELETED", "a");
    assert_eq!(events.next(), None);
    world.until(|| world.get(WIDGETS).code == 404);
    world.until(|| world.get("/apis/example.com").code == 404);
}

#[test]
fn a_definition_that_comes_again_keeps_its_objects() {
    let world = World::new();
    // As another server on the same store would.
    world.run(async {
        tokio::spawn(teu_server::crd::run(std::sync::Arc::clone(&world.api)));
    });
    let path = format!("{DEFINITIONS}/widgets.example.com");
    for round in 0..5 {
        world.until(|| world.post(DEFINITIONS, &definition(&schema())).code == 201);
        established(&world);
        let held = json!({ "metadata": { "name": "a", "finalizers": ["example.com/held"] } });
        world.until(|| world.post(WIDGETS, &held).code == 201);
        world.delete(&path).good();
        // While it goes nothing new comes.
        world.until(|| world.post(WIDGETS, &json!({ "metadata": { "name": "b" } })).code == 405);
        let patch = json!({ "metadata": { "finalizers": null } }).to_string();
        let how = ["Content-Type: application/merge-patch+json"];
        world.ask("PATCH", &format!("{WIDGETS}/a"), &how, &patch).good();
        world.until(|| world.get(&path).code == 404);
        world.until(|| world.post(DEFINITIONS, &definition(&schema())).code == 201);
        established(&world);
        world.until(|| world.post(WIDGETS, &json!({ "metadata": { "name": "new" } })).code == 201);
        // Whoever still means the one before looks again after a pause.
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(world.get(&format!("{WIDGETS}/new")).code, 200, "round {round}");
        world.delete(&path).good();
        world.until(|| world.get(&path).code == 404);
    }
}

#[test]
fn a_change_of_nothing_leads_objects_out_of_a_version() {
    let world = World::new();
    let mut made = definition(&schema());
    world.post(DEFINITIONS, &made).good();
    established(&world);
    let object = world.post(WIDGETS, &json!({ "metadata": { "name": "a" } })).good();
    let stored = || {
        let key = b"/registry/example.com/widgets/default/a";
        let found = world.run(world.api.store.get(key, teu_store::Consistency::Linearizable));
        let kv = found.expect("read").kv.expect("it is there");
        serde_json::from_slice::<Value>(&kv.value).expect("JSON")["apiVersion"].clone()
    };
    assert_eq!(stored(), "example.com/v1");
    made["spec"]["versions"][0]["storage"] = false.into();
    made["spec"]["versions"][1]["storage"] = true.into();
    let path = format!("{DEFINITIONS}/widgets.example.com");
    made["metadata"]["resourceVersion"] =
        world.get(&path).good()["metadata"]["resourceVersion"].clone();
    world.put(&path, &made).good();
    world.until(|| {
        world.put(&format!("{WIDGETS}/a"), &object).good();
        stored() == "example.com/v1beta1"
    });
    // Then nothing is written any more.
    let before = world.get(&format!("{WIDGETS}/a")).good();
    let again = world.put(&format!("{WIDGETS}/a"), &before).good();
    assert_eq!(again["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
}

#[test]
fn each_version_has_its_api_service_as_long_as_it_is_served() {
    const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
    let world = World::new();
    let of = |version: &str| world.get(&format!("{SERVICES}/{version}.example.com"));
    let path = format!("{DEFINITIONS}/widgets.example.com");
    world.post(DEFINITIONS, &definition(&schema())).good();
    world.until(|| of("v1").code == 200 && of("v1beta1").code == 200);
    let made = of("v1").good();
    assert_eq!(made["spec"]["groupPriorityMinimum"], 1000);
    assert_eq!(made["status"]["conditions"][0]["reason"], "Local");
    assert!(made["status"]["conditions"][0]["lastTransitionTime"].is_string(), "{made}");
    // Whoever takes one away, or changes it, has it back.
    world.delete(&format!("{SERVICES}/v1.example.com")).good();
    world.until(|| of("v1").code == 200);
    // One that is not served any more, and then none.
    let patch = json!([{ "op": "replace", "path": "/spec/versions/1/served", "value": false }]);
    let headers = ["Content-Type: application/json-patch+json"];
    world.ask("PATCH", &path, &headers, &patch.to_string()).good();
    world.until(|| of("v1beta1").code == 404);
    assert_eq!(of("v1").code, 200);
    // Somebody's own stays.
    let own = json!({ "metadata": { "name": "v2.example.com" }, "spec": {
        "group": "example.com", "version": "v2", "groupPriorityMinimum": 1, "versionPriority": 1,
    } });
    world.post(SERVICES, &own).good();
    world.delete(&path).good();
    world.until(|| of("v1").code == 404);
    assert_eq!(of("v2").code, 200);
}

#[test]
fn metadata_is_checked_and_status_touches_only_itself() {
    let world = World::new();
    world.post(DEFINITIONS, &definition(&schema())).good();
    established(&world);
    let mut widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {
        "name": "a", "labels": { "a b": "1", "c d": "2" }, "finalizers": ["plain", "not plain"],
    } });
    let refused = world.post(WIDGETS, &widget).bad(422);
    let causes = refused["details"]["causes"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&str> = causes.iter().filter_map(|cause| cause["field"].as_str()).collect();
    assert_eq!(fields, ["metadata.labels", "metadata.labels", "metadata.finalizers"]);
    widget["metadata"] = json!({ "name": "a", "labels": { "a": "b" } });
    widget["spec"] = json!({ "size": 3 });
    world.post(WIDGETS, &widget).good();
    let patch = json!({
        "metadata": { "labels": { "a": "other" }, "finalizers": ["example.com/x"] },
        "spec": { "size": 9 }, "status": { "size": 5 },
    });
    let kind = ["Content-Type: application/merge-patch+json"];
    let path = format!("{WIDGETS}/a/status");
    let told = world.ask("PATCH", &path, &kind, &patch.to_string()).good();
    assert_eq!(told["metadata"]["labels"], json!({ "a": "b" }));
    assert!(told["metadata"]["finalizers"].is_null());
    assert_eq!((&told["spec"]["size"], &told["status"]["size"]), (&json!(3), &json!(5)));
    let schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    let schema = json!({ "metadata": { "name": "x" }, "spec": {
        "priorityLevelConfiguration": { "name": "exempt" },
    } });
    world.post(schemas, &schema).good();
    let told = world.ask("PATCH", &format!("{schemas}/x/status"), &kind, &patch.to_string()).good();
    assert!(told["metadata"]["labels"].is_null() && told["metadata"]["finalizers"].is_null());
}
