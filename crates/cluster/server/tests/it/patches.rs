//! Patches of all four types, and who owns which field.

use crate::world::{Answer, MAPS, World, map};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn patch(world: &World, path: &str, kind: &str, body: &Value) -> Answer {
    world.ask("PATCH", path, &[&format!("Content-Type: application/{kind}")], &body.to_string())
}

fn deployment(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "a", "image": "a:1" }] },
            },
        },
    })
}

#[test]
fn each_patch_does_what_it_says() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({}))).good();
    let path = format!("{MAPS}/a");
    let changed = patch(&world, &path, "merge-patch+json", &json!({ "data": { "b": "2" } })).good();
    assert_eq!(changed["data"], json!({ "a": "1", "b": "2" }));
    let operations = json!([{ "op": "replace", "path": "/data/b", "value": "3" }, { "op": "test", "path": "/data/a", "value": "1" }]);
    let changed = patch(&world, &path, "json-patch+json", &operations).good();
    assert_eq!(changed["data"]["b"], "3");
    let failing = json!([{ "op": "test", "path": "/data/a", "value": "9" }]);
    assert_eq!(patch(&world, &path, "json-patch+json", &failing).code, 422);
    world.post(DEPLOYMENTS, &deployment(1)).good();
    let web = format!("{DEPLOYMENTS}/web");
    let more = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "b", "image": "b:1" }] } } } });
    let changed = patch(&world, &web, "strategic-merge-patch+json", &more).good();
    let containers = &changed["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(2), "{containers}");
    assert_eq!(patch(&world, &path, "unknown", &json!({})).code, 415);
    assert_eq!(patch(&world, &format!("{MAPS}/none"), "merge-patch+json", &json!({})).code, 404);
}

#[test]
fn what_is_applied_is_owned() {
    let world = World::new();
    let apply = |manager: &str, force: &str, body: &Value| {
        let path = format!("{DEPLOYMENTS}/web?fieldManager={manager}{force}");
        patch(&world, &path, "apply-patch+yaml", body)
    };
    let made = apply("one", "", &deployment(1));
    assert_eq!(made.code, 201, "{made:?}");
    let made = made.good();
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    assert_eq!(
        apply("one", "", &deployment(1)).good()["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    let conflict = apply("two", "", &deployment(2)).bad(409);
    assert_eq!(conflict["details"]["causes"][0]["field"], ".spec.replicas");
    assert_eq!(apply("two", "&force=true", &deployment(2)).good()["spec"]["replicas"], 2);
    let path = format!("{DEPLOYMENTS}/web");
    assert_eq!(patch(&world, &path, "apply-patch+yaml", &deployment(1)).code, 422);
    let status = json!({ "status": { "replicas": 5 } });
    let changed = patch(&world, &format!("{path}/status"), "merge-patch+json", &status).good();
    assert_eq!(
        (&changed["status"]["replicas"], &changed["spec"]["replicas"]),
        (&json!(5), &json!(2))
    );
    assert_eq!(changed["metadata"]["generation"], 2);
}

#[test]
fn what_is_applied_says_what_there_is_and_once() {
    let world = World::new();
    let apply = |more: &str, text: &str| {
        let path = format!("{MAPS}/a?fieldManager=one{more}");
        world.ask("PATCH", &path, &["Content-Type: application/apply-patch+yaml"], text)
    };
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
    // Nobody can own what there is not, not even leniently.
    for lenience in ["", "&fieldValidation=Ignore", "&fieldValidation=Strict"] {
        let refused = apply(lenience, &format!("{head}  x: y\nz: 1\n")).bad(400);
        let text = "failed to create typed patch object (/a; /v1, Kind=ConfigMap): errors:\n  .metadata.x: field not declared in schema\n  .z: field not declared in schema";
        assert_eq!(refused["message"], text);
    }
    let twice = format!("{head}data:\n  b: c\n  b: d\n");
    let refused = apply("&fieldValidation=Strict", &twice).bad(400);
    let text = "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 7: key \"b\" already set in map";
    assert_eq!(refused["message"], text);
    assert_eq!(apply("", &twice).good()["data"]["b"], "d");
}

#[test]
fn many_writers_lose_nothing() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({}))).good();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for turn in 0..10 {
                    let key = format!("k{writer}-{turn}");
                    let body = json!({ "data": { key: "x" } });
                    let path = format!("{MAPS}/a");
                    patch(world, &path, "merge-patch+json", &body).good();
                }
            });
        }
    });
    let data = world.get(&format!("{MAPS}/a")).good()["data"].clone();
    assert_eq!(data.as_object().map(serde_json::Map::len), Some(81));
}

#[test]
fn an_object_has_the_name_of_its_path() {
    let world = World::new();
    world.post(MAPS, &map("a", json!({}))).good();
    let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "other" } });
    for (name, kind) in
        [("a", "merge-patch+json"), ("a", "apply-patch+yaml"), ("new", "apply-patch+yaml")]
    {
        let refused =
            patch(&world, &format!("{MAPS}/{name}?fieldManager=m"), kind, &other).bad(400);
        assert_eq!(
            refused["message"],
            format!("the name of the object (other) does not match the name on the URL ({name})")
        );
    }
    assert_eq!(world.get(&format!("{MAPS}/new")).code, 404);
}

#[test]
fn owners_are_forgotten_when_somebody_asks_for_it() {
    let world = World::new();
    let path = format!("{MAPS}/a");
    let owners = |world: &World| world.get(&path).good()["metadata"]["managedFields"].clone();
    let own = || {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "a": "1" } });
        let path = format!("{path}?fieldManager=m&force=true");
        patch(&world, &path, "apply-patch+yaml", &body);
        assert!(owners(&world).is_array());
    };
    world.post(MAPS, &map("a", json!({}))).good();
    own();
    let empty = json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [{}] }]);
    patch(&world, &path, "json-patch+json", &empty).good();
    assert!(owners(&world).is_null());
    own();
    patch(&world, &path, "merge-patch+json", &json!({ "metadata": { "managedFields": [{}] } }))
        .good();
    assert!(owners(&world).is_null());
    own();
    let mut whole = world.get(&path).good();
    whole["metadata"]["managedFields"] = json!([]);
    world.put(&path, &whole).good();
    assert!(owners(&world).is_null());
}

#[test]
fn a_scale_is_applied_and_its_field_is_owned() {
    let world = World::new();
    world.post(&format!("{DEPLOYMENTS}?fieldManager=maker"), &deployment(1)).good();
    let scale = |manager: &str, more: &str, replicas: Value| {
        let path = format!("{DEPLOYMENTS}/web/scale?fieldManager={manager}{more}");
        let body = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "web" },
            "spec": { "replicas": replicas },
        });
        patch(&world, &path, "apply-patch+yaml", &body)
    };
    let refused = scale("scaler", "", json!(4)).bad(409);
    assert_eq!(refused["details"]["causes"][0]["field"], ".spec.replicas");
    assert_eq!(scale("scaler", "&force=true", json!(4)).good()["spec"]["replicas"], 4);
    let web = world.get(&format!("{DEPLOYMENTS}/web")).good();
    assert_eq!((&web["spec"]["replicas"], &web["metadata"]["generation"]), (&json!(4), &json!(2)));
    let entries = web["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let own = entries.iter().find(|it| it["manager"] == "scaler").expect("an owner");
    assert_eq!(own["fieldsV1"], json!({ "f:spec": { "f:replicas": {} } }));
    assert_eq!((&own["subresource"], &own["apiVersion"]), (&json!("scale"), &json!("apps/v1")));
    assert_eq!(scale("scaler", "", json!(5)).good()["spec"]["replicas"], 5);
    // A text is no number, and not none either.
    assert_eq!(scale("scaler", "", json!("6")).code, 400);
    let path = format!("{DEPLOYMENTS}/web/scale");
    let text = json!({ "spec": { "replicas": "6" } });
    assert_eq!(patch(&world, &path, "merge-patch+json", &text).code, 400);
    assert_eq!(world.put(&path, &text).code, 400);
    assert_eq!(world.get(&path).good()["spec"]["replicas"], 5);
    let table = ["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"];
    let table = world.ask("GET", &path, &table, "").good();
    let name = |at: usize| table["columnDefinitions"][at]["name"].clone();
    assert_eq!([name(0), name(1), name(2)], ["Name", "Desired", "Available"]);
    assert_eq!(table["rows"][0]["cells"][1], 5);
}
