//! What is behind the server: one who answers what he was asked, as a pod and as a node.

use crate::world::World;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use teu_pki::Request as Wanted;
use teu_web::{
    ClientCertificates, Handler, Limits, Listener, Request, Response, Tls, Upgrade, peer, respond,
};

pub const PODS: &str = "/api/v1/namespaces/default/pods";
pub const SERVICES: &str = "/api/v1/namespaces/default/services";

/// Requests as they arrived: method, path with query, and headers that matter.
pub type Seen = Arc<Mutex<Vec<String>>>;

struct Behind(Seen);

impl Behind {
    async fn page(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        match &*path {
            "/page" => {
                let mut response =
                    respond::text(StatusCode::OK, r#"<a href="/rewriteme">test</a>"#);
                let html = "text/html; charset=utf-8".parse().expect("a header");
                response.headers_mut().insert("content-type", html);
                response
            }
            "/redirect" => {
                let mut response = respond::empty(StatusCode::FOUND);
                let place = "/there?a=b".parse().expect("a header");
                response.headers_mut().insert("location", place);
                response
            }
            "/elsewhere" => {
                let mut response = respond::empty(StatusCode::FOUND);
                let place = "https://169.254.169.254/".parse().expect("a header");
                response.headers_mut().insert("location", place);
                response
            }
            "/refuse" => respond::text(StatusCode::FORBIDDEN, "no"),
            "/count" => {
                let mut body = request.into_body();
                body.set_limit(u64::MAX);
                let mut bytes = 0;
                while let Some(piece) = body.next().await {
                    bytes += piece.expect("a piece").len();
                }
                respond::text(StatusCode::OK, bytes.to_string())
            }
            _ if path.starts_with("/containerLogs/default/a/gone") => {
                respond::text(StatusCode::NOT_FOUND, "no such container here")
            }
            _ => respond::text(StatusCode::OK, format!("{} {}", request.method(), request.uri())),
        }
    }
}

impl Handler for Behind {
    async fn handle(&self, mut request: Request) -> Response {
        let header = |name: &str| {
            let all = request.headers().get_all(name);
            all.iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join("+")
        };
        let who = peer(&request).certificate.clone();
        let who = who.map_or_else(String::new, |certificate| {
            certificate.subject.common_name.unwrap_or_default()
        });
        let line = format!(
            "{} {} certificate={who} authorization={} user={} forwarded={}",
            request.method(),
            request.uri(),
            header("authorization"),
            header("x-remote-user"),
            header("x-forwarded-uri"),
        );
        self.0.lock().expect("unharmed").push(line);
        let takes = !matches!(request.uri().path(), "/refuse" | "/redirect" | "/elsewhere");
        match Upgrade::of(&mut request) {
            Some(upgrade) if takes => {
                let (response, stream) = upgrade.accept();
                tokio::spawn(async move {
                    let mut stream = stream.stream().await.expect("a stream");
                    let (mut read, mut write) = tokio::io::split(&mut stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
                response
            }
            _ => self.page(request).await,
        }
    }
}

fn serve(world: &World, tls: Option<Tls>) -> (u16, Seen) {
    let seen = Seen::default();
    let handler = Behind(Arc::clone(&seen));
    let port = world.run(async {
        let mut listener = Listener::tcp("127.0.0.1:0").await.expect("a port");
        let port = listener.tcp_address().expect("TCP").port();
        if let Some(tls) = tls {
            listener = listener.with_tls(tls);
        }
        let shutdown = world.api.shutdown.clone();
        tokio::spawn(teu_web::serve(listener, Limits::default(), handler, shutdown));
        port
    });
    (port, seen)
}

/// One who speaks HTTP.
pub fn plain(world: &World) -> (u16, Seen) {
    serve(world, None)
}

/// One who speaks HTTPS, with a certificate that nobody knows.
pub fn private(world: &World) -> (u16, Seen) {
    let authority = teu_pki::Authority::create("nobody").expect("an authority");
    let own = authority.issue(&Wanted::server(["nobody"])).expect("a certificate");
    serve(world, Some(Tls::new(&own, ClientCertificates::Ignored).expect("TLS")))
}

/// A kubelet, which only listens to whom the cluster's authority knows.
pub fn kubelet(world: &World) -> (u16, Seen) {
    let own = world.authority.issue(&Wanted::server(["127.0.0.1"])).expect("a certificate");
    let pem = world.authority.certificate_pem();
    let known = teu_pki::certificates_from_pem(&pem, "the authority").expect("a certificate");
    serve(world, Some(Tls::new(&own, ClientCertificates::Required(known)).expect("TLS")))
}

/// A pod at an address, with a container that listens at a port.
pub fn pod(world: &World, name: &str, address: &str, port: u16) {
    let pod = json!({
        "metadata": { "name": name },
        "spec": {
            "nodeName": "n",
            "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": port }] }],
        },
    });
    let mut made = world.post(PODS, &pod).good();
    made["status"] = json!({ "podIP": address, "podIPs": [{ "ip": address }], "phase": "Running" });
    world.put(&format!("{PODS}/{name}/status"), &made).good();
}

/// A service of one port, and who is said to be behind it.
pub fn service(world: &World, name: &str, (address, port): (&str, u16), reference: Value) {
    let service = json!({
        "metadata": { "name": name },
        "spec": { "ports": [{ "name": "web", "port": 80 }, { "name": "other", "port": 81 }] },
    });
    world.post(SERVICES, &service).good();
    // The API takes no endpoints on this machine; what is stored may have them.
    let slice = json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": name, "namespace": "default", "uid": "1",
            "labels": { "kubernetes.io/service-name": name },
        },
        "addressType": "IPv4", "ports": [{ "name": "web", "port": port, "protocol": "TCP" }],
        "endpoints": [{
            "addresses": [address], "conditions": { "ready": true }, "targetRef": reference,
        }],
    });
    let key = format!("/registry/endpointslices/default/{name}");
    let txn = teu_store::Txn::create(key, slice.to_string());
    world.run(world.api.store.commit(txn)).expect("stored");
}

/// A node at an address, with its kubelet at a port.
pub fn node(world: &World, name: &str, address: &str, port: u16) {
    let mut made = world.post("/api/v1/nodes", &json!({ "metadata": { "name": name } })).good();
    made["status"] = json!({
        "addresses": [{ "type": "InternalIP", "address": address }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
    });
    world.put(&format!("/api/v1/nodes/{name}/status"), &made).good();
}

/// The last that came.
pub fn last(seen: &Seen) -> String {
    seen.lock().expect("unharmed").pop().expect("a request")
}
