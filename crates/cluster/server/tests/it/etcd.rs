//! Two servers on one etcd. Where there is no etcd, this says so and tests nothing.

use crate::world::PATIENCE;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_client::{Choice, Client, Deletion, Event, Kind};
use teu_server::auth::User;
use teu_server::{Api, Config, Local, Server, StoreConfig};
use teu_web::Shutdown;

const MAPS: Kind<'static> = Kind { group: "", version: "v1", plural: "configmaps" };
const ENDPOINTS: Kind<'static> = Kind { group: "", version: "v1", plural: "endpoints" };
const EVENTS: Kind<'static> = Kind { group: "", version: "v1", plural: "events" };

/// An etcd, until it is dropped.
pub struct Etcd(Child);

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

pub fn start_etcd(folder: &Path) -> Option<(Etcd, u16)> {
    let (client, peer) = (free_port(), free_port());
    let urls = [format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}")];
    let started = Command::new("etcd")
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args(["--listen-client-urls", &urls[0], "--advertise-client-urls", &urls[0]])
        .args(["--listen-peer-urls", &urls[1], "--initial-advertise-peer-urls", &urls[1]])
        .args(["--initial-cluster", &format!("default={}", urls[1])])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some((Etcd(child), client)),
        Err(_) => {
            #[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
            {
                eprintln!("there is no etcd here: not tested");
            }
            None
        }
    }
}

/// A server that says that it is at an address of its own.
async fn start(folder: &Path, store: &str, address: &str, shutdown: &Shutdown) -> Arc<Api> {
    let mut config = Config::new(folder.join("data"), folder.join("run"));
    config.advertise = address.parse().ok();
    config.event_seconds = 1;
    config.bind = "127.0.0.1:0".to_owned();
    config.store = StoreConfig::parse(store).expect("a store");
    let secret = folder.with_extension("secret");
    std::fs::write(&secret, "one secret of all servers").expect("written");
    config.join_secret = Some(secret);
    let begun = Instant::now();
    loop {
        match Server::start(&config, shutdown).await {
            Ok(server) => {
                let api = Arc::clone(server.api());
                tokio::spawn(server.serve());
                return api;
            }
            // It may not listen yet.
            Err(error) if begun.elapsed() > PATIENCE => panic!("no server: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Both are where the service `kubernetes` leads, even after somebody took that away.
async fn both_are_the_api(client: &Local) {
    let at = ["192.0.2.1", "192.0.2.2"].map(Value::from);
    for round in 0..2 {
        let begun = Instant::now();
        loop {
            let found = client.get(ENDPOINTS, "default", "kubernetes").await.unwrap_or_default();
            let subsets = found["subsets"].as_array().into_iter().flatten();
            let there = subsets.filter_map(|it| it["addresses"].as_array()).flatten();
            let mut there: Vec<&Value> = there.map(|it| &it["ip"]).collect();
            there.sort_by_key(|it| it.to_string());
            if there == at.iter().collect::<Vec<_>>() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if round == 0 {
            let how = Deletion::default();
            client.delete(ENDPOINTS, ("default", "kubernetes"), &how).await.expect("deleted");
        }
    }
}

/// Events go by themselves.
async fn events_go(client: &Local) {
    let event = json!({
        "metadata": { "name": "e", "namespace": "default" },
        "involvedObject": { "kind": "Pod", "namespace": "default", "name": "p" },
        "reason": "Tested", "type": "Normal",
    });
    client.create(EVENTS, "default", event).await.expect("made");
    let begun = Instant::now();
    while client.get(EVENTS, "default", "e").await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "an event of one second stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn events_go_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let shutdown = Shutdown::new();
    runtime.block_on(async {
        let api = start(folder.path(), "embedded", "192.0.2.1", &shutdown).await;
        let client = Local::new(&api, User::internal("tester"), "tester");
        let map = json!({ "metadata": { "name": "stays" } });
        client.create(MAPS, "default", map).await.expect("made");
        events_go(&client).await;
        client.get(MAPS, "default", "stays").await.expect("what is no event stays");
    });
    shutdown.begin();
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// A token of a server's making.
async fn account_token(api: &Arc<Api>) -> String {
    let begun = Instant::now();
    let accounts = api.accounts.clone().expect("accounts");
    loop {
        match accounts.issue(api, ("default", "default"), json!({ "spec": {} })).await {
            Ok(request) => break request["status"]["token"].as_str().expect("a token").to_owned(),
            // The account may not be there yet.
            Err(status) if begun.elapsed() > PATIENCE => panic!("no token: {status}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Two servers on one etcd, each with a folder of its own (`one`, `two`), and what is asked of them.
fn two_servers(asked: impl AsyncFnOnce(&Path, Arc<Api>, Arc<Api>)) {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_etcd, port)) = start_etcd(folder.path()) else { return };
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let shutdown = Shutdown::new();
    runtime.block_on(async {
        let store = format!("etcd://127.0.0.1:{port}");
        let one = start(&folder.path().join("one"), &store, "192.0.2.1", &shutdown).await;
        let two = start(&folder.path().join("two"), &store, "192.0.2.2", &shutdown).await;
        asked(folder.path(), one, two).await;
    });
    shutdown.begin();
    runtime.shutdown_timeout(Duration::from_secs(5));
}

#[test]
fn two_servers_on_one_etcd_are_one_cluster() {
    two_servers(async |folder, one, two| {
        // One authority and one key of tokens, though each has a folder of its own.
        for name in ["ca.crt", "ca.key", "front-proxy-ca.key", "sa.key"] {
            let of = |server: &str| {
                let path = folder.join(server).join("data/pki").join(name);
                std::fs::read_to_string(path).expect("a file")
            };
            assert_eq!(of("one"), of("two"), "{name}");
        }
        let (token, other) = (account_token(&one).await, Arc::clone(&two));
        let accounts = other.accounts.clone().expect("accounts");
        let audiences = [teu_server::auth::accounts::ISSUER.to_owned()];
        let known = accounts.check(&other, &token, &audiences).await.expect("checked");
        assert_eq!(known.expect("a user").user.name, "system:serviceaccount:default:default");
        let client = |api: &Arc<Api>| Local::new(api, User::internal("tester"), "tester");
        let (one, two) = (client(&one), client(&two));
        let choice = Choice { namespace: "default".to_owned(), ..Choice::default() };
        let from = two.list(MAPS, &choice).await.expect("a list").resource_version;
        let mut watch = two.watch(MAPS, &choice, &from).await.expect("a watch");
        let map = json!({ "metadata": { "name": "a" }, "data": { "k": "v" } });
        one.create(MAPS, "default", map).await.expect("made");
        // What one has answered, the other shows at once.
        let items = two.list(MAPS, &choice).await.expect("a list").items;
        assert!(items.iter().any(|item| item["metadata"]["name"] == "a"), "{items:?}");
        let seen: Value = loop {
            match watch.next().await.expect("an event") {
                Event::Applied(object) if object["metadata"]["name"] == "a" => break object,
                _ => {}
            }
        };
        assert_eq!(seen["data"]["k"], "v");
        both_are_the_api(&one).await;
        events_go(&two).await;
    });
}

const LEASES: Kind<'static> =
    Kind { group: "coordination.k8s.io", version: "v1", plural: "leases" };
const ACCOUNTS: Kind<'static> = Kind { group: "", version: "v1", plural: "serviceaccounts" };
const NAMESPACES: Kind<'static> = Kind { group: "", version: "v1", plural: "namespaces" };

/// Who leads, as soon as it is somebody else.
async fn leader(client: &Local, before: &str) -> String {
    let begun = Instant::now();
    loop {
        let lease = client.get(LEASES, "kube-system", "kube-controller-manager").await;
        let holder = lease.map(|lease| lease["spec"]["holderIdentity"].clone()).unwrap_or_default();
        match holder.as_str() {
            Some(holder) if !holder.is_empty() && holder != before => return holder.to_owned(),
            _ => {}
        }
        assert!(begun.elapsed() < PATIENCE, "nobody leads instead of {before:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Makes a namespace; ends when somebody has given it its account.
async fn is_served(client: &Local, name: &str) {
    let namespace = json!({ "metadata": { "name": name } });
    client.create(NAMESPACES, "", namespace).await.expect("made");
    let begun = Instant::now();
    while client.get(ACCOUNTS, name, "default").await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "{name} has no account");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn one_of_two_servers_leads_and_the_other_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_etcd, port)) = start_etcd(folder.path()) else { return };
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let (first, second) = (Shutdown::new(), Shutdown::new());
    runtime.block_on(async {
        let store = format!("etcd://127.0.0.1:{port}");
        let one = start(&folder.path().join("one"), &store, "192.0.2.1", &first).await;
        let client = Local::new(&one, User::internal("tester"), "tester");
        let leader_before = leader(&client, "").await;
        is_served(&client, "a").await;
        let two = start(&folder.path().join("two"), &store, "192.0.2.2", &second).await;
        let client = Local::new(&two, User::internal("tester"), "tester");
        is_served(&client, "b").await;
        assert_eq!(leader(&client, "").await, leader_before);
        first.begin();
        leader(&client, &leader_before).await;
        is_served(&client, "c").await;
    });
    second.begin();
    runtime.shutdown_timeout(Duration::from_secs(5));
}

#[test]
fn nothing_is_left_in_a_namespace_that_another_server_takes_away() {
    two_servers(async |_, one, two| crate::places::nothing_is_left(&one, &two).await);
}
