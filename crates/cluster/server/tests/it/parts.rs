//! Services' addresses and ports, pods' bindings and evictions.

use crate::world::World;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({ "metadata": { "name": name }, "spec": spec });
    service["spec"]["ports"] = json!([{ "port": 80 }]);
    service
}

fn pod(name: &str) -> Value {
    let labels = json!({ "app": "a" });
    json!({ "metadata": { "name": name, "labels": labels }, "spec": { "containers": [{ "name": "a", "image": "a" }] } })
}

#[test]
fn addresses_and_ports_are_given_once() {
    let world = World::new();
    let made = world.post(SERVICES, &service("a", json!({}))).good();
    let address = made["spec"]["clusterIP"].as_str().expect("an address").to_owned();
    assert_eq!(made["spec"]["clusterIPs"], json!([address]));
    let claim = format!("/apis/networking.k8s.io/v1/ipaddresses/{address}");
    assert_eq!(world.get(&claim).good()["spec"]["parentRef"]["name"], "a");
    let refused = world.post(SERVICES, &service("b", json!({ "clusterIP": address }))).bad(422);
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("already allocated")));
    let wanted = json!({ "type": "NodePort" });
    let made = world.post(SERVICES, &service("b", wanted)).good();
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().expect("a port");
    assert!((30_000..32_768).contains(&port), "{port}");
    let mut same = service("c", json!({ "type": "NodePort" }));
    same["spec"]["ports"][0]["nodePort"] = port.into();
    assert_eq!(world.post(SERVICES, &same).code, 422);
    world.delete(&format!("{SERVICES}/b")).good();
    world.post(SERVICES, &same).good();
    world.delete(&format!("{SERVICES}/a")).good();
    assert_eq!(world.get(&claim).code, 404);
    let outside = json!({ "type": "ExternalName", "externalName": "example.com" });
    assert_eq!(
        world.post(SERVICES, &service("d", outside)).good()["spec"]["clusterIP"],
        json!(null)
    );
}

#[test]
fn a_pod_is_bound_once() {
    let world = World::new();
    world.post(PODS, &pod("p")).good();
    let binding = json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } });
    let path = format!("{PODS}/p/binding");
    assert_eq!(world.post(&path, &binding).good()["status"], "Success");
    let bound = world.get(&format!("{PODS}/p")).good();
    assert_eq!(bound["spec"]["nodeName"], "n");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    assert_eq!(world.post(&path, &binding).bad(409)["reason"], "Conflict");
    let other = json!({ "metadata": { "name": "q" }, "target": { "name": "n" } });
    assert_eq!(
        world.post(&path, &other).bad(400)["message"],
        "name in URL does not match name in Binding object"
    );
    // The old way, in the collection of bindings.
    world.post(PODS, &pod("q")).good();
    world.post("/api/v1/namespaces/default/bindings", &other).good();
    assert_eq!(world.get(&format!("{PODS}/q")).good()["spec"]["nodeName"], "n");
    // A bound pod is given its time.
    let begun = world.delete(&format!("{PODS}/p")).good();
    assert_eq!(begun["metadata"]["deletionGracePeriodSeconds"], 30);
    world.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).good();
    assert_eq!(world.get(&format!("{PODS}/p")).code, 404);
}

#[test]
fn a_pod_behind_gates_is_bound_nowhere() {
    let world = World::new();
    let mut gated = pod("p");
    gated["spec"]["schedulingGates"] = json!([{ "name": "example.com/wait" }]);
    let made = world.post(PODS, &gated).good();
    let binding = json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } });
    let path = format!("{PODS}/p/binding");
    let refused = world.post(&path, &binding).bad(409);
    let why = "Operation cannot be fulfilled on pods/binding \"p\": pod p has non-empty .spec.schedulingGates";
    assert_eq!(refused["message"], why);
    let mut open = made;
    open["spec"]["schedulingGates"] = json!([]);
    world.put(&format!("{PODS}/p"), &open).good();
    world.post(&path, &binding).good();
}

#[test]
fn evictions_ask_the_budget() {
    let world = World::new();
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({ "metadata": { "name": "b" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "a" } } } });
    let budget = world.post(budgets, &budget).good();
    for name in ["p", "q"] {
        world.post(PODS, &pod(name)).good();
        let mut running = world.get(&format!("{PODS}/{name}")).good();
        running["status"]["phase"] = "Running".into();
        // One that is not ready takes nothing from a budget that has enough others.
        running["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
        world.put(&format!("{PODS}/{name}/status"), &running).good();
    }
    let evict = |name: &str| {
        let eviction =
            json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
        world.post(&format!("{PODS}/{name}/eviction"), &eviction)
    };
    let refused = evict("p").bad(429);
    assert_eq!(refused["details"]["causes"][0]["reason"], "DisruptionBudget");
    let mut allowing = budget;
    allowing["status"] = json!({ "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "observedGeneration": 1 });
    world.put(&format!("{budgets}/b/status"), &allowing).good();
    evict("p").good();
    assert_eq!(world.get(&format!("{PODS}/p")).code, 404);
    assert_eq!(world.get(&format!("{budgets}/b")).good()["status"]["disruptionsAllowed"], 0);
    assert_eq!(evict("q").code, 429);
    let mut unready = world.get(&format!("{PODS}/q")).good();
    unready["status"]["conditions"] = json!([{ "type": "Ready", "status": "False" }]);
    world.put(&format!("{PODS}/q/status"), &unready).good();
    evict("q").good();
}

#[test]
fn an_evicted_pod_says_so_and_one_that_was_not_meant_is_not_touched() {
    let world = World::new();
    let mut kept = pod("p");
    kept["metadata"]["finalizers"] = json!(["example.com/keep"]);
    let made = world.post(PODS, &kept).good();
    let evict = |uid: &str| {
        let options = json!({ "preconditions": { "uid": uid } });
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "p" },
            "deleteOptions": options,
        });
        world.post(&format!("{PODS}/p/eviction"), &eviction)
    };
    evict("somebody else").bad(409);
    let found = world.get(&format!("{PODS}/p")).good();
    assert_eq!(found["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    evict(made["metadata"]["uid"].as_str().expect("an UID")).good();
    let found = world.get(&format!("{PODS}/p")).good();
    let conditions = found["status"]["conditions"].as_array().expect("conditions");
    let said: Vec<&Value> =
        conditions.iter().filter(|it| it["type"] == "DisruptionTarget").collect();
    assert_eq!(said.len(), 1, "{conditions:?}");
    assert_eq!(said[0]["reason"], "EvictionByEvictionAPI");
    assert!(found["metadata"]["deletionTimestamp"].is_string());
}
