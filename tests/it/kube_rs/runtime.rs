//! kube-runtime's watchers and stores, leases, and events.

use super::typed::{config_map, typed};
use super::{Cluster, PATIENCE, eventually, status};
use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event as Recorded, ObjectReference};
use kube::ResourceExt as _;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use std::pin::pin;

pub(super) async fn watches(cluster: Cluster) {
    let maps: Api<ConfigMap> = cluster.api();
    let from = maps
        .list(&ListParams::default())
        .await
        .expect("a list")
        .metadata
        .resource_version
        .expect("a version");
    maps.create(&PostParams::default(), &config_map("w", &json!({}))).await.expect("made");
    let patch = Patch::Merge(json!({ "data": { "a": "1" } }));
    maps.patch("w", &PatchParams::default(), &patch).await.expect("patched");
    maps.delete("w", &DeleteParams::default()).await.expect("deleted");
    // From before it all, and again from within.
    let params = WatchParams::default().labels("of=test");
    let mut events = pin!(maps.watch(&params, &from).await.expect("a watch"));
    let mut next = async || {
        tokio::time::timeout(PATIENCE, events.try_next()).await.expect("in time").expect("no error")
    };
    let Some(WatchEvent::Added(made)) = next().await else { panic!("not added") };
    let Some(WatchEvent::Modified(changed)) = next().await else { panic!("not modified") };
    let Some(WatchEvent::Deleted(gone)) = next().await else { panic!("not deleted") };
    assert_eq!(changed.data, gone.data);
    let mut rest = pin!(
        maps.watch(&params, &made.resource_version().expect("a version")).await.expect("a watch")
    );
    let first =
        tokio::time::timeout(PATIENCE, rest.try_next()).await.expect("in time").expect("no error");
    assert!(matches!(first, Some(WatchEvent::Modified(_))), "{first:?}");
    // `await_condition` watches one object.
    let waits = tokio::spawn(await_condition(maps.clone(), "late", |found: Option<&ConfigMap>| {
        found.and_then(|map| map.data.as_ref()).is_some_and(|data| data.contains_key("ready"))
    }));
    maps.create(&PostParams::default(), &config_map("late", &json!({}))).await.expect("made");
    let ready = Patch::Merge(json!({ "data": { "ready": "" } }));
    let late = maps.patch("late", &PatchParams::default(), &ready).await.expect("patched");
    tokio::time::timeout(PATIENCE, waits)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("no error");
    let uid = late.uid().expect("a uid");
    let delete = DeleteParams::default();
    let (waited, deleted) = tokio::join!(
        tokio::time::timeout(
            PATIENCE,
            await_condition(maps.clone(), "late", conditions::is_deleted(&uid))
        ),
        maps.delete("late", &delete)
    );
    deleted.expect("deleted");
    waited.expect("in time").expect("no error");
}

/// Fills a store by a watcher of this configuration, changes things, and sees that the store follows.
async fn follow(cluster: Cluster, config: watcher::Config) {
    let maps: Api<ConfigMap> = cluster.api();
    let post = PostParams::default();
    for number in 0..20 {
        maps.create(&post, &config_map(&format!("m{number}"), &json!({ "n": "0" })))
            .await
            .expect("made");
    }
    let (reader, writer) = reflector::store();
    let stream = watcher(maps.clone(), config.labels("of=test"));
    let filled = tokio::spawn(async move {
        reflector::reflector(writer, stream)
            .default_backoff()
            .touched_objects()
            .for_each(|_| async {})
            .await;
    });
    tokio::time::timeout(PATIENCE, reader.wait_until_ready())
        .await
        .expect("in time")
        .expect("it is");
    assert_eq!(reader.len(), 20);
    maps.delete("m0", &DeleteParams::default()).await.expect("deleted");
    maps.create(&post, &config_map("late", &json!({}))).await.expect("made");
    let patch = Patch::Merge(json!({ "data": { "n": "1" } }));
    maps.patch("m1", &PatchParams::default(), &patch).await.expect("patched");
    let key = |name: &str| ObjectRef::<ConfigMap>::new(name).within(&cluster.namespace);
    eventually!(
        "the store follows",
        reader.get(&key("m0")).is_none()
            && reader.get(&key("late")).is_some()
            && reader
                .get(&key("m1"))
                .is_some_and(|map| map.data.as_ref().is_some_and(|data| data["n"] == "1"))
    );
    assert_eq!(reader.len(), 20);
    filled.abort();
}

pub(super) async fn reflectors(cluster: Cluster) {
    follow(cluster, watcher::Config::default().page_size(7)).await;
}

pub(super) async fn streamed_lists(cluster: Cluster) {
    follow(cluster, watcher::Config::default().streaming_lists()).await;
}

/// Leadership as the Lease API gives it: whoever writes last on what it read wins, the other is told.
pub(super) async fn leases(cluster: Cluster) {
    let leases: Api<Lease> = cluster.api();
    let claim = |holder: &str| -> Lease {
        typed(json!({
            "metadata": { "name": "leader" },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 0,
                      "acquireTime": "2026-01-02T03:04:05.123456Z", "renewTime": "2026-01-02T03:04:05.123456Z" },
        }))
    };
    let post = PostParams::default();
    let (claim_a, claim_b) = (claim("a"), claim("b"));
    let (a, b) = tokio::join!(leases.create(&post, &claim_a), leases.create(&post, &claim_b));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
    let held = leases.get("leader").await.expect("read");
    assert_eq!(
        serde_json::to_value(&held).expect("JSON")["spec"]["renewTime"],
        "2026-01-02T03:04:05.123456Z"
    );
    // It is released; both want it, on the same version.
    let mut released = held.clone();
    released.spec.get_or_insert_default().holder_identity = None;
    let free = leases.replace("leader", &post, &released).await.expect("released");
    let next = |holder: &str| {
        let mut lease = free.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(holder.to_owned());
        spec.lease_transitions = Some(1);
        lease
    };
    let (next_a, next_b) = (next("a"), next("b"));
    let (a, b) = tokio::join!(
        leases.replace("leader", &post, &next_a),
        leases.replace("leader", &post, &next_b)
    );
    let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(status(lost).reason, "Conflict");
    let holder = won.expect("one wins").spec.and_then(|spec| spec.holder_identity);
    let patch = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": { "holderIdentity": "c" } });
    assert_eq!(
        status(leases.patch("leader", &PatchParams::apply("c"), &Patch::Apply(patch)).await).code,
        409
    );
    assert_eq!(
        leases.get("leader").await.expect("read").spec.and_then(|spec| spec.holder_identity),
        holder
    );
}

pub(super) async fn events(cluster: Cluster) {
    let recorder = Recorder::new(
        cluster.client.clone(),
        Reporter { controller: "tester".into(), instance: Some("one".into()) },
    );
    let map = cluster
        .api()
        .create(&PostParams::default(), &config_map("seen", &json!({})))
        .await
        .expect("made");
    let about: ObjectReference = typed(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "seen", "namespace": cluster.namespace, "uid": map.uid(),
    }));
    for _ in 0..3 {
        let event = Event {
            type_: EventType::Warning,
            reason: "Looked".into(),
            note: Some("at it".into()),
            action: "Looking".into(),
            secondary: None,
        };
        recorder.publish(&event, &about).await.expect("published");
    }
    let old: Api<Recorded> = cluster.api();
    let found = old
        .list(&ListParams::default().fields("reason=Looked,type=Warning"))
        .await
        .expect("a list");
    assert_eq!(found.items.len(), 1, "{found:?}");
    let event = &found.items[0];
    assert_eq!(
        (event.message.as_deref(), event.involved_object.name.as_deref()),
        (Some("at it"), Some("seen"))
    );
    assert_eq!(event.series.as_ref().and_then(|series| series.count), Some(3));
}
