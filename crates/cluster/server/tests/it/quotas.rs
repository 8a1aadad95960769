//! Quotas: counted by a controller, charged with what is written, never over.

use crate::world::World;
use serde_json::{Value, json};

const QUOTA: &str = "/api/v1/namespaces/default/resourcequotas/q";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn limit(world: &World, hard: Value) {
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": hard } });
    world.post("/api/v1/namespaces/default/resourcequotas", &quota).good();
    world.until(|| !world.get(QUOTA).json()["status"]["used"].is_null());
}

fn used(world: &World, name: &str) -> String {
    world.get(QUOTA).json()["status"]["used"][name].as_str().unwrap_or_default().to_owned()
}

fn map(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

#[test]
fn many_at_once_never_take_more_than_there_is() {
    let world = World::controlled();
    limit(&world, json!({ "count/secrets": "10" }));
    let path = "/api/v1/namespaces/default/secrets";
    let made = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let world = &world;
                scope.spawn(move || {
                    let codes = (0..5).map(|at| world.post(path, &map(&format!("s-{task}-{at}"))));
                    codes.map(|it| it.code).collect::<Vec<u16>>()
                })
            })
            .collect();
        let codes = tasks.into_iter().flat_map(|task| task.join().expect("a task"));
        codes.collect::<Vec<u16>>()
    });
    assert_eq!(made.iter().filter(|code| **code == 201).count(), 10, "{made:?}");
    assert!(made.iter().all(|code| matches!(code, 201 | 403)), "{made:?}");
    assert_eq!(world.get(path).json()["items"].as_array().map(Vec::len), Some(10));
    world.until(|| used(&world, "count/secrets") == "10");
    world.delete(path).good();
    world.until(|| used(&world, "count/secrets") == "0");
}

#[test]
fn what_is_not_written_is_not_charged() {
    let world = World::controlled();
    world.until(|| world.get(&format!("{MAPS}/kube-root-ca.crt")).code == 200);
    limit(&world, json!({ "configmaps": "3", "services": "1", "services.nodeports": "0" }));
    assert_eq!(used(&world, "configmaps"), "1");
    world.post(MAPS, &map("one")).good();
    world.post(MAPS, &map("one")).bad(409);
    world.post(&format!("{MAPS}?dryRun=All"), &map("two")).good();
    assert_eq!(used(&world, "configmaps"), "2");
    world.post(MAPS, &map("two")).good();
    let full = world.post(MAPS, &map("three")).bad(403);
    let why = "configmaps \"three\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3";
    assert_eq!(full["message"], why);
    world.post(&format!("{MAPS}?dryRun=All"), &map("three")).bad(403);
    // A change that needs more is refused, too.
    let mut service = json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "port": 80 }] } });
    let services = "/api/v1/namespaces/default/services";
    service = world.post(services, &service).good();
    service["spec"]["type"] = "NodePort".into();
    let refused = world.put(&format!("{services}/s"), &service).bad(403);
    assert!(refused["message"].as_str().is_some_and(|it| it.contains("services.nodeports=1")));
    assert_eq!(world.get(&format!("{services}/s")).json()["spec"]["type"], "ClusterIP");
}

#[test]
fn custom_resources_are_counted_as_soon_as_they_are_defined() {
    let world = World::controlled();
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    limit(&world, json!({ "count/widgets.example.com": "1" }));
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } });
    let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList" });
    let crd = json!({
        "metadata": { "name": "widgets.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": names, "versions": [version] },
    });
    world.post(crds, &crd).good();
    let path = "/apis/example.com/v1/namespaces/default/widgets";
    world.until(|| world.get(path).code == 200);
    let widget = |name: &str| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": name } });
    world.post(path, &widget("one")).good();
    world.post(path, &widget("two")).bad(403);
    world.until(|| used(&world, "count/widgets.example.com") == "1");
    world.delete(&format!("{path}/one")).good();
    world.until(|| used(&world, "count/widgets.example.com") == "0");
    // Defined anew, they are counted anew.
    world.delete(&format!("{crds}/widgets.example.com")).good();
    world.until(|| world.get(path).code == 404);
    world.post(crds, &crd).good();
    world.until(|| world.get(path).code == 200);
    for _ in 0..2 {
        world.post(path, &widget("one")).good();
        world.until(|| used(&world, "count/widgets.example.com") == "1");
        world.delete(&format!("{path}/one")).good();
        world.until(|| used(&world, "count/widgets.example.com") == "0");
    }
}
