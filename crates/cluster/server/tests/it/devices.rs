//! Claims of devices: made for pods, counted by quotas, and let go.

use crate::world::World;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const GROUP: &str = "/apis/resource.k8s.io/v1/namespaces/default";

fn spec(count: i64) -> Value {
    let exactly =
        json!({ "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count });
    json!({ "devices": { "requests": [{ "name": "r", "exactly": exactly }] } })
}

fn patch(world: &World, path: &str, patch: &Value) -> Value {
    let header = ["Content-Type: application/merge-patch+json"];
    world.ask("PATCH", path, &header, &patch.to_string()).good()
}

fn pod(claims: &Value) -> Value {
    let containers = json!([{ "name": "c", "image": "i" }]);
    json!({ "metadata": { "name": "p" }, "spec": { "containers": containers, "resourceClaims": claims } })
}

#[test]
fn a_pods_claim_is_made_from_its_template_as_soon_as_that_is_there() {
    let world = World::controlled();
    let uid = world
        .post(PODS, &pod(&json!([{ "name": "own", "resourceClaimTemplateName": "t" }])))
        .good()["metadata"]["uid"]
        .clone();
    let template = json!({ "metadata": { "name": "t" }, "spec": { "metadata": { "labels": { "a": "b" } }, "spec": spec(1) } });
    world.post(&format!("{GROUP}/resourceclaimtemplates"), &template).good();
    let said = || -> Value {
        world.get(&format!("{PODS}/p")).good()["status"]["resourceClaimStatuses"][0].clone()
    };
    world.until(|| said()["name"] == "own");
    let name = said()["resourceClaimName"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("p-own-"), "{name}");
    let claim = world.get(&format!("{GROUP}/resourceclaims/{name}")).good();
    let owner = &claim["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["uid"], &claim["metadata"]["labels"]), (&uid, &json!({ "a": "b" })));
    assert_eq!(claim["spec"]["devices"], spec(1)["devices"]);
    // Its pod is through: so is the claim.
    patch(&world, &format!("{PODS}/p/status"), &json!({ "status": { "phase": "Succeeded" } }));
    world.until(|| world.get(&format!("{GROUP}/resourceclaims/{name}")).code == 404);
}

#[test]
fn a_shared_claim_loses_its_devices_with_its_last_pod() {
    let world = World::controlled();
    let claims = format!("{GROUP}/resourceclaims");
    let finalizer = "resource.kubernetes.io/delete-protection";
    let claim = json!({ "metadata": { "name": "c", "finalizers": [finalizer] }, "spec": spec(1) });
    world.post(&claims, &claim).good();
    let uid = world
        .post(PODS, &pod(&json!([{ "name": "shared", "resourceClaimName": "c" }])))
        .good()["metadata"]["uid"]
        .clone();
    let result = json!({ "request": "r", "driver": "d.example.com", "pool": "p", "device": "x" });
    let status = json!({
        "allocation": { "devices": { "results": [result] } },
        "reservedFor": [{ "resource": "pods", "name": "p", "uid": uid }],
    });
    let path = format!("{claims}/c");
    patch(&world, &format!("{path}/status"), &json!({ "status": status }));
    patch(&world, &format!("{PODS}/p/status"), &json!({ "status": { "phase": "Failed" } }));
    world.until(|| {
        let claim = world.get(&path).good();
        claim["status"].get("allocation").is_none()
            && claim["status"].get("reservedFor").is_none()
            && claim["metadata"].get("finalizers").is_none()
    });
}

#[test]
fn a_quota_counts_devices_by_their_class() {
    let world = World::controlled();
    let name = "gpu.deviceclass.resource.k8s.io/devices";
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": { name: "2" } } });
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    world.post(quotas, &quota).good();
    let used = || world.get(&format!("{quotas}/q")).good()["status"]["used"][name].clone();
    world.until(|| used() == "0");
    let claims = format!("{GROUP}/resourceclaims");
    let claim =
        |name: &str, count: i64| json!({ "metadata": { "name": name }, "spec": spec(count) });
    world.post(&claims, &claim("a", 1)).good();
    let refusal = world.post(&claims, &claim("b", 2)).bad(403);
    let text = refusal["message"].as_str().unwrap_or_default();
    assert!(text.contains("exceeded quota: q") && text.contains(name), "{text}");
    assert_eq!(used(), "1");
    world.delete(&format!("{claims}/a")).good();
    world.until(|| used() == "0");
}
