//! What objects were, asked as the command line asks: by the control socket of a server that runs.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use teu_client::{Client, Deletion, Kind};
use teu_server::auth::User;
use teu_server::history::{Question, Row};
use teu_server::{Api, Config, Local, Server, control};
use teu_web::Shutdown;

const MAPS: Kind<'static> = Kind { group: "", version: "v1", plural: "configmaps" };

/// A server that runs until this goes.
struct World {
    runtime: Option<tokio::runtime::Runtime>,
    api: Arc<Api>,
    config: Config,
    shutdown: Shutdown,
}

impl World {
    fn start(folder: &Path, file: &str) -> Self {
        let mut config = Config::new(folder.join("data"), folder.join("run"));
        config.bind = "127.0.0.1:0".to_owned();
        let path: PathBuf = folder.join("server.toml");
        std::fs::write(&path, file).expect("a file");
        config.read(&path).expect("a configuration");
        let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
        let shutdown = Shutdown::new();
        let api = runtime.block_on(async {
            let server = Server::start(&config, &shutdown).await.expect("a server");
            let api = Arc::clone(server.api());
            tokio::spawn(server.serve());
            api
        });
        Self { runtime: Some(runtime), api, config, shutdown }
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("until the end").block_on(future)
    }

    fn client(&self) -> Local {
        Local::new(&self.api, User::internal("tester"), "tester")
    }

    fn create(&self, name: &str, value: &str) {
        let map = json!({ "metadata": { "name": name }, "data": { "v": value } });
        self.run(self.client().create(MAPS, "default", map)).expect("made");
    }

    fn set(&self, name: &str, value: &str) -> u64 {
        let mut map = self.get(name).expect("it is there");
        map["data"]["v"] = value.into();
        let changed = self.run(self.client().update(MAPS, "", map)).expect("changed");
        changed["metadata"]["resourceVersion"].as_str().expect("text").parse().expect("a number")
    }

    fn get(&self, name: &str) -> Option<Value> {
        self.run(self.client().get(MAPS, "default", name)).ok()
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(self.get(name)?["data"]["v"].as_str().expect("text").to_owned())
    }

    fn delete(&self, name: &str) {
        let at = ("default", name);
        self.run(self.client().delete(MAPS, at, &Deletion::default())).expect("deleted");
    }

    fn rows(&self, object: &str) -> Vec<Row> {
        control::history(&self.config, &about(object, "")).expect("told").expect("a server").rows
    }

    /// Its changes, which are known as soon as they are answered.
    fn known(&self, object: &str, count: usize) -> Vec<Row> {
        let rows = self.rows(object);
        assert_eq!(rows.len(), count, "{rows:?}");
        rows
    }

    fn undo(&self, object: &str, at: &str) -> Result<String, String> {
        let told = control::undo(&self.config, &about(object, at));
        told.map(|told| told.expect("a server")).map_err(|error| error.to_string())
    }

    fn diff(&self, object: &str, at: &str) -> Result<String, String> {
        let told = control::diff(&self.config, &about(object, at));
        told.map(|told| told.expect("a server")).map_err(|error| error.to_string())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn about(object: &str, at: &str) -> Question {
    let (object, namespace, at) = (object.to_owned(), "default".to_owned(), at.to_owned());
    Question { object, namespace, at }
}

#[test]
fn what_an_object_was_and_the_way_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::start(folder.path(), "");
    world.create("a", "1");
    let second = world.set("a", "2");
    let third = world.set("a", "3");
    let rows = world.known("configmap/a", 2);
    assert_eq!((rows[0].revision, rows[1].revision), (third, second));
    assert_eq!((&*rows[0].by, &*rows[0].change), ("tester", "data.v"));
    assert_eq!(world.rows("cm/a"), rows);
    let diff = world.diff("cm/a", &second.to_string()).expect("a difference");
    assert!(diff.contains("-  v: \"2\"\n+  v: \"3\"\n"), "{diff}");
    assert_eq!(world.diff("cm/a", &third.to_string()), Ok(String::new()));
    // Undoing is a change, so that undoing it is redoing.
    world.undo("cm/a", "").expect("undone");
    assert_eq!(world.value("a").as_deref(), Some("2"));
    world.known("cm/a", 3);
    world.undo("cm/a", "").expect("undone");
    assert_eq!(world.value("a").as_deref(), Some("3"));
    world.known("cm/a", 4);
    let first = (second - 1).to_string();
    world.undo("cm/a", &first).expect("undone");
    assert_eq!(world.value("a").as_deref(), Some("1"));
    // What was deleted comes back, as another object of that name.
    let uid = world.get("a").expect("it is there")["metadata"]["uid"].clone();
    world.known("cm/a", 5);
    world.delete("a");
    assert_eq!(world.known("cm/a", 6)[0].change, "deleted");
    let told = world.undo("cm/a", "").expect("undone");
    assert!(told.contains("is there again"), "{told}");
    assert_eq!(world.value("a").as_deref(), Some("1"));
    assert_ne!(world.get("a").expect("it is there")["metadata"]["uid"], uid);
    // All of it is there after a start, and goes on.
    drop(world);
    let world = World::start(folder.path(), "");
    assert_eq!(world.rows("cm/a").len(), 6);
    world.set("a", "4");
    world.known("cm/a", 7);
    let diff = world.diff("cm/a", &second.to_string()).expect("a difference");
    assert!(diff.contains("-  v: \"2\"\n+  v: \"4\"\n"), "{diff}");
}

#[test]
fn what_is_not_known_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::start(folder.path(), "");
    world.create("a", "1");
    let refused = |told: Result<String, String>, wanted: &str| {
        let text = told.expect_err("it is refused");
        assert!(text.contains(wanted), "{text}");
    };
    world.set("a", "2");
    world.known("cm/a", 1);
    refused(world.diff("cm/a", "2020-01-01T00:00:00Z"), "is not known: history is whole from ");
    refused(world.diff("cm/a", "yesterday"), "neither a time");
    refused(world.undo("thing/a", ""), "the server has no resource \"thing\"");
    refused(world.undo("a", ""), "say KIND/NAME");
    refused(world.undo("secret/a", ""), "of secrets no history is kept");
    refused(world.undo("cm/none", ""), "there is nothing to undo");
    // A status is no change.
    let mut namespace = json!({ "metadata": { "name": "n" } });
    let kind = Kind { plural: "namespaces", ..MAPS };
    namespace = world.run(world.client().create(kind, "", namespace)).expect("made");
    namespace["status"]["conditions"] =
        json!([{ "type": "X", "status": "True", "lastTransitionTime": null }]);
    world.run(world.client().update(kind, "status", namespace)).expect("changed");
    world.set("a", "3");
    world.known("cm/a", 2);
    assert!(world.rows("namespace/n").is_empty());
    // What the API refuses of the past is its own words.
    drop(world);
    let world = World::start(folder.path(), "history-span = \"0\"\n");
    refused(world.undo("cm/a", ""), "keeps no history");
}

#[test]
fn a_gap_is_no_past() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::start(folder.path(), "");
    world.create("a", "1");
    let before = world.set("a", "2");
    world.known("cm/a", 1);
    drop(world);
    // Nothing is recorded for a while, and what happened meanwhile is forgotten by the store.
    let world = World::start(folder.path(), "history-span = \"0\"\n");
    let between = world.set("a", "3");
    world.set("a", "4");
    let revision = world.run(world.api.store.status()).expect("a status").revision;
    world.run(world.api.store.compact(revision)).expect("compacted");
    drop(world);
    let world = World::start(folder.path(), "");
    let refused = world.diff("cm/a", &between.to_string()).expect_err("it is not known");
    assert!(refused.contains("history is whole from "), "{refused}");
    let after = world.set("a", "5");
    world.known("cm/a", 2);
    let refused = world.diff("cm/a", &before.to_string()).expect_err("it is not known");
    assert!(refused.contains("history is whole from "), "{refused}");
    world.undo("cm/a", &(after - 1).to_string()).expect("undone");
    assert_eq!(world.value("a").as_deref(), Some("4"));
}

#[test]
fn encrypting_everything_anew_leaves_no_gap() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("encryption.yaml");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let write = |providers: &str| {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: [secrets], providers: [{providers}]}}]"
        );
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    let keyed = format!("{{aesgcm: {{keys: [{{name: a, secret: {key}}}]}}}}");
    write("{identity: {}}");
    let config = format!("encryption-config = {file:?}\n");
    let world = World::start(folder.path(), &config);
    world.create("a", "1");
    let secrets = Kind { group: "", version: "v1", plural: "secrets" };
    for number in 0..200 {
        let secret = json!({ "metadata": { "name": format!("s{number}") } });
        world.run(world.client().create(secrets, "default", secret)).expect("made");
    }
    drop(world);
    write(&format!("{keyed}, {{identity: {{}}}}"));
    let world = World::start(folder.path(), &config);
    world.set("a", "2");
    let done = control::rewrite_sealed(&world.config).expect("an answer").expect("a server");
    assert!(done.contains("200 of"), "{done}");
    world.set("a", "3");
    let rows = world.known("configmap/a", 2);
    assert_eq!(rows.len(), 2, "{rows:?}");
    world.set("a", "4");
    world.known("configmap/a", 3);
}
