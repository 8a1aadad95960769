//! Saved while it is written to: what is restored is exactly what one revision had.

use super::client::{Ask, Door};
use super::kills::seed;
use super::load::{self, Load, MAPS, key_of};
use super::process::{Doors, Process, config};
use super::watcher::Finally;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use teu_server::{control, snapshots};
use teu_store::embedded::Embedded;
use teu_store::{Range, Span, Store as _};

const CLIENTS: usize = 4;
const SNAPSHOTS: u64 = 3;
/// Answers between two snapshots.
const ANSWERS: u64 = 30;
const PATIENCE: Duration = Duration::from_secs(60);

/// A list as a revision had it, or as it is.
fn list(door: &Door, path: &str, revision: Option<u64>) -> Vec<Value> {
    let query = revision.map_or_else(String::new, |revision| {
        format!("?resourceVersion={revision}&resourceVersionMatch=Exact")
    });
    let (code, list) = door.ask(Ask::get(&format!("{path}{query}"))).expect("an answer");
    assert_eq!(code, 200, "{list}");
    list["items"].as_array().expect("items").clone()
}

/// Names and versions of what is in a store that nobody has opened since.
fn kept(folder: &Path, prefix: &str) -> Vec<(String, String)> {
    let store = Embedded::open(folder).expect("a store");
    let listed = store.range(Range::all(Span::prefix(prefix.to_owned()))).wait().expect("a list");
    let name = |key: &[u8]| String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
    listed.kvs.iter().map(|kv| (name(&kv.key), kv.modified.to_string())).collect()
}

fn names(list: &[Value]) -> Vec<(String, String)> {
    let text = |item: &Value, field| item["metadata"][field].as_str().expect("text").to_owned();
    list.iter().map(|item| (text(item, "name"), text(item, "resourceVersion"))).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in std::fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

#[test]
fn saved_under_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = config(folder.path());
    let mut server = Process::new(folder.path(), "embedded");
    let doors = Doors::new(vec![server.start()]);
    let door = doors.get(0);
    let (values, is_over, answered) =
        (AtomicU64::new(1), AtomicBool::new(false), AtomicU64::new(0));
    let load = Load {
        doors: &doors,
        zero: Instant::now(),
        values: &values,
        is_over: &is_over,
        answered: &answered,
        pause: Duration::ZERO,
    };
    let file = |number| folder.path().join(format!("{number}.snapshot"));
    std::thread::scope(|scope| {
        let _over = Finally(&is_over);
        for number in 0..CLIENTS {
            let load = &load;
            scope.spawn(move || load::run(load, number, seed()));
        }
        for number in 1..=SNAPSHOTS {
            let begun = Instant::now();
            while answered.load(Ordering::Relaxed) < number * ANSWERS {
                assert!(begun.elapsed() < PATIENCE, "the server answers nothing");
                std::thread::sleep(Duration::from_millis(1));
            }
            let saved = control::save_snapshot(&own, Some(&file(number))).expect("a snapshot");
            assert_eq!(saved.as_deref(), Some(&*file(number)));
        }
    });
    let mut revisions = Vec::new();
    for number in 1..=SNAPSHOTS {
        let other = folder.path().join(number.to_string());
        let restored = config(&other);
        let revision = snapshots::restore(&restored, &file(number)).expect("it is restored");
        revisions.push(revision);
        // What a server writes by itself is judged before one has begun on it.
        let store = restored.store_folder();
        for (path, prefix) in [
            (MAPS, "/registry/configmaps/default/"),
            ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "/registry/clusterroles/"),
            ("/api/v1/namespaces", "/registry/namespaces/"),
        ] {
            let was = list(&door, path, Some(revision));
            assert!(!was.is_empty(), "{path} is empty");
            assert_eq!(names(&was), kept(&store, prefix), "{path} at {revision}");
        }
        copy(&own.data.join("pki"), &restored.data.join("pki"));
        let mut second = Process::new(&other, "embedded");
        let there = second.start();
        let loaded = |list: Vec<Value>| {
            list.into_iter().filter(|item| key_of(item).is_some()).collect::<Vec<_>>()
        };
        let was = loaded(list(&door, MAPS, Some(revision)));
        assert_eq!(was, loaded(list(&there, MAPS, None)), "at {revision}");
    }
    assert!(revisions.windows(2).all(|pair| pair[0] < pair[1]), "{revisions:?}");
}
