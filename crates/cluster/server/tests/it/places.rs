//! Namespaces that go, or change, while something is made in them.

use crate::world::{PATIENCE, World};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use teu_client::{Client as _, Deletion, Kind, Patch};
use teu_server::auth::User;
use teu_server::{Api, Local};
use teu_store::{Range, Span};
use teu_web::{Handler, Request, Response, respond};

const MAPS: Kind<'static> = Kind { group: "", version: "v1", plural: "configmaps" };
const NAMESPACES: Kind<'static> = Kind { group: "", version: "v1", plural: "namespaces" };

/// What is done to a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// It is deleted, and gone or held by a finalizer.
    Delete,
    /// It is deleted, and another of its name is made.
    Replace,
    /// It gets a label.
    Label,
}

fn has_finalizers(spec: &Value) -> bool {
    spec["finalizers"].as_array().is_some_and(|names| !names.is_empty())
}

/// A webhook that allows everything, and takes so long that something happens meanwhile.
struct Meanwhile {
    client: Local,
    deed: Arc<Mutex<Option<Deed>>>,
    asked: Arc<AtomicUsize>,
}

impl Meanwhile {
    async fn act(&self, deed: Deed, name: &str) {
        if deed == Deed::Label {
            let labels = json!({ "metadata": { "labels": { "changed": "yes" } } });
            let patched = self.client.patch(NAMESPACES, ("", name), "", Patch::Merge, labels);
            return drop(patched.await.expect("labelled"));
        }
        let how = Deletion::default();
        self.client.delete(NAMESPACES, ("", name), &how).await.expect("deleted");
        loop {
            match self.client.get(NAMESPACES, "", name).await {
                Err(status) if status.code == 404 => break,
                // Only what others hold is left.
                Ok(found) if !has_finalizers(&found["spec"]) => break,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        if deed == Deed::Replace {
            let again = json!({ "metadata": { "name": name } });
            self.client.create(NAMESPACES, "", again).await.expect("made again");
        }
    }
}

impl Handler for Meanwhile {
    async fn handle(&self, request: Request) -> Response {
        let Ok(review) = request.into_body().json::<Value>(1 << 20).await else {
            return respond::empty(StatusCode::BAD_REQUEST);
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let deed = self.deed.lock().expect("unharmed").take();
        if let Some(deed) = deed {
            self.act(deed, review["request"]["namespace"].as_str().expect("a namespace")).await;
        }
        let response = json!({ "uid": review["request"]["uid"], "allowed": true });
        let answer = json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response });
        respond::json(StatusCode::OK, &answer)
    }
}

/// Has the next config map's namespace suffer a deed before the map is made.
fn delay(world: &World) -> Arc<Mutex<Option<Deed>>> {
    let (deed, asked) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    let client = Local::new(&world.api, User::internal("somebody"), "somebody");
    let handler = Meanwhile { client, deed: Arc::clone(&deed), asked: Arc::clone(&asked) };
    let (port, authority) = crate::admission::serve(world, handler);
    let configuration = json!({
        "metadata": { "name": "slow.example.com" },
        "webhooks": [{
            "name": "slow.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 30,
            "clientConfig": {
                "url": format!("https://127.0.0.1:{port}/"),
                "caBundle": authority,
            },
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"],
            }],
        }],
    });
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    world.post(hooks, &configuration).good();
    let probe = json!({ "metadata": { "name": "probe" } });
    world.until(|| {
        let made = world.post("/api/v1/namespaces/default/configmaps?dryRun=All", &probe);
        made.code == 201 && asked.load(Ordering::SeqCst) > 0
    });
    deed
}

/// Makes a config map in a namespace that suffers a deed meanwhile: what is answered, and whether the map
/// is stored.
fn make_during(world: &World, deed: Deed, namespace: &Value) -> (Value, bool) {
    world.post("/api/v1/namespaces", namespace).good();
    let name = namespace["metadata"]["name"].as_str().expect("a name");
    *delay(world).lock().expect("unharmed") = Some(deed);
    let map = json!({ "metadata": { "name": "late" } });
    let answer = world.post(&format!("/api/v1/namespaces/{name}/configmaps"), &map).json();
    let key = format!("/registry/configmaps/{name}/late");
    let found = world.run(world.api.store.range(Range::all(Span::prefix(key)))).expect("a list");
    (answer, !found.kvs.is_empty())
}

#[test]
fn nothing_is_made_in_a_namespace_that_has_gone_meanwhile() {
    let world = World::new();
    let namespace = json!({ "metadata": { "name": "short" } });
    let (answer, is_stored) = make_during(&world, Deed::Delete, &namespace);
    assert_eq!(answer["message"], "namespaces \"short\" not found");
    assert_eq!((&answer["code"], is_stored), (&json!(404), false));
}

#[test]
fn nothing_is_made_in_a_namespace_that_others_hold() {
    let world = World::new();
    let namespace = json!({ "metadata": { "name": "held", "finalizers": ["example.com/hold"] } });
    let (answer, is_stored) = make_during(&world, Deed::Delete, &namespace);
    assert_eq!((&answer["code"], is_stored), (&json!(403), false), "{answer}");
    let why = "configmaps \"late\" is forbidden: unable to create new content in namespace held because it is being terminated";
    assert_eq!(answer["message"], why);
    assert_eq!(answer["details"]["causes"][0]["reason"], "NamespaceTerminating");
}

#[test]
fn what_was_admitted_to_a_namespace_is_not_made_in_another_of_its_name() {
    let world = World::new();
    let namespace = json!({ "metadata": { "name": "twice" } });
    let (answer, is_stored) = make_during(&world, Deed::Replace, &namespace);
    assert_eq!((&answer["code"], is_stored), (&json!(404), false), "{answer}");
}

#[test]
fn a_namespace_may_be_labelled_while_something_is_made_in_it() {
    let world = World::new();
    let namespace = json!({ "metadata": { "name": "open" } });
    let (answer, is_stored) = make_during(&world, Deed::Label, &namespace);
    assert_eq!((&answer["metadata"]["name"], is_stored), (&json!("late"), true), "{answer}");
    let labelled = world.get("/api/v1/namespaces/open").good();
    assert_eq!(labelled["metadata"]["labels"]["changed"], "yes");
}

/// Has several writers fill namespaces at one server, and relabel them, while another server takes them away.
pub async fn nothing_is_left(one: &Arc<Api>, two: &Arc<Api>) {
    let client = |api| Local::new(api, User::internal("tester"), "tester");
    let (one, two, store) = (client(one), client(two), Arc::clone(&two.store));
    for round in 0..8 {
        let name = format!("race-{round}");
        let namespace = json!({ "metadata": { "name": name } });
        one.create(NAMESPACES, "", namespace).await.expect("a namespace");
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, name) = (two.clone(), name.clone());
                tokio::spawn(async move {
                    for count in 0.. {
                        let map =
                            json!({ "metadata": { "name": format!("map-{writer}-{count}") } });
                        if let Err(status) = client.create(MAPS, &name, map).await {
                            return (count, status);
                        }
                        let label =
                            json!({ "metadata": { "labels": { "last": format!("{writer}-{count}") } } });
                        let at = ("", &*name);
                        // It may be gone.
                        let _ = client.patch(NAMESPACES, at, "", Patch::Merge, label).await;
                    }
                    unreachable!("the namespace goes");
                })
            })
            .collect();
        let begun = Instant::now();
        while one.get(MAPS, &name, "map-0-5").await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "nobody writes in {name}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        one.delete(NAMESPACES, ("", &name), &Deletion::default()).await.expect("deleted");
        for writer in writers {
            let (_, status) = writer.await.expect("a writer");
            assert!(matches!(status.code, 403 | 404), "{status:?}");
        }
        let begun = Instant::now();
        while one.get(NAMESPACES, "", &name).await.is_ok() {
            assert!(begun.elapsed() < PATIENCE, "{name} stays");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let all = store.range(Range::all(Span::prefix("/registry/"))).await.expect("a list");
        let keys = all.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key));
        let left: Vec<_> = keys.filter(|key| key.contains(&format!("/{name}/"))).collect();
        // Events say that it was deleted, and go by themselves.
        assert!(left.iter().all(|key| key.contains("/events/")), "{left:?}");
    }
}

#[test]
fn nothing_is_left_in_namespaces_that_go() {
    let world = World::new();
    world.run(nothing_is_left(&world.api, &world.api));
}
