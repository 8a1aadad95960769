//! What a cache holds and hands out: shared, and encoded once.

use crate::kv::{EventKind, KeyValue, Revision};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// The encoding of a shape. It is made while nobody is kept waiting: making one may take a call to
    /// somebody else, and the threads that would wait are those that carry the call.
    pub fn get(&self, shape: u64, make: impl FnOnce() -> Bytes) -> Bytes {
        let find = |known: &Vec<(u64, Bytes)>| {
            known.iter().find(|(known, _)| *known == shape).map(|(_, bytes)| bytes.clone())
        };
        if let Some(bytes) = find(&self.lock()) {
            return bytes;
        }
        let bytes = make();
        let mut known = self.lock();
        // Who was first is kept, so that all have one copy.
        if let Some(first) = find(&known) {
            return first;
        }
        if known.len() < MAX_SHAPES {
            known.push((shape, bytes.clone()));
        }
        bytes
    }

    /// Lets go of them; whoever still needs one makes it again.
    pub(super) fn forget(&self) {
        *self.lock() = Vec::new();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Encodings;
    use bytes::Bytes;

    #[test]
    fn making_one_keeps_nobody_waiting() {
        let encodings = Encodings::default();
        let made = encodings.get(1, || {
            // Somebody is faster, with the same and with another.
            encodings.get(1, || Bytes::from_static(b"first"));
            encodings.get(2, || Bytes::from_static(b"other"));
            Bytes::from_static(b"second")
        });
        assert_eq!(made, "first");
        assert_eq!(encodings.get(2, Bytes::new), "other");
    }
}
