//! Webhooks and policies between a request and the store.

use crate::world::{MAPS, World, map};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use teu_pki::{Authority, Request as Wanted};
use teu_web::{ClientCertificates, Handler, Limits, Listener, Request, Response, Tls, respond};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// A webhook that labels what it sees, and refuses what is labelled so.
struct Hook(Arc<Mutex<Vec<Value>>>);

impl Handler for Hook {
    async fn handle(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let Ok(review) = request.into_body().json::<Value>(1 << 20).await else {
            return respond::empty(StatusCode::BAD_REQUEST);
        };
        let asked = review["request"].clone();
        let mut response = json!({ "uid": asked["uid"], "allowed": true });
        match &*path {
            "/label" => {
                let patch = json!([{ "op": "add", "path": "/metadata/labels", "value": { "seen": "yes" } }]);
                response["patchType"] = "JSONPatch".into();
                response["patch"] = STANDARD.encode(patch.to_string()).into();
                response["warnings"] = json!(["it was labelled"]);
            }
            "/refuse" if asked["object"]["data"]["bad"] == "yes" => {
                response["allowed"] = false.into();
                response["status"] = json!({ "message": "bad is not good", "code": 403 });
            }
            "/refuse" => {}
            "/stay" => {
                response["allowed"] = false.into();
                response["status"] = json!({ "message": "it stays", "code": 403 });
            }
            "/keep" if asked["operation"] != "CREATE" => {
                response["allowed"] = false.into();
                response["status"] = json!({ "message": "it is kept", "code": 403 });
            }
            "/keep" => {}
            "/rename" => {
                let patch =
                    json!([{ "op": "replace", "path": "/metadata/name", "value": "other" }]);
                response["patchType"] = "JSONPatch".into();
                response["patch"] = STANDARD.encode(patch.to_string()).into();
            }
            _ => return respond::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
        self.0.lock().expect("unharmed").push(asked);
        let answer = json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response });
        respond::json(StatusCode::OK, &answer)
    }
}

struct Hooks {
    seen: Arc<Mutex<Vec<Value>>>,
    port: u16,
    authority: String,
}

/// Serves webhooks over TLS as long as the world lasts; gives the port and the bundle of who vouches for it.
pub fn serve(world: &World, handler: impl Handler) -> (u16, String) {
    let authority = Authority::create("hooks").expect("an authority");
    let identity = authority.issue(&Wanted::server(["127.0.0.1"])).expect("a certificate");
    let tls = Tls::new(&identity, ClientCertificates::Ignored).expect("TLS");
    let shutdown = world.api.shutdown.clone();
    let port = world.run(async {
        let listener = Listener::tcp("127.0.0.1:0").await.expect("a port").with_tls(tls);
        let port = listener.tcp_address().expect("TCP").port();
        tokio::spawn(teu_web::serve(listener, Limits::default(), handler, shutdown));
        port
    });
    (port, STANDARD.encode(authority.certificate_pem()))
}

impl Hooks {
    fn start(world: &World) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (port, authority) = serve(world, Hook(Arc::clone(&seen)));
        Self { seen, port, authority }
    }

    /// Has requests about config maps sent there.
    fn configure(&self, world: &World, kind: &str, path: &str, policy: &str) {
        self.configure_for(world, (kind, "configmaps"), path, policy);
    }

    /// The same for another resource, or a part.
    fn configure_for(
        &self,
        world: &World,
        (kind, resource): (&str, &str),
        path: &str,
        policy: &str,
    ) {
        let rules = json!([{ "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource], "operations": ["CREATE", "UPDATE"] }]);
        self.configure_by(world, kind, (path, policy), &rules);
    }

    /// Has requests that rules are about sent there.
    fn configure_by(&self, world: &World, kind: &str, (path, policy): (&str, &str), rules: &Value) {
        let name = format!("{}.example.com", path.trim_start_matches('/'));
        let configuration = json!({
            "metadata": { "name": name },
            "webhooks": [{
                "name": name, "failurePolicy": policy, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": { "url": format!("https://127.0.0.1:{}{path}", self.port), "caBundle": self.authority },
                "rules": rules,
            }],
        });
        world.post(&format!("{GROUP}/{kind}"), &configuration).good();
    }
}

#[test]
fn webhooks_change_and_refuse() {
    let world = World::new();
    let hooks = Hooks::start(&world);
    hooks.configure(&world, "mutatingwebhookconfigurations", "/label", "Fail");
    hooks.configure(&world, "validatingwebhookconfigurations", "/refuse", "Fail");
    // The caches that are asked follow the store at once, but not in no time.
    world.until(|| {
        let probe = world.post(&format!("{MAPS}?dryRun=All"), &map("probe", json!({}))).good();
        probe["metadata"]["labels"]["seen"] == "yes"
            && hooks.seen.lock().expect("unharmed").len() >= 2
    });
    let made = world.post(MAPS, &map("a", json!({})));
    assert!(made.headers.contains("it was labelled"), "{}", made.headers);
    assert_eq!(made.good()["metadata"]["labels"], json!({ "seen": "yes" }));
    let last = hooks.seen.lock().expect("unharmed").last().cloned().expect("a review");
    assert_eq!(
        (&last["operation"], &last["userInfo"]["username"]),
        (&json!("CREATE"), &json!("tester"))
    );
    assert_eq!(last["object"]["metadata"]["labels"]["seen"], "yes");
    let bad = json!({ "metadata": { "name": "b" }, "data": { "bad": "yes" } });
    let refused = world.post(MAPS, &bad).bad(403);
    let text = "admission webhook \"refuse.example.com\" denied the request: bad is not good";
    assert_eq!(refused["message"], text);
    assert_eq!(world.get(&format!("{MAPS}/b")).code, 404);
}

#[test]
fn webhooks_that_change_objects_refuse_where_nothing_can_be_changed() {
    let world = World::new();
    let hooks = Hooks::start(&world);
    let rules = json!([{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"],
        "resources": ["configmaps", "pods/exec"],
    }]);
    let kind = "mutatingwebhookconfigurations";
    hooks.configure_by(&world, kind, ("/keep", "Fail"), &rules);
    world.post(MAPS, &map("a", json!({}))).good();
    let delete = || world.delete(&format!("{MAPS}/a?dryRun=All"));
    world.until(|| delete().code == 403);
    let text = "admission webhook \"keep.example.com\" denied the request: it is kept";
    assert_eq!(world.delete(&format!("{MAPS}/a")).bad(403)["message"], text);
    world.get(&format!("{MAPS}/a")).good();
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "metadata": { "name": "p" }, "spec": {
        "containers": [{ "name": "a", "image": "a:1" }],
    } });
    world.post(pods, &pod).good();
    let refused = world.post(&format!("{pods}/p/exec?stdout=1&command=ls"), &json!({})).bad(403);
    assert_eq!(refused["message"], text);
}

#[test]
fn a_webhook_renames_nothing() {
    let world = World::new();
    let hooks = Hooks::start(&world);
    hooks.configure(&world, "mutatingwebhookconfigurations", "/rename", "Fail");
    world.until(|| world.post(&format!("{MAPS}?dryRun=All"), &map("a", json!({}))).code == 400);
    world.post(MAPS, &map("a", json!({}))).bad(400);
    assert_eq!(world.get(&format!("{MAPS}/a")).code, 404);
    assert_eq!(world.get(&format!("{MAPS}/other")).code, 404);
}

#[test]
fn a_broken_webhook_is_what_its_policy_says() {
    let world = World::new();
    let hooks = Hooks::start(&world);
    hooks.configure(&world, "validatingwebhookconfigurations", "/lenient", "Ignore");
    world.post(MAPS, &map("a", json!({}))).good();
    hooks.configure(&world, "validatingwebhookconfigurations", "/strict", "Fail");
    world.until(|| world.post(&format!("{MAPS}?dryRun=All"), &map("b", json!({}))).code == 500);
    let failed = world.post(MAPS, &map("b", json!({}))).bad(500);
    let text = failed["message"].as_str().expect("a message");
    assert!(text.contains("failed calling webhook \"strict.example.com\""), "{text}");
    // What stops everything can still be taken away.
    world.delete(&format!("{GROUP}/validatingwebhookconfigurations/strict.example.com")).good();
    world.until(|| world.post(&format!("{MAPS}?dryRun=All"), &map("b", json!({}))).code == 201);
}

#[test]
fn policies_judge_with_parameters() {
    let world = World::new();
    world.post(MAPS, &json!({ "metadata": { "name": "limits" }, "data": { "most": "3" } })).good();
    let policy = json!({
        "metadata": { "name": "few-replicas" },
        "spec": {
            "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
            "matchConstraints": { "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"] }] },
            "validations": [{ "expression": "object.spec.replicas <= int(params.data.most)", "message": "too many replicas" }],
        },
    });
    world.post(&format!("{GROUP}/validatingadmissionpolicies"), &policy).good();
    let binding = json!({
        "metadata": { "name": "few-replicas" },
        "spec": {
            "policyName": "few-replicas", "validationActions": ["Deny"],
            "paramRef": { "name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny" },
        },
    });
    world.post(&format!("{GROUP}/validatingadmissionpolicybindings"), &binding).good();
    let deployment = |replicas: u32| {
        json!({
            "metadata": { "name": "web" },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "a", "image": "a" }] } },
            },
        })
    };
    let path = "/apis/apps/v1/namespaces/default/deployments";
    world.until(|| world.post(&format!("{path}?dryRun=All"), &deployment(4)).code == 422);
    let refused = world.post(path, &deployment(4)).bad(422);
    assert!(
        refused["message"].as_str().is_some_and(|text| text.contains("too many replicas")),
        "{refused}"
    );
    world.post(path, &deployment(3)).good();
}

#[test]
fn parameters_of_all_namespaces_are_nobodys() {
    let world = World::new();
    // Whoever may write in some namespace could say what holds for the cluster.
    world.post(MAPS, &map("anybodys", json!({ "rules": "yes" }))).good();
    let policy = json!({ "metadata": { "name": "classes" }, "spec": {
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "matchConstraints": { "resourceRules": [{
            "apiGroups": ["scheduling.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["priorityclasses"],
        }] },
        "validations": [{ "expression": "params.data.a != '1'", "message": "anybody says no" }],
    } });
    world.post(&format!("{GROUP}/validatingadmissionpolicies"), &policy).good();
    let binding = json!({ "metadata": { "name": "classes" }, "spec": {
        "policyName": "classes", "validationActions": ["Deny"],
        "paramRef": {
            "selector": { "matchLabels": { "rules": "yes" } }, "parameterNotFoundAction": "Allow",
        },
    } });
    world.post(&format!("{GROUP}/validatingadmissionpolicybindings"), &binding).good();
    let class = json!({ "metadata": { "name": "a" }, "value": 1 });
    let make = || world.post("/apis/scheduling.k8s.io/v1/priorityclasses?dryRun=All", &class);
    world.until(|| make().code != 201);
    let refused = make().bad(403);
    let text = refused["message"].as_str().unwrap_or_default();
    assert!(text.contains("cannot use namespaced paramRef"), "{text}");
}

#[test]
fn pods_keep_to_their_namespace_and_its_limits() {
    let world = World::new();
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline" });
    world
        .post("/api/v1/namespaces", &json!({ "metadata": { "name": "safe", "labels": labels } }))
        .good();
    let range = json!({ "metadata": { "name": "r" }, "spec": { "limits": [{ "type": "Container", "default": { "cpu": "1" }, "max": { "cpu": "2" } }] } });
    world.post("/api/v1/namespaces/safe/limitranges", &range).good();
    let pods = "/api/v1/namespaces/safe/pods";
    let pod = |name: &str, container: Value| {
        let mut pod = json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "a", "image": "a" }] } });
        for (field, value) in container.as_object().expect("fields") {
            pod["spec"]["containers"][0][field] = value.clone();
        }
        pod
    };
    let refused =
        world.post(pods, &pod("p", json!({ "securityContext": { "privileged": true } }))).bad(403);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("violates PodSecurity \"baseline:latest\"")),
        "{refused}"
    );
    world.until(|| {
        let made = world.post(&format!("{pods}?dryRun=All"), &pod("p", json!({}))).good();
        made["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"
    });
    let greedy = json!({ "resources": { "limits": { "cpu": "3" } } });
    let refused = world.post(pods, &pod("p", greedy)).bad(403);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("maximum cpu usage per Container is 2")),
        "{refused}"
    );
    world.post(pods, &pod("p", json!({}))).good();
}

#[test]
fn parts_that_are_only_made_are_judged() {
    let world = World::new();
    let base = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({ "metadata": { "name": "stay" }, "spec": {
        "matchConstraints": { "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["pods/eviction", "pods/binding"],
        }] },
        "validations": [
            { "expression": "request.subResource != 'eviction' || object.metadata.name != 'keep'",
              "message": "it stays" },
            { "expression": "request.subResource != 'binding' || object.target.name != 'closed'",
              "message": "nobody goes there" },
        ],
    } });
    world.post(&format!("{base}/validatingadmissionpolicies"), &policy).good();
    let binding = json!({ "metadata": { "name": "stay" }, "spec": {
        "policyName": "stay", "validationActions": ["Deny"],
    } });
    world.post(&format!("{base}/validatingadmissionpolicybindings"), &binding).good();
    let pods = "/api/v1/namespaces/default/pods";
    for name in ["keep", "go"] {
        let pod = json!({ "metadata": { "name": name }, "spec": {
            "containers": [{ "name": "a", "image": "a:1" }],
        } });
        world.post(pods, &pod).good();
    }
    let bind = |node: &str| {
        let target = json!({ "kind": "Node", "name": node });
        let body = json!({ "metadata": { "name": "keep" }, "target": target });
        world.post(&format!("{pods}/keep/binding"), &body)
    };
    world.until(|| bind("closed").code == 422);
    bind("open").good();
    let evict = |name: &str| {
        world.post(&format!("{pods}/{name}/eviction"), &json!({ "metadata": { "name": name } }))
    };
    let refused = evict("keep").bad(422);
    assert!(
        refused["message"].as_str().is_some_and(|text| text.ends_with("it stays")),
        "{refused}"
    );
    evict("go").good();
    assert_eq!(world.get(&format!("{pods}/go")).code, 404);
}

#[test]
fn webhooks_are_asked_about_bindings_and_evictions() {
    let world = World::new();
    let hooks = Hooks::start(&world);
    let (mutating, validating) =
        ("mutatingwebhookconfigurations", "validatingwebhookconfigurations");
    hooks.configure_for(&world, (mutating, "pods/binding"), "/label", "Fail");
    hooks.configure_for(&world, (validating, "pods/eviction"), "/stay", "Fail");
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "a", "image": "a:1" }] } });
    world.post(pods, &pod).good();
    let last = || hooks.seen.lock().expect("unharmed").last().cloned().unwrap_or_default();
    let binding = json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } });
    // The caches that are asked follow the store at once, but not in no time.
    world.until(|| {
        world.post(&format!("{pods}/p/binding?dryRun=All"), &binding).good();
        !last().is_null()
    });
    world.post(&format!("{pods}/p/binding"), &binding).good();
    let asked = last();
    let named = json!({ "group": "", "version": "v1", "kind": "Binding" });
    assert_eq!((&asked["kind"], &asked["requestKind"]), (&named, &named));
    assert_eq!(
        (&asked["subResource"], &asked["name"], &asked["object"]["target"]["name"]),
        (&json!("binding"), &json!("p"), &json!("n"))
    );
    assert_eq!(asked["operation"], "CREATE");
    // What a webhook adds to the binding goes to the pod.
    let bound = world.get(&format!("{pods}/p")).good();
    assert_eq!(
        (&bound["spec"]["nodeName"], &bound["metadata"]["labels"]["seen"]),
        (&json!("n"), &json!("yes"))
    );
    let eviction = json!({ "metadata": { "name": "p" } });
    let evict = |query: &str| world.post(&format!("{pods}/p/eviction{query}"), &eviction);
    world.until(|| evict("?dryRun=All").code == 403);
    let refused = evict("").bad(403);
    assert_eq!(
        refused["message"],
        "admission webhook \"stay.example.com\" denied the request: it stays"
    );
    let asked = last();
    assert_eq!(asked["kind"], json!({ "group": "policy", "version": "v1", "kind": "Eviction" }));
    assert_eq!(asked["resource"], json!({ "group": "", "version": "v1", "resource": "pods" }));
    world.get(&format!("{pods}/p")).good();
}

#[test]
fn nobody_is_bound_or_evicted_where_a_namespace_goes() {
    let world = World::new();
    let namespace = json!({ "metadata": { "name": "going" } });
    world.post("/api/v1/namespaces", &namespace).good();
    let pods = "/api/v1/namespaces/going/pods";
    let pod = json!({
        "metadata": { "name": "p", "finalizers": ["example.com/hold"] },
        "spec": { "containers": [{ "name": "a", "image": "a:1" }] },
    });
    world.until(|| world.post(pods, &pod).code == 201);
    world.delete("/api/v1/namespaces/going").good();
    let body = json!({ "metadata": { "name": "p" }, "target": { "name": "n" } });
    let make = |part: &str| world.post(&format!("{pods}/p/{part}"), &body);
    // The namespace is looked at in a cache, which hears of its end a moment later than its pods.
    world.until(|| make("binding").code == 403);
    for part in ["binding", "eviction"] {
        let refused = make(part).bad(403);
        assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating", "{refused}");
    }
}
