//! What a cache holds and hands out: shared, and encoded once.

use crate::kv::{EventKind, KeyValue, Revision};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Encodings that one event keeps; further ones are made each time.
const MAX_SHAPES: usize = 16;

/// An object: as stored, and as decoded.
#[derive(Debug)]
pub struct Item<T> {
    /// As stored.
    pub kv: Arc<KeyValue>,
    /// As decoded.
    pub object: T,
}

/// A change, shared by all watchers.
#[derive(Debug)]
pub struct CacheEvent<T> {
    /// Its revision.
    pub revision: Revision,
    /// What happened.
    pub kind: EventKind,
    /// What came; for a deletion what was there last.
    pub item: Arc<Item<T>>,
    /// What was there before an update.
    pub previous: Option<Arc<Item<T>>>,
    /// As it is sent.
    pub encodings: Encodings,
}

/// The encodings of an event, each made by whoever needs it first. A shape is the caller's number
/// for all that an encoding depends on: format, version, table or object.
#[derive(Debug, Default)]
pub struct Encodings(Mutex<Vec<(u64, Bytes)>>);

impl Encodings {
    /// The encoding of a shape.
    pub fn get(&self, shape: u64, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = known.iter().find(|(known, _)| *known == shape) {
            return bytes.clone();
        }
        let bytes = make();
        if known.len() < MAX_SHAPES {
            known.push((shape, bytes.clone()));
        }
        bytes
    }
}
