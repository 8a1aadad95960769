//! What controllers make of services, their addresses, and of volumes.

use crate::world::World;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const RANGES: &str = "/apis/networking.k8s.io/v1/servicecidrs";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const VOLUMES: &str = "/api/v1/persistentvolumes";

fn is_gone(world: &World, path: &str) -> bool {
    world.get(path).code == 404
}

/// A pod that runs at an address, and says whether it is ready.
fn pod(world: &World, name: &str, port: u16, address: &str, ready: &str) {
    let container =
        json!({ "name": "c", "image": "i", "ports": [{ "name": "web", "containerPort": port }] });
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "a" } }, "spec": { "containers": [container] },
    });
    if is_gone(world, &format!("{PODS}/{name}")) {
        world.post(PODS, &pod).good();
    }
    let mut made = world.get(&format!("{PODS}/{name}")).good();
    made["status"] = json!({
        "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }],
        "conditions": [{ "type": "Ready", "status": ready }],
    });
    world.put(&format!("{PODS}/{name}/status"), &made).good();
}

fn slices(world: &World) -> Vec<Value> {
    let found = world.get(&format!("{SLICES}?labelSelector=kubernetes.io/service-name%3Ds")).good();
    found["items"].as_array().cloned().unwrap_or_default()
}

/// Ports and addresses of all slices, and whether they are ready.
fn ends(world: &World) -> Vec<(i64, String, bool)> {
    let mut found = Vec::new();
    for slice in slices(world) {
        let port = slice["ports"][0]["port"].as_i64().unwrap_or(0);
        for end in slice["endpoints"].as_array().into_iter().flatten() {
            let address = end["addresses"][0].as_str().unwrap_or_default().to_owned();
            found.push((port, address, end["conditions"]["ready"] == true));
        }
    }
    found.sort();
    found
}

#[test]
fn endpoints_follow_pods() {
    let world = World::controlled();
    let port = json!({ "name": "http", "port": 80, "targetPort": "web" });
    let spec = json!({ "selector": { "app": "a" }, "ports": [port] });
    world.post(SERVICES, &json!({ "metadata": { "name": "s" }, "spec": spec })).good();
    world.until(|| slices(&world).len() == 1 && !is_gone(&world, &format!("{ENDPOINTS}/s")));
    pod(&world, "p", 8080, "10.244.0.1", "True");
    pod(&world, "q", 9090, "10.244.0.2", "True");
    let both =
        |q: bool| vec![(8080, "10.244.0.1".to_owned(), true), (9090, "10.244.0.2".to_owned(), q)];
    world.until(|| ends(&world) == both(true));
    pod(&world, "q", 9090, "10.244.0.2", "False");
    world.until(|| ends(&world) == both(false));
    world.until(|| {
        let subsets = world.get(&format!("{ENDPOINTS}/s")).json()["subsets"].clone();
        let all = subsets.as_array().cloned().unwrap_or_default();
        all.len() == 2 && all.iter().any(|it| it["notReadyAddresses"][0]["ip"] == "10.244.0.2")
    });
    // What somebody takes away comes again.
    world.delete(SLICES).good();
    world.until(|| ends(&world) == both(false));
    world.delete(&format!("{PODS}/q?gracePeriodSeconds=0")).good();
    world.until(|| ends(&world) == both(false)[..1]);
    world.delete(&format!("{SERVICES}/s")).good();
    world.until(|| slices(&world).is_empty() && is_gone(&world, &format!("{ENDPOINTS}/s")));
}

#[test]
fn a_range_stays_while_its_addresses_are_used() {
    let world = World::controlled();
    let range = json!({ "metadata": { "name": "more" }, "spec": { "cidrs": ["10.200.0.0/29", "fd00::/112"] } });
    world.post(RANGES, &range).good();
    let more = format!("{RANGES}/more");
    let ready = |is: &str| world.get(&more).json()["status"]["conditions"][0]["status"] == is;
    world.until(|| ready("True"));
    let service = |name: &str, spec: Value| {
        let mut spec = spec;
        spec["ports"] = json!([{ "port": 80 }]);
        world.post(SERVICES, &json!({ "metadata": { "name": name }, "spec": spec }))
    };
    service("one", json!({ "clusterIP": "10.200.0.3" })).good();
    service("two", json!({ "clusterIP": "10.250.0.3" })).bad(422);
    let dual = service("dual", json!({ "ipFamilyPolicy": "RequireDualStack" })).good();
    assert_eq!(dual["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    let six = dual["spec"]["clusterIPs"][1].as_str().unwrap_or_default();
    assert!(six.starts_with("fd00::"), "{dual}");
    world.delete(&more).good();
    world.until(|| ready("False"));
    service("three", json!({ "clusterIP": "10.200.0.4" })).bad(422);
    world.delete(&format!("{SERVICES}/one")).good();
    world.delete(&format!("{SERVICES}/dual")).good();
    world.until(|| is_gone(&world, &more));
}

#[test]
fn volumes_are_bound_and_kept_while_they_are_used() {
    let world = World::controlled();
    let volume = |name: &str, size: &str| {
        json!({
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": size }, "accessModes": ["ReadWriteOnce"], "storageClassName": "own",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": "/nowhere" },
            },
        })
    };
    let phase = |path: &str| world.get(path).json()["status"]["phase"].clone();
    let (small, large) = (format!("{VOLUMES}/small"), format!("{VOLUMES}/large"));
    world.post(VOLUMES, &volume("small", "1Gi")).good();
    world.post(VOLUMES, &volume("large", "5Gi")).good();
    world.until(|| phase(&small) == "Available" && phase(&large) == "Available");
    let spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "own",
        "resources": { "requests": { "storage": "2Gi" } },
    });
    world.post(CLAIMS, &json!({ "metadata": { "name": "c" }, "spec": spec })).good();
    let claim = format!("{CLAIMS}/c");
    world.until(|| phase(&claim) == "Bound" && phase(&large) == "Bound");
    let bound = world.get(&claim).good();
    assert_eq!(bound["spec"]["volumeName"], "large");
    assert_eq!(bound["status"]["capacity"]["storage"], "5Gi");
    // A pod on a node keeps the claim, the claim keeps the volume.
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": {
            "nodeName": "n", "containers": [{ "name": "c", "image": "i" }],
            "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }],
        },
    });
    world.post(PODS, &pod).good();
    world.delete(&large).good();
    world.delete(&claim).good();
    assert_eq!(world.get(&claim).code, 200);
    assert_eq!(world.get(&large).code, 200);
    world.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).good();
    world.until(|| is_gone(&world, &claim) && is_gone(&world, &large));
    assert_eq!(phase(&small), "Available");
}
