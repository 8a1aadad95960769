//! Everything that is alive or kept as history, in memory, ordered by key and by revision.
//!
//! Pure: it is told what became durable and answers reads. Versions are shared (`Arc`) between the
//! index, the history and whoever reads or watches, so a value is in memory once. Invariants:
//! `history` holds every event after `compacted` in order; a key's versions ascend; the oldest kept
//! version of a key is either the newest at or below `compacted`, or younger.

use crate::error::Error;
use crate::kv::{Event, KeyValue, LeaseId, Revision, Span};
use crate::store::{Listed, Range};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// The events of one revision.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Which.
    pub revision: Revision,
    /// In the order of the transaction.
    pub events: Vec<Event>,
}

/// A lease that has not ended.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its length.
    pub seconds: u64,
    /// When it ends, by the store's clock.
    pub ends: Duration,
    /// What ends with it.
    pub keys: BTreeSet<Bytes>,
}

/// The versions of one key. Most have one.
#[derive(Debug)]
enum Versions {
    One(Arc<KeyValue>),
    Many(Vec<Arc<KeyValue>>),
}

impl Versions {
    fn all(&self) -> &[Arc<KeyValue>] {
        match self {
            Self::One(kv) => std::slice::from_ref(kv),
            Self::Many(kvs) => kvs,
        }
    }

    /// The version that a read at a revision sees.
    fn at(&self, revision: Revision) -> Option<&Arc<KeyValue>> {
        self.all().iter().rev().find(|kv| kv.modified <= revision).filter(|kv| !kv.is_deletion())
    }

    fn push(&mut self, kv: Arc<KeyValue>) {
        match self {
            Self::Many(kvs) => kvs.push(kv),
            Self::One(first) => *self = Self::Many(vec![Arc::clone(first), kv]),
        }
    }

    /// Forgets what no read at or after a revision can see; answers whether nothing is left, and
    /// the bytes that went.
    fn prune(&mut self, revision: Revision) -> (bool, usize) {
        let all = self.all();
        let older = all.iter().take_while(|kv| kv.modified <= revision).count();
        let Some(newest) = older.checked_sub(1) else { return (false, 0) };
        let first = if all[newest].is_deletion() { older } else { newest };
        let gone = all[..first].iter().map(|kv| size_of_version(kv)).sum();
        match all.len() - first {
            0 => return (true, gone),
            _ if first == 0 => {}
            1 => *self = Self::One(Arc::clone(&all[first])),
            _ => *self = Self::Many(all[first..].to_vec()),
        }
        (false, gone)
    }
}

/// What a version is counted with.
fn size_of_version(kv: &KeyValue) -> usize {
    kv.key.len() + kv.value.len()
}

/// The memory of an embedded store.
#[derive(Debug, Default)]
pub struct State {
    keys: BTreeMap<Bytes, Versions>,
    history: VecDeque<Commit>,
    /// The newest revision.
    pub revision: Revision,
    /// The newest revision whose history is gone.
    pub compacted: Revision,
    /// The number of the last batch of the log that is in here.
    pub batch: u64,
    /// Leases that have not ended.
    pub leases: HashMap<LeaseId, Lease>,
    /// The newest lease's number; numbers are not used twice.
    pub last_lease: LeaseId,
    /// Bytes of keys and values of all versions.
    pub data_bytes: usize,
    /// Checkpoints and snapshots under way: what they have promised to hold is not forgotten.
    pub readers: usize,
}

impl State {
    /// The newest version of a key, if it is alive.
    pub fn get(&self, key: &[u8]) -> Option<&Arc<KeyValue>> {
        self.keys.get(key)?.all().last().filter(|kv| !kv.is_deletion())
    }

    /// Refuses revisions that cannot be read.
    pub fn readable(&self, at: Revision) -> Result<Revision, Error> {
        match at {
            0 => Ok(self.revision),
            asked if asked > self.revision => Err(Error::Future { asked, current: self.revision }),
            asked if asked < self.compacted => {
                Err(Error::Compacted { asked, compacted: self.compacted })
            }
            asked => Ok(asked),
        }
    }

    /// A part of a range: at most `most` keys are looked at. `Err` carries where to go on.
    pub fn range(
        &self,
        range: &Range,
        at: Revision,
        most: usize,
        into: &mut Listed,
    ) -> Option<Span> {
        if range.span.is_empty() {
            return None;
        }
        let end = match range.span.end.is_empty() {
            true => Bound::Unbounded,
            false => Bound::Excluded(&*range.span.end),
        };
        let wanted = if range.limit == 0 { usize::MAX } else { range.limit };
        let found = self.keys.range::<[u8], _>((Bound::Included(&*range.span.start), end));
        for (looked, (key, versions)) in found.enumerate() {
            if looked == most {
                return Some(Span { start: key.clone(), end: range.span.end.clone() });
            }
            let Some(kv) = versions.at(at) else { continue };
            into.count += 1;
            if into.kvs.len() < wanted {
                into.kvs.push(Arc::clone(kv));
            } else {
                into.more = true;
                if !range.count {
                    return None;
                }
            }
        }
        None
    }

    /// What became durable.
    pub fn apply(&mut self, commit: Commit) {
        debug_assert_eq!(commit.revision, self.revision + 1, "revisions have no gaps");
        self.revision = commit.revision;
        for event in &commit.events {
            let kv = &event.kv;
            self.data_bytes += size_of_version(kv);
            if let Some(previous) = event.previous.as_ref().filter(|kv| kv.lease != 0)
                && let Some(lease) = self.leases.get_mut(&previous.lease)
            {
                lease.keys.remove(&kv.key);
            }
            if kv.lease != 0
                && let Some(lease) = self.leases.get_mut(&kv.lease)
            {
                lease.keys.insert(kv.key.clone());
            }
            match self.keys.get_mut(&kv.key) {
                Some(versions) => versions.push(Arc::clone(kv)),
                None => {
                    self.keys.insert(kv.key.clone(), Versions::One(Arc::clone(kv)));
                }
            }
        }
        self.history.push_back(commit);
    }

    /// Forgets history, at most `most` revisions of it; answers whether more has to go. The caller
    /// has set `compacted` before the first call. While somebody reads, nothing goes: he who reads
    /// last goes on with it.
    pub fn prune(&mut self, most: usize) -> bool {
        let compacted = self.compacted;
        if self.readers > 0 {
            return false;
        }
        for _ in 0..most {
            if self.history.front().is_none_or(|commit| commit.revision > compacted) {
                return false;
            }
            let Some(commit) = self.history.pop_front() else { return false };
            for event in commit.events {
                let Some(versions) = self.keys.get_mut(&event.kv.key) else { continue };
                let (empty, bytes) = versions.prune(compacted);
                self.data_bytes -= bytes.min(self.data_bytes);
                if empty {
                    self.keys.remove(&event.kv.key);
                }
            }
        }
        self.history.front().is_some_and(|commit| commit.revision <= compacted)
    }

    /// Commits from a revision on.
    pub fn since(&self, revision: Revision) -> impl Iterator<Item = &Commit> {
        let first = self.history.front().map_or(0, |commit| commit.revision);
        let skip = usize::try_from(revision.saturating_sub(first)).unwrap_or(usize::MAX);
        self.history.range(skip.min(self.history.len())..)
    }

    /// Versions up to a revision of at most `most` keys from a key on, for a checkpoint; the key to
    /// go on from.
    pub fn versions(
        &self,
        from: &[u8],
        upto: Revision,
        most: usize,
        into: &mut Vec<Arc<KeyValue>>,
    ) -> Option<Bytes> {
        let found = self.keys.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        for (looked, (key, versions)) in found.enumerate() {
            if looked == most {
                return Some(key.clone());
            }
            into.extend(versions.all().iter().filter(|kv| kv.modified <= upto).cloned());
        }
        None
    }

    /// Takes the versions of a checkpoint, in the order in which `versions` gave them.
    pub fn restore(&mut self, kvs: Vec<Arc<KeyValue>>) {
        let mut events: Vec<Event> = Vec::new();
        let mut keys: Vec<(Bytes, Versions)> = Vec::new();
        for kv in kvs {
            self.data_bytes += size_of_version(&kv);
            let same = keys.last_mut().filter(|(key, _)| *key == kv.key);
            if kv.modified > self.compacted {
                let before = same.as_ref().and_then(|(_, versions)| versions.all().last());
                let previous = before.filter(|kv| !kv.is_deletion()).cloned();
                events.push(Event { kv: Arc::clone(&kv), previous });
            }
            match same {
                Some((_, versions)) => versions.push(kv),
                None => keys.push((kv.key.clone(), Versions::One(kv))),
            }
        }
        for (_, versions) in &keys {
            let Some(kv) = versions.all().last().filter(|kv| kv.lease != 0) else { continue };
            if let Some(lease) = self.leases.get_mut(&kv.lease) {
                lease.keys.insert(kv.key.clone());
            }
        }
        self.keys = keys.into_iter().collect();
        events.sort_by_key(|event| event.kv.modified);
        let mut next = self.compacted + 1;
        for event in events {
            let revision = event.kv.modified;
            match self.history.back_mut().filter(|commit| commit.revision == revision) {
                Some(commit) => commit.events.push(event),
                None => {
                    // A checkpoint taken during a compaction may lack revisions that the log then
                    // compacts again; the history stays without gaps, so that it can be indexed.
                    self.history.extend(
                        (next..revision).map(|revision| Commit { revision, events: Vec::new() }),
                    );
                    self.history.push_back(Commit { revision, events: vec![event] });
                    next = revision + 1;
                }
            }
        }
        let rest = (next..=self.revision).map(|revision| Commit { revision, events: Vec::new() });
        self.history.extend(rest);
    }
}
