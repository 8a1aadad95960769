//! A watcher that goes on from the last resource version it saw, whatever happens to its server.

use super::client::Events;
use super::load::{MAPS, key_of, picture, value_of, version_of};
use super::process::Doors;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use teu_store::suite::linear::Value;

/// Between two tries to reach a server.
const PAUSE: Duration = Duration::from_millis(20);
/// A watcher that finds no server for so long gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// The object whose coming tells watchers that the load is over.
pub const END: &str = "end";

/// A change as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub revision: u64,
    pub kind: String,
    pub key: usize,
    pub value: Value,
}

/// Sets a flag when it goes, however that comes: what waits for the flag must not wait for a test
/// that has failed.
pub struct Finally<'a>(pub &'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Watches through one server after another until [`END`] comes, or the test is over without; from
/// where a list is now. Says when that is known.
pub fn follow(doors: &Doors, number: usize, begun: &Sender<()>, is_over: &AtomicBool) -> Vec<Seen> {
    let (_, mut version) = picture(&doors.get(number));
    begun.send(()).expect("somebody waits for it");
    let mut seen = Vec::new();
    let mut last_word = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        assert!(last_word.elapsed() < PATIENCE, "watcher {number} finds no server");
        let path = format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={version}");
        let watching = doors.get(number).connect().and_then(|line| line.watch(&path));
        match watching {
            Ok(Ok(mut events)) => {
                last_word = Instant::now();
                if read(&mut events, &mut version, &mut seen, is_over) {
                    return seen;
                }
            }
            // What was asked for is gone: something was lost.
            Ok(Err(410)) => panic!("watcher {number}: {version} is too old"),
            Ok(Err(_)) | Err(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
    seen
}

/// Reads until the line breaks; whether the end has come.
fn read(
    events: &mut Events,
    version: &mut u64,
    seen: &mut Vec<Seen>,
    is_over: &AtomicBool,
) -> bool {
    while let Ok(Some(event)) = events.next() {
        if is_over.load(Ordering::Relaxed) {
            return true;
        }
        let (kind, object) = (event["type"].as_str().unwrap_or_default(), &event["object"]);
        if kind == "ERROR" {
            assert_ne!(object["code"], 410, "{version} is too old: {object}");
            return false;
        }
        *version = version_of(object);
        if let Some(key) = key_of(object) {
            let (revision, value) = (*version, value_of(object));
            seen.push(Seen { revision, kind: kind.to_owned(), key, value });
        }
        if object["metadata"]["name"] == END {
            return true;
        }
    }
    false
}
