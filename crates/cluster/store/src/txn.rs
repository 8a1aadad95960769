//! Transactions: several writes that happen together, or not at all, under conditions on the
//! revisions of their keys. With one write they are create-if-absent, update-if and delete-if.

use crate::error::{Error, Invalid};
use crate::kv::{KeyValue, LeaseId, Revision};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;

/// Writes in one transaction (etcd's own default).
pub const MAX_WRITES: usize = 128;
/// Bytes of a key.
pub const MAX_KEY_BYTES: usize = 4096;
/// Bytes of a value and of all values of one transaction (etcd's own default for a request, less
/// what its envelope takes).
pub const MAX_TXN_BYTES: usize = 1536 * 1024 - 16 * 1024;

/// What has to be true of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// There is no such key.
    Absent,
    /// The key was last changed by this revision; 0 is [`Expect::Absent`].
    Revision(Revision),
}

/// What is done to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It gets this value.
    Put {
        /// The value.
        value: Bytes,
        /// The lease that ends the key; 0 for none.
        lease: LeaseId,
    },
    /// It goes, if it is there.
    Delete,
    /// Nothing: only the condition counts.
    Check,
}

/// One key of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Bytes,
    /// Its condition.
    pub expect: Expect,
    /// What is done if all conditions hold.
    pub change: Change,
}

/// Writes that happen together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// The writes; no key twice.
    pub writes: Vec<Write>,
}

/// How a transaction ended. Not an error: a conflict is an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All conditions held and everything was done.
    Done {
        /// The revision that did it; the store's own if nothing had to change.
        revision: Revision,
    },
    /// A condition did not hold and nothing was done.
    Conflict {
        /// The store's revision.
        revision: Revision,
        /// What stands at each write's key.
        current: Vec<Option<Arc<KeyValue>>>,
    },
}

impl Outcome {
    /// The revision at which it was decided.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Done { revision } | Self::Conflict { revision, .. } => *revision,
        }
    }

    /// Whether everything was done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl Txn {
    /// One write.
    pub fn one(key: impl Into<Bytes>, expect: Expect, change: Change) -> Self {
        Self { writes: vec![Write { key: key.into(), expect, change }] }
    }

    /// Makes a key that must not be there.
    pub fn create(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::one(key, Expect::Absent, Change::Put { value: value.into(), lease: 0 })
    }

    /// Sets a key, whatever it was.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::one(key, Expect::Any, Change::Put { value: value.into(), lease: 0 })
    }

    /// Changes a key that must stand at a revision.
    pub fn update(key: impl Into<Bytes>, revision: Revision, value: impl Into<Bytes>) -> Self {
        Self::one(key, Expect::Revision(revision), Change::Put { value: value.into(), lease: 0 })
    }

    /// Deletes a key that must stand at a revision.
    pub fn delete(key: impl Into<Bytes>, revision: Revision) -> Self {
        Self::one(key, Expect::Revision(revision), Change::Delete)
    }

    /// Refuses what no backend may take.
    pub fn check(&self) -> Result<(), Error> {
        if self.writes.is_empty() {
            return Err(Error::Invalid(Invalid::NoWrites));
        }
        if self.writes.len() > MAX_WRITES {
            return Err(Error::Invalid(Invalid::TooManyWrites { limit: MAX_WRITES }));
        }
        let mut size_bytes = 0;
        for write in &self.writes {
            check_key(&write.key)?;
            size_bytes += write.key.len();
            if let Change::Put { value, .. } = &write.change {
                size_bytes += value.len();
            }
        }
        if size_bytes > MAX_TXN_BYTES {
            let what = if self.writes.len() == 1 { "a value" } else { "a transaction" };
            return Err(Error::TooLarge { what, size_bytes, limit_bytes: MAX_TXN_BYTES });
        }
        if self.writes.len() > 1 {
            let mut seen = HashSet::new();
            if !self.writes.iter().all(|write| seen.insert(&write.key)) {
                return Err(Error::Invalid(Invalid::DuplicateKey));
            }
        }
        Ok(())
    }
}

/// Refuses keys that no backend may take.
pub fn check_key(key: &[u8]) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::Invalid(Invalid::EmptyKey)),
        size_bytes if size_bytes > MAX_KEY_BYTES => {
            Err(Error::TooLarge { what: "a key", size_bytes, limit_bytes: MAX_KEY_BYTES })
        }
        _ => Ok(()),
    }
}
