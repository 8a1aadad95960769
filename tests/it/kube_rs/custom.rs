//! A custom resource by kube's derive macro, and a controller that owns what it makes and cleans up what it cannot own.

use super::typed::config_map;
use super::{Cluster, PATIENCE, eventually, status};
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Client, CustomResource, CustomResourceExt as _, Resource as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Wants a ConfigMap with that many keys.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "kube-rs.example.com",
    version = "v1",
    kind = "Crate",
    namespaced,
    status = "CrateStatus",
    shortname = "kr"
)]
#[kube(scale(spec_replicas_path = ".spec.size", status_replicas_path = ".status.size"))]
#[kube(printcolumn(name = "Size", type_ = "integer", json_path = ".spec.size"))]
struct CrateSpec {
    #[schemars(range(min = 0, max = 9))]
    size: i32,
    #[serde(default = "blue")]
    colour: String,
}

fn blue() -> String {
    "blue".to_owned()
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
struct CrateStatus {
    size: i32,
}

async fn define(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let apply = PatchParams::apply("kube-rs").force();
    definitions
        .patch(Crate::crd_name(), &apply, &Patch::Apply(Crate::crd()))
        .await
        .expect("defined");
    let established =
        await_condition(definitions, Crate::crd_name(), conditions::is_crd_established());
    tokio::time::timeout(PATIENCE, established).await.expect("in time").expect("established");
}

/// What the controller's functions share.
struct Context {
    client: Client,
}

async fn reconcile(object: Arc<Crate>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let crates: Api<Crate> = Api::namespaced(context.client.clone(), &namespace);
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    let done = finalizer(&crates, "kube-rs.example.com/cleanup", object, |event| async {
        match event {
            Event::Apply(object) => {
                let data: serde_json::Map<_, _> = (0..object.spec.size)
                    .map(|key| (format!("k{key}"), json!(object.spec.colour)))
                    .collect();
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "data": data,
                    "metadata": { "name": object.name_any(), "ownerReferences": [object.controller_owner_ref(&())] },
                });
                let apply = PatchParams::apply("controller").force();
                maps.patch(&object.name_any(), &apply, &Patch::Apply(map)).await?;
                let status = json!({ "status": { "size": object.spec.size } });
                crates
                    .patch_status(
                        &object.name_any(),
                        &PatchParams::default(),
                        &Patch::Merge(status),
                    )
                    .await?;
            }
            // What no owner reference could say: a mark beside it.
            Event::Cleanup(object) => {
                let mark = config_map(&format!("{}-was-here", object.name_any()), &json!({}));
                match maps.create(&PostParams::default(), &mark).await {
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    other => drop(other?),
                }
            }
        }
        Ok::<_, kube::Error>(Action::await_change())
    });
    match done.await {
        Ok(action) => Ok(action),
        Err(
            kube::runtime::finalizer::Error::ApplyFailed(error)
            | kube::runtime::finalizer::Error::CleanupFailed(error),
        ) => Err(error),
        // Somebody was faster: what changed brings the next turn.
        Err(_) => Ok(Action::requeue(Duration::from_millis(50))),
    }
}

pub(super) async fn controller(cluster: Cluster) {
    define(&cluster.client).await;
    let crates: Api<Crate> = cluster.api();
    let maps: Api<ConfigMap> = cluster.api();
    let post = PostParams::default();
    let bad = Crate::new("bad", CrateSpec { size: 20, colour: blue() });
    let refused = status(crates.create(&post, &bad).await);
    assert!(refused.code == 422 && refused.message.contains("spec.size"), "{refused:?}");

    let context = Arc::new(Context { client: cluster.client.clone() });
    let running = Controller::new(crates.clone(), watcher::Config::default())
        .owns(maps.clone(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(100)), context)
        .for_each(|_| async {});
    let running = tokio::spawn(running);

    crates
        .create(&post, &Crate::new("a", CrateSpec { size: 2, colour: "red".to_owned() }))
        .await
        .expect("made");
    let size = async || {
        let map = maps.get_opt("a").await.expect("an answer");
        map.map_or(0, |map| map.data.map_or(0, |data| data.len()))
    };
    eventually!("the map is made", size().await == 2);
    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    crates.patch_scale("a", &PatchParams::default(), &patch).await.expect("scaled");
    eventually!("the map grows", size().await == 5);
    eventually!(
        "the status says so",
        crates.get_status("a").await.expect("read").status.is_some_and(|status| status.size == 5)
    );
    // What it owns comes back.
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    eventually!("the map is made again", size().await == 5);
    crates.delete("a", &DeleteParams::default()).await.expect("deleted");
    eventually!("it is gone", crates.get_opt("a").await.expect("an answer").is_none());
    eventually!("so is what it owned", maps.get_opt("a").await.expect("an answer").is_none());
    assert!(maps.get_opt("a-was-here").await.expect("an answer").is_some());
    running.abort();

    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    definitions.delete(Crate::crd_name(), &DeleteParams::default()).await.expect("deleted");
    eventually!(
        "it is served no more",
        crates.get_opt("a").await.is_err()
            || definitions.get_opt(Crate::crd_name()).await.expect("an answer").is_none()
    );
}
