//! Encryption at rest by the whole server: what is in the files and in etcd, changing keys, snapshots.

use crate::etcd::start_etcd;
use crate::world::PATIENCE;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_client::{Choice, Client, Kind};
use teu_server::auth::User;
use teu_server::{Api, Config, Local, Server, StoreConfig, control};
use teu_store::{Consistency, Range, Span, Store, etcd};
use teu_web::Shutdown;

const SECRETS: Kind<'static> = Kind { group: "", version: "v1", plural: "secrets" };
const ONE: &str = "{name: one, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}";
const TWO: &str = "{name: two, secret: HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}";
/// As it is in the store, and as it was sent.
const VALUES: [&str; 2] = ["dmVyeS1zZWNyZXQtaW5kZWVk", "very-secret-indeed"];

fn configure(folder: &Path, store: &str, providers: &str) -> Config {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join("encryption.yaml");
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: [secrets], providers: [{providers}]}}]"
    );
    std::fs::write(&file, text).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let mut config = Config::new(folder.join("data"), folder.join("run"));
    config.bind = "127.0.0.1:0".to_owned();
    config.store = StoreConfig::parse(store).expect("a store");
    config.encryption = Some(file);
    config
}

/// Runs a server, and something on it.
fn serve(config: &Config, work: impl AsyncFnOnce(Local, Arc<Api>)) {
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let shutdown = Shutdown::new();
    runtime.block_on(async {
        let begun = Instant::now();
        let server = loop {
            match Server::start(config, &shutdown).await {
                Ok(server) => break server,
                Err(error) if begun.elapsed() > PATIENCE => panic!("no server: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let api = Arc::clone(server.api());
        let serving = tokio::spawn(server.serve());
        work(Local::new(&api, User::internal("tester"), "tester"), Arc::clone(&api)).await;
        drop(api);
        shutdown.begin();
        let _ = serving.await;
    });
    runtime.shutdown_timeout(Duration::from_secs(30));
}

fn secret(name: &str) -> serde_json::Value {
    json!({ "metadata": { "name": name }, "stringData": { "key": VALUES[1] } })
}

async fn has(client: &Local, names: &[&str]) {
    for name in names {
        let secret = client.get(SECRETS, "default", name).await.expect("a secret");
        assert_eq!(secret["data"]["key"], VALUES[0]);
    }
    let all = client.list(SECRETS, &Choice::default()).await.expect("a list").items;
    assert_eq!(all.iter().filter(|it| it["data"]["key"] == VALUES[0]).count(), names.len());
}

/// Whether a folder's files tell the value.
fn tells(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return tells(&path);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let has = |value: &str| bytes.windows(value.len()).any(|it| it == value.as_bytes());
        VALUES.iter().any(|value| has(value))
    })
}

#[test]
fn a_secret_is_in_no_file_and_keys_are_changed_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    // In the clear at first.
    serve(&configure(at, "embedded", "{identity: {}}"), async |client, _| {
        client.create(SECRETS, "default", secret("a")).await.expect("made");
        has(&client, &["a"]).await;
    });
    assert!(tells(&at.join("data")));
    let first = format!("{{aesgcm: {{keys: [{ONE}]}}}}, {{identity: {{}}}}");
    let config = configure(at, "embedded", &first);
    serve(&config, async |client, _| {
        has(&client, &["a"]).await;
        client.create(SECRETS, "default", secret("b")).await.expect("made");
        let asked = config.clone();
        let done = tokio::task::spawn_blocking(move || control::rewrite_sealed(&asked)).await;
        let done = done.expect("asked").expect("an answer").expect("a server");
        assert!(done.contains("1 of"), "{done}");
        has(&client, &["a", "b"]).await;
        let file = at.join("data/x.snapshot");
        let (asked, file) = (config.clone(), file.clone());
        let saved =
            tokio::task::spawn_blocking(move || control::save_snapshot(&asked, Some(&file)));
        saved.await.expect("asked").expect("an answer").expect("a server");
    });
    assert!(!tells(&at.join("data")), "neither the store nor the snapshot tells it");
    // Another key writes, the first still reads, and then is gone.
    let second = format!("{{aesgcm: {{keys: [{TWO}, {ONE}]}}}}");
    let config = configure(at, "embedded", &second);
    serve(&config, async |client, _| {
        has(&client, &["a", "b"]).await;
        let asked = config.clone();
        let done = tokio::task::spawn_blocking(move || control::rewrite_sealed(&asked)).await;
        let done = done.expect("asked").expect("an answer").expect("a server");
        assert!(done.contains("2 of 2"), "{done}");
    });
    let last = format!("{{aesgcm: {{keys: [{TWO}]}}}}");
    serve(&configure(at, "embedded", &last), async |client, _| has(&client, &["a", "b"]).await);
    // By the first alone nothing can be read, and the server says so instead of losing it.
    let wrong = format!("{{aesgcm: {{keys: [{ONE}]}}}}");
    serve(&configure(at, "embedded", &wrong), async |client, _| {
        let refused = client.get(SECRETS, "default", "a").await.expect_err("a refusal");
        assert_eq!(refused.code, 500, "{refused}");
    });
}

#[test]
fn a_changed_configuration_counts_at_once_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let config = configure(at, "embedded", &format!("{{aesgcm: {{keys: [{ONE}]}}}}"));
    serve(&config, async |client, api| {
        client.create(SECRETS, "default", secret("a")).await.expect("made");
        let turned = format!("{{secretbox: {{keys: [{TWO}]}}}}, {{aesgcm: {{keys: [{ONE}]}}}}");
        configure(at, "embedded", &turned);
        counted(&api, "encryption_config_controller_automatic_reloads_total{status=\"success\"} 1")
            .await;
        client.create(SECRETS, "default", secret("b")).await.expect("made");
        configure(at, "embedded", "{rot13: {}}");
        counted(&api, "encryption_config_controller_automatic_reloads_total{status=\"failure\"} 1")
            .await;
        client.create(SECRETS, "default", secret("c")).await.expect("made");
        has(&client, &["a", "b", "c"]).await;
        let (asked, file) = (config.clone(), at.join("x.snapshot"));
        let own = file.clone();
        let saved = tokio::task::spawn_blocking(move || control::save_snapshot(&asked, Some(&own)));
        saved.await.expect("asked").expect("an answer").expect("a server");
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().expect("a file"));
        assert_eq!(mode & 0o777, 0o600, "whoever reads it has all that is in the store");
        let bytes = std::fs::read(&file).expect("a snapshot");
        let count =
            |mark: &str| bytes.windows(mark.len()).filter(|it| *it == mark.as_bytes()).count();
        assert_eq!((count("k8s:enc:aesgcm:v1:one:"), count("k8s:enc:secretbox:v1:two:")), (1, 2));
    });
}

#[test]
fn a_change_of_nothing_leads_a_secret_to_the_key_that_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let old = configure(at, "embedded", &format!("{{aesgcm: {{keys: [{ONE}]}}}}"));
    serve(&old, async |client, _| {
        client.create(SECRETS, "default", secret("a")).await.expect("made");
    });
    let turned = configure(at, "embedded", &format!("{{aesgcm: {{keys: [{TWO}, {ONE}]}}}}"));
    serve(&turned, async |client, _| {
        // As `kubectl get secrets -A -o json | kubectl replace -f -` does, which everybody knows.
        for secret in client.list(SECRETS, &Choice::default()).await.expect("a list").items {
            client.update(SECRETS, "", secret).await.expect("replaced");
        }
    });
    let new = configure(at, "embedded", &format!("{{aesgcm: {{keys: [{TWO}]}}}}"));
    serve(&new, async |client, _| has(&client, &["a"]).await);
}

/// Waits until files have been looked at.
async fn counted(api: &Api, line: &str) {
    let begun = Instant::now();
    while !api.reloads.print().contains(line) {
        assert!(begun.elapsed() < PATIENCE, "no {line} in {}", api.reloads.print());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn nor_does_etcd_know_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_etcd, port)) = start_etcd(folder.path()) else { return };
    let store = format!("etcd://127.0.0.1:{port}");
    let providers = format!("{{aesgcm: {{keys: [{ONE}]}}}}");
    serve(&configure(folder.path(), &store, &providers), async |client, _| {
        client.create(SECRETS, "default", secret("a")).await.expect("made");
        has(&client, &["a"]).await;
        let endpoint = etcd::Endpoint { host: "127.0.0.1".to_owned(), port };
        let own = etcd::Config::new(vec![endpoint]);
        let raw = etcd::Etcd::connect(own, tokio::runtime::Handle::current()).await;
        let raw = raw.expect("a connection");
        let found = raw.get(b"/registry/secrets/default/a", Consistency::Linearizable).await;
        let kept = found.expect("read").kv.expect("a value");
        assert!(kept.value.starts_with(b"k8s:enc:aesgcm:v1:one:"), "{:?}", kept.value);
        let all = raw.range(Range::all(Span::prefix(&b"/"[..]))).await.expect("a list").kvs;
        for kv in all {
            let has = |value: &str| kv.value.windows(value.len()).any(|it| it == value.as_bytes());
            assert!(!VALUES.iter().any(|value| has(value)), "{:?}", kv.key);
        }
    });
}
