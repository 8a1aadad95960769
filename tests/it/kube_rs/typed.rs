//! Typed objects: their life, what errors say, pages, server-side apply, subresources, discovery.

use super::{Cluster, eventually, status};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::ResourceExt as _;
use kube::api::{
    Api, DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::{Value, json};

/// A typed object of what JSON says.
pub(super) fn typed<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("it fits its type")
}

pub(super) fn config_map(name: &str, data: &Value) -> ConfigMap {
    typed(json!({ "metadata": { "name": name, "labels": { "of": "test" } }, "data": data }))
}

fn deployment(image: &str) -> Value {
    let container =
        json!({ "name": "web", "image": image, "env": [{ "name": "A", "value": "1" }] });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        },
    })
}

pub(super) async fn life(cluster: Cluster) {
    let maps: Api<ConfigMap> = cluster.api();
    let post = PostParams::default();
    let mut made = maps.create(&post, &config_map("a", &json!({ "k": "1" }))).await.expect("made");
    assert!(made.uid().is_some() && made.creation_timestamp().is_some(), "{made:?}");
    made.data.get_or_insert_default().insert("l".to_owned(), "2".to_owned());
    let changed = maps.replace("a", &post, &made).await.expect("replaced");
    assert_ne!(changed.resource_version(), made.resource_version());
    assert_eq!(status(maps.replace("a", &post, &made).await).code, 409);
    assert_eq!(maps.get("a").await.expect("read"), changed);

    let params = PatchParams::default();
    let merge = Patch::Merge(json!({ "data": { "k": null, "m": "3" } }));
    let merged = maps.patch("a", &params, &merge).await.expect("merged").data.expect("data");
    assert_eq!(merged.keys().collect::<Vec<_>>(), ["l", "m"]);
    let steps = json!([
        { "op": "test", "path": "/data/l", "value": "2" }, { "op": "move", "from": "/data/l", "path": "/data/n" },
    ]);
    let moved = Patch::<()>::Json(typed(steps.clone()));
    assert_eq!(
        maps.patch("a", &params, &moved).await.expect("moved").data.expect("data")["n"],
        "2"
    );
    let again = Patch::<()>::Json(typed(steps));
    assert_eq!(status(maps.patch("a", &params, &again).await).code, 422);

    let apps: Api<Deployment> = cluster.api();
    apps.create(&post, &typed(deployment("nginx:1"))).await.expect("made");
    let side = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "busybox" }] } } } });
    let both = apps.patch("web", &params, &Patch::Strategic(side)).await.expect("patched");
    let spec = both.spec.template.spec.expect("a template's");
    assert_eq!(spec.containers.len(), 2);
    let restarted = apps.restart("web").await.expect("restarted");
    assert_eq!(restarted.metadata.generation, Some(3));

    let wrong = Preconditions { uid: Some("wrong".to_owned()), resource_version: None };
    let guarded = DeleteParams { preconditions: Some(wrong), ..DeleteParams::default() };
    assert_eq!(status(maps.delete("a", &guarded).await).code, 409);
    maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("of=test"))
        .await
        .expect("deleted");
    assert!(maps.get_opt("a").await.expect("an answer").is_none());
    apps.delete("web", &DeleteParams::foreground()).await.expect("deleted");
    eventually!("it goes", apps.get_opt("web").await.expect("an answer").is_none());
}

pub(super) async fn errors(cluster: Cluster) {
    let maps: Api<ConfigMap> = cluster.api();
    let missing = status(maps.get("none").await);
    assert_eq!((missing.code, &*missing.reason), (404, "NotFound"));
    assert_eq!(missing.message, "configmaps \"none\" not found");
    let details = missing.details.expect("details");
    assert_eq!((&*details.kind, &*details.name), ("configmaps", "none"));
    let invalid =
        status(maps.create(&PostParams::default(), &config_map("A_b", &json!({ "/": "" }))).await);
    assert_eq!((invalid.code, &*invalid.reason), (422, "Invalid"));
    let fields: Vec<_> =
        invalid.details.iter().flat_map(|all| &all.causes).map(|one| &*one.field).collect();
    assert_eq!(fields, ["metadata.name", "data[/]"]);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&dry, &config_map("dry", &json!({}))).await.expect("as if made");
    assert!(maps.get_opt("dry").await.expect("an answer").is_none());
    let strict = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply("me")
    };
    let unknown =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "s" }, "dta": {} });
    let refused = status(maps.patch("s", &strict, &Patch::Apply(unknown)).await);
    assert!(refused.message.contains("dta"), "{refused:?}");
}

pub(super) async fn pages_and_metadata(cluster: Cluster) {
    let secrets: Api<Secret> = cluster.api();
    for number in 0..11 {
        let secret = json!({ "metadata": { "name": format!("s{number:02}"), "labels": { "n": number.to_string() } }, "stringData": { "k": "v" } });
        secrets.create(&PostParams::default(), &typed(secret)).await.expect("made");
    }
    let (mut seen, mut params) = (Vec::new(), ListParams::default().limit(4));
    loop {
        let page = secrets.list(&params).await.expect("a page");
        let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        seen.extend(page.items.iter().map(|secret| secret.name_any()));
        let Some(token) = next else { break };
        assert!(page.metadata.remaining_item_count.is_some_and(|left| left > 0));
        params = params.continue_token(&token);
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
    let bare =
        secrets.list_metadata(&ListParams::default().labels("n in (3, 4)")).await.expect("a list");
    assert_eq!(bare.items.len(), 2);
    let named =
        secrets.list(&ListParams::default().fields("metadata.name=s05")).await.expect("a list");
    assert_eq!(named.items[0].data.as_ref().expect("data")["k"].0, b"v");
    let patched = secrets
        .patch_metadata(
            "s05",
            &PatchParams::default(),
            &Patch::Merge(json!({ "metadata": { "annotations": { "a": "b" } } })),
        )
        .await
        .expect("patched");
    assert_eq!(patched.annotations()["a"], "b");
}

pub(super) async fn applies(cluster: Cluster) {
    let apps: Api<Deployment> = cluster.api();
    let mine = PatchParams::apply("mine");
    let first =
        apps.patch("web", &mine, &Patch::Apply(deployment("nginx:1"))).await.expect("applied");
    let same =
        apps.patch("web", &mine, &Patch::Apply(deployment("nginx:1"))).await.expect("applied");
    // Its controller writes the status meanwhile, so the version is another; what is wanted is not.
    assert_eq!(first.metadata.generation, same.metadata.generation);
    let maps: Api<ConfigMap> = cluster.api();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "applied" }, "data": { "k": "v" } });
    let first = maps.patch("applied", &mine, &Patch::Apply(&map)).await.expect("applied");
    let same = maps.patch("applied", &mine, &Patch::Apply(&map)).await.expect("applied");
    assert_eq!(first.resource_version(), same.resource_version());
    let theirs = PatchParams::apply("theirs");
    let conflict = status(apps.patch("web", &theirs, &Patch::Apply(deployment("nginx:2"))).await);
    assert_eq!((conflict.code, &*conflict.reason), (409, "Conflict"));
    let cause = &conflict.details.expect("details").causes[0];
    assert_eq!(
        (&*cause.reason, &*cause.field),
        ("FieldManagerConflict", ".spec.template.spec.containers[name=\"web\"].image")
    );
    apps.patch("web", &theirs.clone().force(), &Patch::Apply(deployment("nginx:2")))
        .await
        .expect("forced");
    let mut less = deployment("nginx:2");
    less["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    for (who, left) in [(&theirs, 1), (&mine, 0)] {
        let now =
            apps.patch("web", &who.clone().force(), &Patch::Apply(&less)).await.expect("applied");
        let spec = now.spec.template.spec.expect("a template's");
        assert_eq!(spec.containers[0].env.as_ref().map_or(0, Vec::len), left);
    }
}

pub(super) async fn subresources(cluster: Cluster) {
    let apps: Api<Deployment> = cluster.api();
    let post = PostParams::default();
    apps.create(&post, &typed(deployment("nginx:1"))).await.expect("made");
    // The deployment's controller writes its status meanwhile: who is late reads again, as Go's RetryOnConflict does.
    loop {
        let mut scale = apps.get_scale("web").await.expect("a scale");
        scale.spec.get_or_insert_default().replicas = Some(2);
        match apps.replace_scale("web", &post, &scale).await {
            Ok(scaled) => {
                assert_eq!(scaled.spec.and_then(|spec| spec.replicas), Some(2));
                break;
            }
            refused => assert_eq!(status(refused).code, 409),
        }
    }
    let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    apps.patch_scale("web", &PatchParams::default(), &patch).await.expect("scaled");
    assert_eq!(apps.get("web").await.expect("read").spec.replicas, Some(0));

    let pods: Api<Pod> = cluster.api();
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "nowhere", "containers": [{ "name": "c", "image": "i" }] } });
    pods.create(&post, &typed(pod)).await.expect("made");
    let ready = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    let patched = pods
        .patch_status("p", &PatchParams::default(), &Patch::Merge(ready))
        .await
        .expect("reported");
    assert_eq!(patched.status.expect("a status").phase.as_deref(), Some("Running"));
    let debugger = json!({ "spec": { "ephemeralContainers": [{ "name": "d", "image": "i", "targetContainerName": "c" }] } });
    pods.patch_ephemeral_containers("p", &PatchParams::default(), &Patch::Strategic(debugger))
        .await
        .expect("added");
    let larger = json!({ "spec": { "containers": [{ "name": "c", "resources": { "requests": { "cpu": "100m" } } }] } });
    let resized = pods.patch_resize("p", &PatchParams::default(), &Patch::Strategic(larger)).await;
    // A pod without requests may not become another class of service.
    assert_eq!(status(resized).code, 422);
    // kube 5 sends what it is told of the deletion under a name that no API server knows: the pod gets its
    // usual time to end.
    pods.evict("p", &EvictParams::default()).await.expect("evicted");
    let ending = pods.get("p").await.expect("read");
    assert!(ending.metadata.deletion_timestamp.is_some(), "{ending:?}");
    pods.delete("p", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    assert!(pods.get_opt("p").await.expect("an answer").is_none());

    let accounts: Api<ServiceAccount> = cluster.api();
    let spec = TokenRequestSpec { expiration_seconds: Some(600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    eventually!("the account", accounts.get_opt("default").await.expect("an answer").is_some());
    let made = accounts.create_token_request("default", &post, &request).await.expect("a token");
    assert_eq!(made.status.expect("a status").token.expect("its text").split('.').count(), 3);
}

pub(super) async fn discovery(cluster: Cluster) {
    let version = cluster.client.apiserver_version().await.expect("a version");
    assert_eq!(version.major, "1");
    let one = Discovery::new(cluster.client.clone()).run().await.expect("discovered");
    let other = Discovery::new(cluster.client.clone()).run_aggregated().await.expect("discovered");
    for found in [&one, &other] {
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let (resource, can) = found.resolve_gvk(&kind).expect("deployments");
        assert_eq!((&*resource.plural, &can.scope), ("deployments", &Scope::Namespaced));
        assert!(
            can.supports_operation(verbs::PATCH)
                && can.subresources.iter().any(|(sub, _)| sub.plural.ends_with("scale"))
        );
        let some: Api<DynamicObject> =
            Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
        assert!(some.list(&ListParams::default()).await.expect("a list").items.is_empty());
    }
    let names = |found: &Discovery| {
        let all = found.groups_alphabetical().into_iter();
        all.map(|group| (group.name().to_owned(), group.recommended_resources().len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&other));
}
