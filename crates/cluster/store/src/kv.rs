//! Keys, values, revisions, events, and spans of keys.
//!
//! A revision counts changes of the whole store: every transaction that changed something has the
//! next one. A key is bytes; Kubernetes lays objects out as `/registry/<group>/<resource>/<ns>/<name>`.

use bytes::Bytes;
use std::sync::Arc;

/// The number of a change; 0 is before the first.
pub type Revision = u64;

/// The number of a lease; 0 is none.
pub type LeaseId = u64;

/// One version of a key. Shared by the index, the history, every event and every cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value; empty when deleted.
    pub value: Bytes,
    /// The revision that made the key; 0 says that this version is a deletion.
    pub created: Revision,
    /// The revision of this version.
    pub modified: Revision,
    /// The lease that ends it; 0 for none.
    pub lease: LeaseId,
}

impl KeyValue {
    /// Whether this version says that the key is gone.
    pub fn is_deletion(&self) -> bool {
        self.created == 0
    }
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was made.
    Created,
    /// It got another value.
    Updated,
    /// It is gone.
    Deleted,
}

/// A change of one key, as watchers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The version that came; for a deletion only the key and the revision say something.
    pub kv: Arc<KeyValue>,
    /// The version before, if there was one and it was not compacted.
    pub previous: Option<Arc<KeyValue>>,
}

impl Event {
    /// What happened.
    pub fn kind(&self) -> EventKind {
        match self.kv.created {
            0 => EventKind::Deleted,
            made if made == self.kv.modified => EventKind::Created,
            _ => EventKind::Updated,
        }
    }
}

/// Keys from `start` up to, but not including, `end`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first.
    pub start: Bytes,
    /// The first beyond; empty for no end.
    pub end: Bytes,
}

impl Span {
    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        let start = key.into();
        let end = after(&start);
        Self { start, end }
    }

    /// All keys that begin with these bytes.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let mut end = start.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        Self { start, end: end.into() }
    }

    /// The rest of this span behind a key, for the next page.
    #[must_use]
    pub fn behind(&self, key: &[u8]) -> Self {
        Self { start: after(key), end: self.end.clone() }
    }

    /// Whether a key lies in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &*self.start && (self.end.is_empty() || key < &*self.end)
    }

    /// Whether no key can lie in it.
    pub fn is_empty(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }
}

/// The next key there can be.
fn after(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans() {
        let check = |span: Span, inside: &[&[u8]], outside: &[&[u8]]| {
            for key in inside {
                assert!(span.contains(key), "{span:?} has {key:?}");
            }
            for key in outside {
                assert!(!span.contains(key), "{span:?} has not {key:?}");
            }
        };
        check(Span::key("a"), &[b"a"], &[b"", b"a\0", b"b"]);
        check(Span::prefix("a/"), &[b"a/", b"a/b", b"a/\xff\xff"], &[b"a", b"a0", b"b"]);
        check(Span::prefix(&b"a\xff"[..]), &[b"a\xff", b"a\xffz"], &[b"a", b"b"]);
        check(Span::prefix(&b"\xff\xff"[..]), &[b"\xff\xff", b"\xff\xff\xff"], &[b"\xff", b"a"]);
        check(Span::prefix(""), &[b"", b"a", b"\xff"], &[]);
        check(Span::prefix("a").behind(b"ab"), &[b"ab\0", b"ac"], &[b"ab", b"aa", b"b"]);
        assert!(Span::key("b").behind(b"b").is_empty());
    }
}
