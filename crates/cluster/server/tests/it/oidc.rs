//! Logins by an issuer of this test's own, over TLS on loopback: what it says is believed, what anybody
//! else says in its name is not.

use crate::world::World;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use teu_pki::{Authority, Request, Signer};
use teu_server::auth::oidc::Issuers;
use teu_web::{ClientCertificates, Handler, Limits, Listener, Shutdown, Tls, respond};

/// An issuer: its keys, and how often they were asked for.
struct Provider {
    url: String,
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

struct Door(Arc<Provider>);

impl Handler for Door {
    async fn handle(&self, request: teu_web::Request) -> teu_web::Response {
        let provider = &self.0;
        let document = match (request.method(), request.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => {
                json!({ "issuer": provider.url, "jwks_uri": format!("{}/keys", provider.url) })
            }
            (&Method::GET, "/keys") => {
                provider.asked.fetch_add(1, Ordering::SeqCst);
                json!({ "keys": *provider.keys.lock().expect("keys") })
            }
            _ => return respond::text(StatusCode::NOT_FOUND, "nothing"),
        };
        respond::text(StatusCode::OK, document.to_string())
    }
}

struct Setup {
    world: World,
    provider: Arc<Provider>,
    shutdown: Shutdown,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        }
    }
}

fn signer() -> Signer {
    let pem = Signer::generate().expect("a key");
    Signer::from_pem(&pem, "the test's").expect("a signer")
}

fn setup() -> Setup {
    let authority = Authority::create("the issuer's").expect("an authority");
    let identity = authority.issue(&Request::server(["localhost"])).expect("an identity");
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let shutdown = Shutdown::new();
    let provider = runtime.block_on(async {
        let listener = Listener::tcp("127.0.0.1:0").await.expect("a port");
        let port = listener.tcp_address().expect("TCP").port();
        let provider = Arc::new(Provider {
            url: format!("https://localhost:{port}"),
            keys: Mutex::default(),
            asked: AtomicUsize::new(0),
        });
        let tls = Tls::new(&identity, ClientCertificates::Ignored).expect("TLS");
        let door = Door(Arc::clone(&provider));
        let serving =
            teu_web::serve(listener.with_tls(tls), Limits::default(), door, shutdown.clone());
        tokio::spawn(serving);
        provider
    });
    let file = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": provider.url, "audiences": ["teu"],
                "certificateAuthority": authority.certificate_pem(),
            },
            "claimMappings": {
                "username": { "claim": "sub", "prefix": "oidc:" },
                "groups": { "claim": "groups", "prefix": "oidc:" },
            },
        }],
    });
    let issuers = Issuers::parse(file.to_string().as_bytes()).expect("a configuration");
    let world = World::guarded_with(|api| api.issuers.set(issuers));
    Setup { world, provider, shutdown, runtime: Some(runtime) }
}

impl Setup {
    fn claims(&self) -> Value {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        json!({
            "iss": self.provider.url, "aud": "teu", "sub": "jane", "groups": ["dev"],
            "iat": now, "exp": now + 3600,
        })
    }

    fn publish(&self, signer: &Signer) {
        self.provider.keys.lock().expect("keys").push(signer.verifier().to_jwk());
    }

    fn whoami(&self, token: &str) -> crate::world::Answer {
        let headers =
            [&*format!("Authorization: Bearer {token}"), "Content-Type: application/json"];
        self.world.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}")
    }
}

#[test]
fn what_an_issuer_says_is_believed_and_nobody_elses_word() {
    let setup = setup();
    let (own, other) = (signer(), signer());
    setup.publish(&own);
    let good = setup.claims();
    let token = own.sign(&good).expect("signed");
    let user = setup.whoami(&token).good()["status"]["userInfo"].clone();
    assert_eq!(user["username"], "oidc:jane");
    assert_eq!(user["groups"], json!(["oidc:dev", "system:authenticated"]));
    let review = json!({ "spec": { "token": token } });
    let review = setup.world.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).good();
    assert_eq!(review["status"]["user"]["username"], "oidc:jane");
    let refused = |signer: &Signer, field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        setup.whoami(&signer.sign(&claims).expect("signed")).bad(401);
    };
    refused(&own, "aud", json!("another"));
    refused(&own, "aud", Value::Null);
    refused(&own, "exp", json!(1000));
    refused(&own, "iss", json!("https://localhost:1"));
    refused(&own, "sub", Value::Null);
    // Somebody else's key, by its own name; and a signature that is of another token.
    refused(&other, "sub", json!("jane"));
    let root = own.sign(&json!({ "sub": "root" })).expect("signed");
    let (mine, theirs): (Vec<&str>, Vec<&str>) =
        (token.split('.').collect(), root.split('.').collect());
    setup.whoami(&[mine[0], mine[1], theirs[2]].join(".")).bad(401);
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for header in [json!({ "alg": "none" }), json!({ "alg": "HS256" })] {
        let header = engine.encode(header.to_string());
        setup.whoami(&format!("{header}.{}.", mine[1])).bad(401);
        setup.whoami(&[&header, mine[1], mine[2]].join(".")).bad(401);
    }
    // The cluster's own accounts and an issuer are not taken for each other.
    refused(&own, "iss", json!("https://kubernetes.default.svc.cluster.local"));
}

#[test]
fn forged_keys_names_cost_the_issuer_nothing() {
    let setup = setup();
    let own = signer();
    setup.publish(&own);
    let token = own.sign(&setup.claims()).expect("signed");
    setup.whoami(&token).good();
    for _ in 0..50 {
        // Each has another key, and so another name for it.
        let forged = signer().sign(&setup.claims()).expect("signed");
        setup.whoami(&forged).bad(401);
    }
    setup.whoami(&token).good();
    let asked = setup.provider.asked.load(Ordering::SeqCst);
    // At most once in ten seconds, however slow this machine is; never once for each.
    assert!(asked < 50, "{asked}");
    // A key that is new is found when it is asked for again.
    let next = signer();
    setup.publish(&next);
    let token = next.sign(&setup.claims()).expect("signed");
    setup.world.until(|| setup.whoami(&token).code == 201);
}
