//! Clients that read and write a few config maps at once, each remembering what it asked and heard.

use super::client::{Ask, Connection, Door};
use super::history::{History, Key, Picture};
use super::process::Doors;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use teu_store::suite::linear::{Call, Op, Value};

/// Where the objects are.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Keys that clients share.
const KEYS: usize = 4;
/// After a line that broke, and between two operations where somebody asked for it.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// What all clients of a load share.
pub struct Load<'a> {
    pub doors: &'a Doors,
    pub zero: Instant,
    /// Values are unique over everything.
    pub values: &'a AtomicU64,
    pub is_over: &'a AtomicBool,
    /// Operations that were answered so far.
    pub answered: &'a AtomicU64,
    /// Between two operations of a client.
    pub pause: Duration,
}

/// The load's key of an object, if it is one of its.
pub fn key_of(object: &Json) -> Option<Key> {
    object["metadata"]["name"].as_str()?.strip_prefix("k-")?.parse().ok()
}

/// The value that an object has.
pub fn value_of(object: &Json) -> Value {
    let text = object["data"]["v"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("a value: {object}"))
}

/// Its resource version.
pub fn version_of(object: &Json) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("a version: {object}"))
}

fn object(key: Key, value: Value, version: Option<u64>) -> String {
    let mut map = json!({
        "metadata": { "name": format!("k-{key}") },
        "data": { "v": value.to_string(), "p": "x".repeat(usize::try_from(value % 41).unwrap_or(0) * 40) },
    });
    if let Some(version) = version {
        map["metadata"]["resourceVersion"] = version.to_string().into();
    }
    map.to_string()
}

/// A list that must come: a store that has just found its leader may need another try.
fn list(door: &Door, query: &str) -> Json {
    let (path, begun) = (format!("{MAPS}{query}"), Instant::now());
    loop {
        let answer = door.ask(Ask::get(&path));
        if let Ok((200, list)) = answer {
            return list;
        }
        assert!(begun.elapsed() < PATIENCE, "no list: {answer:?}");
        std::thread::sleep(PAUSE);
    }
}

/// All keys as they are now, and as of which resource version.
pub fn picture(door: &Door) -> (Picture, u64) {
    let list = list(door, "");
    (picture_of(&list), version_of(&list))
}

/// All keys as a resource version had them.
pub fn picture_at(door: &Door, version: u64) -> Picture {
    picture_of(&list(door, &format!("?resourceVersion={version}&resourceVersionMatch=Exact")))
}

fn picture_of(list: &Json) -> Picture {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = |item: &Json| Some((key_of(item)?, (value_of(item), version_of(item))));
    items.iter().filter_map(known).collect()
}

/// One client.
struct Client<'a> {
    load: &'a Load<'a>,
    number: usize,
    seed: u64,
    line: Option<Connection>,
    /// What it saw last at each key; nothing for "not there".
    seen: HashMap<Key, Option<(Value, u64)>>,
    history: History,
}

/// What a write wants to find and leave; 0 is "not there".
struct Write {
    key: Key,
    /// What it hopes to find, if it says.
    old: Option<Value>,
    new: Value,
}

/// Runs a client until the load is over.
pub fn run(load: &Load<'_>, number: usize, seed: u64) -> History {
    let seed = (seed ^ (number as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let (line, seen, history) = (None, HashMap::new(), History::default());
    let mut client = Client { load, number, seed, line, seen, history };
    while !load.is_over.load(Ordering::Relaxed) {
        client.step();
        if !load.pause.is_zero() {
            std::thread::sleep(load.pause);
        }
    }
    client.history
}

impl Client<'_> {
    fn random(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % below as u64).unwrap_or(0)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.load.zero.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Asks on the line there is, or a new one. `None`: it was surely not asked. Who was cut off
    /// waits a moment.
    fn ask(&mut self, ask: Ask<'_>) -> Option<io::Result<(u16, Json)>> {
        let line = match self.line.take() {
            Some(line) => Ok(line),
            None => self.load.doors.get(self.number).connect(),
        };
        let Ok(mut line) = line else {
            std::thread::sleep(PAUSE);
            return None;
        };
        let answer = line.ask(ask);
        match &answer {
            Ok(_) => {
                self.line = Some(line);
                self.load.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
        Some(answer)
    }

    fn note(&mut self, key: Key, op: Op, begun: u64, ended: Option<u64>) {
        self.history.calls.entry(key).or_default().push(Call { op, begun, ended });
    }

    fn step(&mut self) {
        let (key, kind) = (self.random(KEYS), self.random(10));
        match (kind, self.seen.get(&key).copied()) {
            (0..2, _) | (_, None) => self.get(key),
            (2, _) => self.list(),
            (3, Some(Some(_))) => self.patch(key),
            (4, Some(Some(known))) => self.delete(key, known),
            (_, Some(Some(known))) => self.update(key, known),
            (_, Some(None)) => self.create(key),
        }
    }

    fn get(&mut self, key: Key) {
        let begun = self.now();
        let path = format!("{MAPS}/k-{key}");
        // A read without an answer says nothing.
        let Some(Ok((code, found))) = self.ask(Ask::get(&path)) else { return };
        let known = match code {
            200 => Some((value_of(&found), version_of(&found))),
            404 => None,
            _ => return,
        };
        let ended = Some(self.now());
        self.note(key, Op::Read(known.map_or(0, |known| known.0)), begun, ended);
        self.seen.insert(key, known);
    }

    /// A consistent list is a read of every key.
    fn list(&mut self) {
        let begun = self.now();
        let Some(Ok((200, list))) = self.ask(Ask::get(MAPS)) else { return };
        let (ended, found) = (Some(self.now()), picture_of(&list));
        for key in 0..KEYS {
            let known = found.get(&key).copied();
            self.note(key, Op::Read(known.map_or(0, |known| known.0)), begun, ended);
            self.seen.insert(key, known);
        }
    }

    fn create(&mut self, key: Key) {
        let new = self.value();
        let body = object(key, new, None);
        let ask = Ask { method: "POST", body: &body, ..Ask::get(MAPS) };
        self.write(ask, Write { key, old: Some(0), new });
    }

    fn update(&mut self, key: Key, (old, version): (Value, u64)) {
        let new = self.value();
        let (path, body) = (format!("{MAPS}/k-{key}"), object(key, new, Some(version)));
        let ask = Ask { method: "PUT", body: &body, ..Ask::get(&path) };
        self.write(ask, Write { key, old: Some(old), new });
    }

    /// A change that does not care what it finds.
    fn patch(&mut self, key: Key) {
        let new = self.value();
        let body = json!({ "data": { "v": new.to_string() } }).to_string();
        let path = format!("{MAPS}/k-{key}");
        let media_type = "application/merge-patch+json";
        let ask = Ask { method: "PATCH", media_type, body: &body, path: &path };
        self.write(ask, Write { key, old: None, new });
    }

    fn delete(&mut self, key: Key, (old, version): (Value, u64)) {
        let options = json!({ "preconditions": { "resourceVersion": version.to_string() } });
        let (path, body) = (format!("{MAPS}/k-{key}"), options.to_string());
        let ask = Ask { method: "DELETE", body: &body, ..Ask::get(&path) };
        self.write(ask, Write { key, old: Some(old), new: 0 });
    }

    fn value(&mut self) -> Value {
        let value = self.load.values.fetch_add(1, Ordering::Relaxed);
        self.history.sent.insert(value);
        value
    }

    fn write(&mut self, ask: Ask<'_>, Write { key, old, new }: Write) {
        let wanted = old.map_or(Op::Write(new), |old| Op::Swap(old, new));
        let begun = self.now();
        let Some(answer) = self.ask(ask) else { return };
        let ended = Some(self.now());
        let (code, found) = answer.unwrap_or((0, Json::Null));
        match (code, old) {
            (200 | 201, _) => {
                let version = (new != 0).then(|| version_of(&found));
                if let Some(version) = version {
                    let twice = self.history.writes.insert(version, (key, new));
                    assert_eq!(twice, None, "revision {version} came twice");
                }
                self.note(key, wanted, begun, ended);
                self.seen.insert(key, version.map(|version| (new, version)));
            }
            (404, _) => {
                let op = old.map_or(Op::Read(0), |old| Op::SwapFailed(old, 0));
                self.note(key, op, begun, ended);
                self.seen.insert(key, None);
            }
            (409, Some(old)) => {
                self.note(key, Op::Refused(old), begun, ended);
                // It has to look again.
                self.seen.remove(&key);
            }
            // Others were faster again and again, or too many asked: nothing was done.
            (409 | 429, _) => {}
            // No answer, or one that says that nobody knows.
            (0 | 500.., _) => self.note(key, wanted, begun, None),
            (code, _) => panic!("{code}: {found}"),
        }
    }
}
