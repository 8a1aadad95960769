//! Aggregated APIs: another server behind a service, reached under the user's name; and what a
//! client could try with it.

use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use teu_pki::{Authority, Request as Wanted};
use teu_store::Txn;
use teu_web::{
    ClientCertificates, Handler, Limits, Listener, Request, Response, Tls, Upgrade, respond,
};

const PATH: &str = "/apis/other.example.com/v1";

/// What the other server was asked.
type Seen = Arc<Mutex<Vec<String>>>;

struct Other(Seen);

impl Handler for Other {
    async fn handle(&self, mut request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let header = |name: &str| {
            let all = request.headers().get_all(name);
            all.iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join("+")
        };
        let line = format!(
            "{} {path} user={} groups={}",
            request.method(),
            header("x-remote-user"),
            header("x-remote-group")
        );
        if path != PATH {
            self.0.lock().expect("unharmed").push(line);
        }
        match path.strip_prefix(PATH).unwrap_or_default() {
            "" => respond::json(
                StatusCode::OK,
                &json!({
                    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "other.example.com/v1",
                    "resources": [{ "name": "things", "kind": "Thing", "singularName": "thing", "namespaced": true, "verbs": ["get", "list"] }],
                }),
            ),
            "/redirect" => {
                let mut response = respond::empty(StatusCode::FOUND);
                response
                    .headers_mut()
                    .insert("location", "https://169.254.169.254/".parse().expect("a header"));
                response
            }
            "/shell" => match Upgrade::of(&mut request) {
                Some(upgrade) => {
                    let (response, stream) = upgrade.accept();
                    tokio::spawn(async move {
                        use tokio::io::{AsyncReadExt, AsyncWriteExt};
                        let mut stream = stream.stream().await.expect("a stream");
                        let mut word = [0; 4];
                        stream.read_exact(&mut word).await.expect("a word");
                        stream.write_all(&word).await.expect("an echo");
                    });
                    response
                }
                None => respond::empty(StatusCode::BAD_REQUEST),
            },
            "/refuse" => respond::text(StatusCode::FORBIDDEN, "no"),
            _ => respond::json(StatusCode::OK, &json!({ "kind": "ThingList", "items": [] })),
        }
    }
}

/// Another server on this machine, its service and its `APIService`.
fn aggregated(world: &World) -> Seen {
    let seen = Seen::default();
    let authority = Authority::create("other").expect("an authority");
    let identity = authority.issue(&Wanted::server(["other.default.svc"])).expect("a certificate");
    let tls = Tls::new(&identity, ClientCertificates::Ignored).expect("TLS");
    let handler = Other(Arc::clone(&seen));
    let port = world.run(async {
        let listener = Listener::tcp("127.0.0.1:0").await.expect("a port").with_tls(tls);
        let port = listener.tcp_address().expect("TCP").port();
        tokio::spawn(teu_web::serve(
            listener,
            Limits::default(),
            handler,
            world.api.shutdown.clone(),
        ));
        tokio::spawn(teu_server::aggregate::run(Arc::clone(&world.api)));
        port
    });
    let service =
        json!({ "metadata": { "name": "other" }, "spec": { "ports": [{ "port": 443 }] } });
    world.post("/api/v1/namespaces/default/services", &service).good();
    // The API takes no endpoints on this machine; what is stored may have them.
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "other-1", "namespace": "default", "uid": "1",
            "labels": { "kubernetes.io/service-name": "other" },
        },
        "addressType": "IPv4", "ports": [{ "name": "", "port": port, "protocol": "TCP" }],
        "endpoints": [{ "addresses": ["127.0.0.1"], "conditions": { "ready": true } }],
    });
    let txn = Txn::create("/registry/endpointslices/default/other-1", slice.to_string());
    world.run(world.api.store.commit(txn)).expect("stored");
    let api_service = json!({
        "metadata": { "name": "v1.other.example.com" },
        "spec": {
            "group": "other.example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
            "service": { "namespace": "default", "name": "other", "port": 443 },
            "caBundle": STANDARD.encode(authority.certificate_pem()),
        },
    });
    world.post("/apis/apiregistration.k8s.io/v1/apiservices", &api_service).good();
    // Who is served finds it said already; who finds it said is served a moment later.
    world.until(|| available(world)["status"] == "True" && world.get(PATH).code == 200);
    seen
}

const SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1.other.example.com";

fn condition(world: &World, kind: &str) -> Value {
    let service = world.get(SERVICE).good();
    let all = service["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

fn available(world: &World) -> Value {
    condition(world, "Available")
}

#[test]
fn what_others_say_of_a_service_stays() {
    let world = World::new();
    aggregated(&world);
    let mut service = world.get(SERVICE).good();
    let own = json!({ "type": "Checked", "status": "True", "reason": "By", "message": "somebody" });
    let conditions = service["status"]["conditions"].as_array_mut().expect("conditions");
    conditions.insert(0, own);
    world.put(&format!("{SERVICE}/status"), &service).good();
    world.delete("/api/v1/namespaces/default/services/other").good();
    // Who asks in vain has it looked at again.
    world.until(|| {
        world.get(&format!("{PATH}/things"));
        available(&world)["status"] == "False"
    });
    assert_eq!(available(&world)["reason"], "ServiceNotFound");
    assert_eq!(condition(&world, "Checked")["message"], "somebody");
}

#[test]
fn another_server_is_found_and_reached() {
    let world = World::new();
    let seen = aggregated(&world);
    let groups = world.get("/apis").good().to_string();
    assert!(groups.contains("other.example.com"), "{groups}");
    let spoofed = ["X-Remote-User: root", "X-Remote-Group: system:masters"];
    let list = world.ask("GET", &format!("{PATH}/namespaces/default/things"), &spoofed, "");
    assert_eq!(list.good()["kind"], "ThingList");
    let line = seen.lock().expect("unharmed").pop().expect("a request");
    assert_eq!(
        line,
        format!(
            "GET {PATH}/namespaces/default/things user=tester groups=system:masters+system:authenticated"
        )
    );
    // One who acts as another is the other there, too.
    let acting = ["Impersonate-User: root", "Impersonate-Group: system:masters"];
    world.ask("GET", &format!("{PATH}/namespaces/default/things"), &acting, "").good();
    let line = seen.lock().expect("unharmed").pop().expect("a request");
    assert!(line.ends_with("user=root groups=system:masters+system:authenticated"), "{line}");
    // Redirects come back as they are.
    assert_eq!(world.get(&format!("{PATH}/redirect")).code, 302);
}

#[test]
fn a_refused_upgrade_leaves_no_way_behind_it() {
    let world = World::new();
    let seen = aggregated(&world);
    let upgrade = ["Connection: Upgrade", "Upgrade: echo"];
    // Agreed: bytes go both ways.
    let mut stream = world.upgrade(&format!("{PATH}/shell"), &upgrade, 101);
    assert_eq!(stream.exchange("ping"), "ping");
    // Refused: what follows on the connection is a request to this server, or nothing at all.
    let mut stream = world.upgrade(&format!("{PATH}/refuse"), &upgrade, 403);
    let before = seen.lock().expect("unharmed").len();
    stream.send(&format!("GET {PATH}/smuggled HTTP/1.1\r\nHost: x\r\nX-Remote-User: root\r\nConnection: close\r\n\r\n"));
    let rest = stream.rest();
    let asked = seen.lock().expect("unharmed").split_off(before);
    let is_known = |line: &String| line.contains("user=tester ");
    assert!(asked.iter().all(is_known), "{asked:?} {rest}");
}

#[test]
fn who_may_look_at_paths_reads_nothing_below_them() {
    let world = World::guarded();
    let seen = aggregated(&world);
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    world.post(accounts, &json!({ "metadata": { "name": "robot" } })).good();
    let request = json!({ "spec": { "expirationSeconds": 600 } });
    let answer = world.post(&format!("{accounts}/robot/token"), &request).good();
    let token = answer["status"]["token"].as_str().expect("a token");
    let token = format!("Authorization: Bearer {token}");
    let ask = |path: &str| world.ask("GET", &format!("{PATH}{path}"), &[&token], "").code;
    // What everybody who is known may see.
    assert_eq!(ask(""), 200);
    let before = seen.lock().expect("unharmed").len();
    for (path, code) in [
        ("/namespaces/default/things", 403),
        ("/namespaces/default/things/a/shell/80/tcp", 403),
        ("/namespaces/default/finalize/x", 403),
        ("/namespaces/default/things/%ff", 404),
        ("//namespaces/default/things", 404),
    ] {
        assert_eq!(ask(path), code, "{path}");
    }
    assert_eq!(seen.lock().expect("unharmed").len(), before, "it was asked nothing");
    // Whoever may, may have more below a subresource than its name, as in the real server.
    let role = json!({ "metadata": { "name": "shells" }, "rules": [{
        "verbs": ["get"], "apiGroups": ["other.example.com"], "resources": ["things/shell"],
    }] });
    let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    world.post(&format!("{base}/roles"), &role).good();
    let binding = json!({
        "metadata": { "name": "shells" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "shells" },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "default", "name": "robot" }],
    });
    world.post(&format!("{base}/rolebindings"), &binding).good();
    world.until(|| ask("/namespaces/default/things/a/shell/80/tcp") == 200);
}
