//! Killed at any instant: no acknowledged write is lost, no revision is given out twice.
//!
//! A child (this binary again) writes from several threads, with checkpoints and compactions
//! between, and prints what was acknowledged; it is killed at a random moment, a hundred times on
//! the same folder, and each time everything it had printed has to be there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use teu_store::embedded::Embedded;
use teu_store::suite::{self, Say, in_time};
use teu_store::{Error, Message, Span, Store, Txn};

const ROUNDS: usize = 100;
const THREADS: usize = 4;
const FOLDER: &str = "TEU_STORE_KILL_FOLDER";

/// The child.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(Path::new(&folder)).unwrap());
    let base = store.now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    let key = format!("{thread}/{}", number % 5);
                    let value = format!("{base}-{number}");
                    let padded = format!("{value} {}", "x".repeat(number % 41 * 50));
                    let revision = store.done(Txn::put(key.clone(), padded));
                    // One write call, so that a line is whole or absent.
                    let line = format!("acknowledged {revision} {key} {value}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        scope.spawn(|| {
            loop {
                let revision = store.done(Txn::put("mark", "x"));
                // A reader of the lines needs the history of what it has not checked yet.
                let _ = in_time("a compaction", store.compact(revision.saturating_sub(20_000)));
                in_time("a checkpoint", store.defragment()).unwrap();
            }
        });
    });
}

/// What one run acknowledged: revision, key, value.
fn run_and_kill(folder: &Path, after: Duration) -> Vec<(u64, String, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut words = line.split(' ');
            if words.next() != Some("acknowledged") {
                continue;
            }
            let revision = words.next().unwrap().parse().unwrap();
            let mut word = || words.next().unwrap().to_owned();
            let _ = sender.send((revision, word(), word()));
        }
    });
    let first = receiver.recv_timeout(suite::DEADLINE);
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    first.into_iter().chain(receiver.try_iter()).collect()
}

#[test]
fn killed_a_hundred_times() {
    let folder = tempfile::tempdir().unwrap();
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut seed = u64::from(nanos.subsec_nanos()) | 1;
    let mut acknowledged: HashMap<u64, (String, String)> = HashMap::new();
    let mut newest = 0;
    for round in 0..ROUNDS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let after = Duration::from_micros((seed >> 33) % 60_000);
        let lines = run_and_kill(folder.path(), after);
        assert!(!lines.is_empty(), "round {round}: the child acknowledged nothing");
        for (revision, key, value) in &lines {
            let twice = acknowledged.insert(*revision, (key.clone(), value.clone()));
            assert_eq!(twice, None, "round {round}: revision {revision} was given out twice");
        }
        let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).unwrap());
        newest = lines.iter().map(|line| line.0).chain([newest]).max().unwrap();
        assert!(store.now() >= newest, "round {round}: a revision was lost");
        check(&store, &lines);
    }
}

/// Everything acknowledged stands in the history under its revision.
fn check(store: &Arc<dyn Store>, lines: &[(u64, String, String)]) {
    let (now, from) = (store.now(), lines.iter().map(|line| line.0).min().unwrap());
    let compacted = in_time("a status", store.status()).unwrap().compacted;
    let mut watch = store.watching(Span::prefix(""), from.max(compacted + 1));
    let mut events = HashMap::new();
    let mut last = compacted;
    while last < now {
        match in_time("events", watch.next()) {
            Ok(Message::Events(some)) => {
                for event in some {
                    assert!(event.kv.modified > last, "in order, none twice");
                    last = event.kv.modified;
                    events.insert(last, event);
                }
            }
            Ok(Message::Progress(_)) => {}
            Err(error @ Error::Compacted { .. }) => panic!("{error}"),
            Err(error) => panic!("a watch ended: {error}"),
        }
    }
    for (revision, key, value) in lines.iter().filter(|line| line.0 > compacted) {
        let event = events.get(revision).unwrap_or_else(|| panic!("revision {revision} is lost"));
        assert_eq!(event.kv.key, key.as_bytes());
        let stored = event.kv.value.split(|byte| *byte == b' ').next().unwrap();
        assert_eq!(stored, value.as_bytes(), "revision {revision}");
    }
}
