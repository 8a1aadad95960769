//! What clients asked and were answered, and what has to be true of it.

use super::watcher::Seen;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use teu_store::suite::linear::{Call, Op, Value, Verdict, check};

/// A key of the load.
pub type Key = usize;

/// All keys as one read found them: value and resource version.
pub type Picture = BTreeMap<Key, (Value, u64)>;

/// A write that was answered: the object that was made of which value, under which resource version.
pub type Writes = BTreeMap<u64, (Key, Value)>;

/// What came of a load.
#[derive(Default)]
pub struct History {
    pub calls: HashMap<Key, Vec<Call>>,
    /// Writes that were acknowledged.
    pub writes: Writes,
    /// Values that were sent, answered or not.
    pub sent: BTreeSet<Value>,
}

impl History {
    /// Adds what another client did. No revision may be there twice.
    pub fn merge(&mut self, other: Self) {
        for (key, calls) in other.calls {
            self.calls.entry(key).or_default().extend(calls);
        }
        for (revision, write) in other.writes {
            let twice = self.writes.insert(revision, write);
            assert_eq!(twice, None, "revision {revision} was given out twice, then for {write:?}");
        }
        self.sent.extend(other.sent);
    }

    pub fn answered(&self) -> usize {
        self.calls.values().flatten().filter(|call| call.ended.is_some()).count()
    }

    pub fn lost(&self) -> usize {
        self.calls.values().flatten().filter(|call| call.ended.is_none()).count()
    }

    /// Judges every key: `first` stood there before, `last` (read at `at`) stands there now.
    pub fn judge(&self, first: &Picture, last: &Picture, at: u64) {
        let value = |picture: &Picture, key| picture.get(key).map_or(0, |known| known.0);
        let keys: BTreeSet<&Key> =
            first.keys().chain(last.keys()).chain(self.calls.keys()).collect();
        for key in keys {
            let mut calls = self.calls.get(key).cloned().unwrap_or_default();
            let end = Call { op: Op::Read(value(last, key)), begun: at, ended: Some(at + 1) };
            calls.push(end);
            let verdict = check(value(first, key), calls.clone());
            let begun = value(first, key);
            assert_eq!(verdict, Verdict::Linearizable, "key {key} from {begun}: {calls:#?}");
        }
    }
}

/// What watchers saw has to be one and the same story, with each acknowledged write in it, from
/// `first` to `last`.
pub fn check_watchers(stories: &[Vec<Seen>], history: &History, first: &Picture, last: &Picture) {
    for story in stories {
        for pair in story.windows(2) {
            assert!(pair[0].revision < pair[1].revision, "not in order, or twice: {pair:?}");
        }
        check_story(story, history, first, last);
    }
    for pair in stories.windows(2) {
        let differs = pair[0].iter().zip(&pair[1]).find(|(one, other)| one != other);
        assert_eq!(differs, None, "two watchers saw different things");
        assert_eq!(pair[0].len(), pair[1].len(), "one watcher saw more than another");
    }
}

fn check_story(story: &[Seen], history: &History, first: &Picture, last: &Picture) {
    let mut now: Picture = first.clone();
    for seen in story {
        let before = now.get(&seen.key).copied();
        match (&*seen.kind, before) {
            ("ADDED", None) | ("MODIFIED", Some(_)) => {
                now.insert(seen.key, (seen.value, seen.revision));
                assert!(history.sent.contains(&seen.value), "nobody wrote {seen:?}");
            }
            ("DELETED", Some((value, _))) => {
                assert_eq!(value, seen.value, "gone as it was not: {seen:?}");
                now.remove(&seen.key);
            }
            _ => panic!("an event was lost before {seen:?}: the key was {before:?}"),
        }
    }
    assert_eq!(&now, last, "what watchers saw leads to something else than what is there");
    let told: HashMap<u64, &Seen> = story.iter().map(|seen| (seen.revision, seen)).collect();
    for (revision, (key, value)) in &history.writes {
        let Some(seen) = told.get(revision) else {
            panic!("nobody was told of revision {revision}: key {key}, value {value}");
        };
        assert_eq!((seen.key, seen.value), (*key, *value), "revision {revision}");
    }
}
