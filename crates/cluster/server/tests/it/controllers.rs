//! What every namespace has, and gets again.

use crate::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

const ACCOUNT: &str = "serviceaccounts/default";
const MAP: &str = "configmaps/kube-root-ca.crt";

#[test]
fn every_namespace_has_its_account_and_the_clusters_authority() {
    let world = World::new();
    let api = Arc::clone(&world.api);
    world.run(async {
        drop(tokio::spawn(async move {
            teu_server::controllers::run(&api, "PEM".to_owned()).await;
        }));
    });
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
