//! What controllers do by themselves: what every namespace has, and gets again; pods that nobody ends; claims
//! that come and go with pods; what another control plane has begun.

use crate::world::World;
use serde_json::{Value, json};

const ACCOUNT: &str = "serviceaccounts/default";
const MAP: &str = "configmaps/kube-root-ca.crt";

#[test]
fn every_namespace_has_its_account_and_the_clusters_authority() {
    let world = World::controlled();
    let path = |namespace: &str, what: &str| format!("/api/v1/namespaces/{namespace}/{what}");
    let has = |namespace: &str, what: &str| world.get(&path(namespace, what)).code == 200;
    let said =
        |namespace: &str| -> Value { world.get(&path(namespace, MAP)).json()["data"].clone() };
    world.post("/api/v1/namespaces", &json!({ "metadata": { "name": "new" } })).good();
    for namespace in ["default", "kube-system", "new"] {
        world.until(|| has(namespace, ACCOUNT) && has(namespace, MAP));
        assert_eq!(said(namespace), json!({ "ca.crt": "PEM" }));
    }
    let first = world.get(&path("new", ACCOUNT)).json()["metadata"]["uid"].clone();
    world.delete(&path("new", ACCOUNT)).good();
    world.until(|| {
        has("new", ACCOUNT) && world.get(&path("new", ACCOUNT)).json()["metadata"]["uid"] != first
    });
    let header = ["Content-Type: application/merge-patch+json"];
    let patch = json!({ "data": { "ca.crt": "another's" } }).to_string();
    world.ask("PATCH", &path("new", MAP), &header, &patch).good();
    world.until(|| said("new") == json!({ "ca.crt": "PEM" }));
    world.delete("/api/v1/namespaces/new").good();
    world.until(|| world.get("/api/v1/namespaces/new").code == 404);
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

fn template() -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

fn merge(world: &World, path: &str, patch: &Value) -> Value {
    let header = ["Content-Type: application/merge-patch+json"];
    world.ask("PATCH", path, &header, &patch.to_string()).good()
}

#[test]
fn a_pod_that_was_deleted_before_any_node_had_it_is_ended() {
    let world = World::controlled();
    let mut pod = template();
    pod["metadata"]["name"] = "p".into();
    pod["metadata"]["finalizers"] = json!(["example.com/held"]);
    world.post(PODS, &pod).good();
    let path = format!("{PODS}/p");
    world.delete(&path).good();
    world.until(|| world.get(&path).good()["status"]["phase"] == "Failed");
    merge(&world, &path, &json!({ "metadata": { "finalizers": null } }));
    world.until(|| world.get(&path).code == 404);
}

#[test]
fn an_ephemeral_volume_has_a_claim_that_goes_with_its_pod() {
    let world = World::controlled();
    let mut pod = template();
    pod["metadata"]["name"] = "p".into();
    let storage = json!({ "requests": { "storage": "1Gi" } });
    let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": storage });
    let source =
        json!({ "volumeClaimTemplate": { "metadata": { "labels": { "a": "b" } }, "spec": spec } });
    pod["spec"]["volumes"] = json!([{ "name": "v", "ephemeral": source }]);
    let uid = world.post(PODS, &pod).good()["metadata"]["uid"].clone();
    let path = format!("{CLAIMS}/p-v");
    world.until(|| world.get(&path).code == 200);
    let claim = world.get(&path).json();
    assert_eq!(claim["metadata"]["labels"], json!({ "a": "b" }));
    let owner = &claim["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["uid"], &owner["controller"]), (&uid, &json!(true)));
    world.delete(&format!("{PODS}/p")).good();
    world.until(|| world.get(&path).code == 404);
}

#[test]
fn claims_of_a_stateful_set_go_when_it_shrinks_or_goes() {
    let world = World::controlled();
    let sets = "/apis/apps/v1/namespaces/default/statefulsets";
    let storage = json!({ "requests": { "storage": "1Gi" } });
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": storage });
    let set = json!({
        "metadata": { "name": "db" },
        "spec": {
            "replicas": 2, "serviceName": "db", "podManagementPolicy": "Parallel", "ordinals": { "start": 3 },
            "selector": { "matchLabels": { "app": "web" } }, "template": template(),
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": claim }],
            "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Delete", "whenDeleted": "Delete" },
        },
    });
    let uid = world.post(sets, &set).good()["metadata"]["uid"].clone();
    let path = |ordinal: i64| format!("{CLAIMS}/data-db-{ordinal}");
    let owner = |ordinal: i64| -> Value {
        world.get(&path(ordinal)).json()["metadata"]["ownerReferences"][0]["uid"].clone()
    };
    world.until(|| owner(3) == uid && owner(4) == uid);
    merge(&world, &format!("{sets}/db"), &json!({ "spec": { "replicas": 1 } }));
    world.until(|| world.get(&path(4)).code == 404);
    assert_eq!(world.get(&path(3)).code, 200);
    // The claim that went comes again with its pod.
    merge(&world, &format!("{sets}/db"), &json!({ "spec": { "replicas": 2 } }));
    world.until(|| owner(4) == uid);
    world.delete(&format!("{sets}/db")).good();
    world.until(|| world.get(&path(3)).code == 404 && world.get(&path(4)).code == 404);
}

#[test]
fn what_another_control_plane_rolled_out_is_not_rolled_out_again() {
    let world = World::new();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let selector = json!({ "matchLabels": { "app": "web" } });
    let deployment = json!({
        "metadata": { "name": "web" }, "spec": { "replicas": 1, "selector": selector, "template": template() },
    });
    let uid = world.post(deployments, &deployment).good()["metadata"]["uid"].clone();
    // As its controller left it: named by a hash that is not ours, at its third revision.
    let hash = "6b9f7c8d5x";
    let (mut kept, mut selector) = (template(), selector);
    kept["metadata"]["labels"]["pod-template-hash"] = hash.into();
    selector["matchLabels"]["pod-template-hash"] = hash.into();
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    });
    let annotations = json!({
        "deployment.kubernetes.io/revision": "3", "deployment.kubernetes.io/desired-replicas": "1",
        "deployment.kubernetes.io/max-replicas": "2",
    });
    let set = json!({
        "metadata": {
            "name": format!("web-{hash}"), "labels": kept["metadata"]["labels"],
            "annotations": annotations, "ownerReferences": [owner],
        },
        "spec": { "replicas": 1, "selector": selector, "template": kept },
    });
    world.post(sets, &set).good();
    world.control();
    let path = format!("{deployments}/web");
    world.until(|| world.get(&path).json()["status"]["updatedReplicas"] == 1);
    let found = world.get(&path).json();
    assert_eq!(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    let list = world.get(sets).json();
    let names: Vec<&Value> =
        list["items"].as_array().expect("sets").iter().map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(names, [&format!("web-{hash}")]);
}

#[test]
fn a_revision_that_was_made_by_hand_rolls_nothing_out() {
    let world = World::controlled();
    let mut node = world.post("/api/v1/nodes", &json!({ "metadata": { "name": "n" } })).good();
    // Until it says so, its taint keeps pods away.
    node["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
    world.put("/api/v1/nodes/n/status", &node).good();
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    let revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
    let selector = json!({ "matchLabels": { "app": "web" } });
    let set = json!({
        "metadata": { "name": "d" }, "spec": { "selector": selector, "template": template() },
    });
    let uid = world.post(sets, &set).good()["metadata"]["uid"].clone();
    let items = |path: &str| world.get(path).good()["items"].as_array().cloned().expect("a list");
    let label = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].clone();
    world.until(|| items(PODS).len() == 1 && items(revisions).len() == 1);
    let (pod, first) = (items(PODS).remove(0), items(revisions).remove(0));
    assert_eq!(label(&pod), label(&first));
    // One that says whose it is and one that does not, each with what the first keeps.
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": uid, "controller": true,
    });
    for (number, (name, owners)) in
        [("by-hand", json!([owner])), ("orphan", json!([]))].into_iter().enumerate()
    {
        let copy = json!({
            "metadata": { "name": name, "labels": { "app": "web" }, "ownerReferences": owners },
            "data": first["data"], "revision": number + 2,
        });
        world.post(revisions, &copy).good();
        let note = json!({ "metadata": { "annotations": { "looked-at": name } } });
        merge(&world, &format!("{sets}/d"), &note);
        world.until(|| {
            let left = items(revisions);
            let is_united = left.len() == 1 && left[0]["metadata"]["name"] == name;
            is_united && items(PODS).iter().all(|pod| label(pod) == name)
        });
        let now = items(PODS);
        assert_eq!(now.len(), 1, "{now:?}");
        assert_eq!(now[0]["metadata"]["uid"], pod["metadata"]["uid"]);
    }
}
