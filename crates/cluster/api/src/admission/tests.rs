//! Requests and what the rules say to them.

mod amounts;
mod fillers;
mod nodes_and_sizes;
mod pods;
mod policies;
mod webhooks;

use super::{Operation, Request};
use serde_json::{Value, json};
use std::sync::LazyLock;
use teu_kubernetes::{Schema, types};

static DEPLOYMENT: LazyLock<Schema> =
    LazyLock::new(|| types::type_schema("io.k8s.api.apps.v1.Deployment").expect("a type"));
static USER: LazyLock<Value> = LazyLock::new(|| json!({"username": "ada", "groups": ["dev"]}));
static NOTHING: Value = Value::Null;

/// A create of a deployment.
pub(super) fn request(object: &Value) -> Request<'_> {
    Request {
        operation: Operation::Create,
        group: "apps",
        version: "v1",
        resource: "deployments",
        kind: ("apps", "v1", "Deployment"),
        subresource: "",
        namespace: "default",
        name: "web",
        object: Some(object),
        old: None,
        schema: &DEPLOYMENT,
        user: &USER,
        options: &NOTHING,
        dry_run: false,
    }
}

pub(super) fn deployment(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "web", "image": "nginx"}]}}},
    })
}
