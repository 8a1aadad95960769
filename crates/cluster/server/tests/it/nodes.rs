//! What a node may see and do: of what its pods use, and nothing of another's.

use crate::world::{Answer, World};
use serde_json::{Value, json};

const JSON: &str = "Content-Type: application/json";
const IN: &str = "/api/v1/namespaces/default";

fn as_node(name: &str) -> [&str; 3] {
    [name, "Impersonate-Group: system:nodes", "Impersonate-Group: system:authenticated"]
}

const A: &str = "Impersonate-User: system:node:a";
const B: &str = "Impersonate-User: system:node:b";

fn ask(world: &World, node: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [&as_node(node)[..], &[JSON]].concat();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.ask(method, path, &headers, &body)
}

/// A cluster of two nodes with a pod on each.
fn world() -> World {
    let world = World::guarded();
    for node in ["a", "b"] {
        world.post("/api/v1/nodes", &json!({ "metadata": { "name": node } })).good();
        for (kind, name) in
            [("secrets", "secret"), ("configmaps", "map"), ("serviceaccounts", "account")]
        {
            let object = json!({ "metadata": { "name": format!("{name}-{node}") } });
            world.post(&format!("{IN}/{kind}"), &object).good();
        }
        let pod = json!({
            "metadata": { "name": format!("pod-{node}") },
            "spec": {
                "nodeName": node, "serviceAccountName": format!("account-{node}"),
                "containers": [{ "name": "c", "image": "i", "envFrom": [
                    { "secretRef": { "name": format!("secret-{node}") } },
                    { "configMapRef": { "name": format!("map-{node}") } },
                ] }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": format!("claim-{node}") } }],
            },
        });
        world.post(&format!("{IN}/pods"), &pod).good();
        let claim = json!({ "metadata": { "name": format!("claim-{node}") }, "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeName": format!("volume-{node}"),
            "storageClassName": "", "resources": { "requests": { "storage": "1Gi" } },
        } });
        world.post(&format!("{IN}/persistentvolumeclaims"), &claim).good();
        let volume = json!({ "metadata": { "name": format!("volume-{node}") }, "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" },
            "claimRef": { "namespace": "default", "name": format!("claim-{node}") },
            "csi": { "driver": "d", "volumeHandle": "v", "nodeStageSecretRef":
                { "namespace": "kube-system", "name": format!("stage-{node}") } },
        } });
        world.post("/api/v1/persistentvolumes", &volume).good();
        let stage = json!({ "metadata": { "name": format!("stage-{node}") } });
        world.post("/api/v1/namespaces/kube-system/secrets", &stage).good();
    }
    world
}

#[test]
fn a_node_reads_what_its_pods_use_and_no_more() {
    let world = world();
    let get = |path: &str| ask(&world, A, "GET", path, &Value::Null);
    for path in [
        "/api/v1/namespaces/default/secrets/secret-",
        "/api/v1/namespaces/default/configmaps/map-",
        "/api/v1/namespaces/default/persistentvolumeclaims/claim-",
        "/api/v1/namespaces/default/pods/pod-",
        "/api/v1/namespaces/kube-system/secrets/stage-",
        "/api/v1/persistentvolumes/volume-",
        "/api/v1/nodes/",
    ] {
        get(&format!("{path}a")).good();
        assert_eq!(get(&format!("{path}b")).code, 403, "{path}b");
    }
    let refused = get("/api/v1/namespaces/default/secrets/secret-b").bad(403);
    assert_eq!(
        refused["message"],
        "secrets \"secret-b\" is forbidden: User \"system:node:a\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": no relationship found between node 'a' and this object"
    );
    // Neither all of them, nor by a selector that only looks like one of a name.
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/default/secrets",
        "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dsecret-b",
        "/api/v1/namespaces/default/secrets?fieldSelector=type%21%3D%5C%2Cmetadata.name%3Dsecret-a",
        "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%21%3Dsecret-a",
        "/api/v1/pods",
        "/api/v1/pods?fieldSelector=spec.nodeName%3Db",
        "/api/v1/pods?fieldSelector=spec.nodeName%21%3Da",
        "/api/v1/nodes",
        "/api/v1/persistentvolumes",
    ] {
        assert_eq!(get(path).code, 403, "{path}");
    }
    // As kubelets watch: one secret, their own pods, themselves.
    for path in [
        "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dsecret-a",
        "/api/v1/pods?fieldSelector=spec.nodeName%3Da",
        "/api/v1/nodes?fieldSelector=metadata.name%3Da",
        "/api/v1/services",
    ] {
        get(path).good();
    }
    // With the pod goes the right.
    world.delete(&format!("{IN}/pods/pod-a?gracePeriodSeconds=0")).good();
    world.until(|| get("/api/v1/namespaces/default/secrets/secret-a").code == 403);
    // Who is only called like a node is none.
    let headers = ["Impersonate-User: system:node:b", "Impersonate-Group: system:authenticated"];
    let path = "/api/v1/namespaces/default/secrets/secret-b";
    assert_eq!(world.ask("GET", path, &headers, "").code, 403);
}

#[test]
fn a_node_asks_for_tokens_of_its_pods_only() {
    let world = world();
    let uid = |pod: &str| {
        let pod = world.get(&format!("{IN}/pods/{pod}")).good();
        pod["metadata"]["uid"].as_str().expect("a UID").to_owned()
    };
    let token = |node: &str, account: &str, pod: &str, uid: &str, audiences: Value| {
        let body = json!({ "spec": { "audiences": audiences, "boundObjectRef":
            { "kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid } } });
        ask(&world, node, "POST", &format!("{IN}/serviceaccounts/{account}/token"), &body)
    };
    token(A, "account-a", "pod-a", &uid("pod-a"), json!([])).good();
    token(A, "account-b", "pod-b", &uid("pod-b"), json!([])).bad(403);
    token(A, "account-a", "pod-b", &uid("pod-b"), json!([])).bad(403);
    token(A, "account-a", "pod-a", &uid("pod-b"), json!([])).bad(403);
    let refused = token(A, "account-a", "pod-a", &uid("pod-a"), json!(["vault"])).bad(403);
    assert!(refused["message"].as_str().expect("text").contains("audience \"vault\" not found"));
    let path = format!("{IN}/serviceaccounts/account-a/token");
    let refused = ask(&world, A, "POST", &path, &json!({ "spec": {} })).bad(403);
    assert!(refused["message"].as_str().expect("text").contains("not bound to a pod"));
    // Nor does it throw others' pods out.
    let eviction = json!({ "metadata": { "name": "pod-b" } });
    ask(&world, A, "POST", &format!("{IN}/pods/pod-b/eviction"), &eviction).bad(403);
    ask(&world, A, "DELETE", &format!("{IN}/pods/pod-b"), &Value::Null).bad(403);
    ask(&world, B, "POST", &format!("{IN}/pods/pod-b/eviction"), &eviction).good();
}

#[test]
fn a_pod_without_its_account_is_refused() {
    let world = World::guarded();
    let pod = |account: &str| {
        json!({ "metadata": { "name": "p" }, "spec": {
        "serviceAccountName": account, "containers": [{ "name": "c", "image": "i" }] } })
    };
    let refused = world.post(&format!("{IN}/pods"), &pod("nobody")).bad(403);
    assert_eq!(
        refused["message"],
        "pods \"p\" is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found"
    );
    let made = world.post(&format!("{IN}/pods"), &pod("")).good();
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    let volume = made["spec"]["volumes"][0]["name"].as_str().expect("a volume");
    assert!(volume.starts_with("kube-api-access-") && volume.len() == 21, "{volume}");
}
