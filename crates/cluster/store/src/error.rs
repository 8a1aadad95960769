//! What can go wrong, in words that say what to do. The backends share these, so that whoever
//! stands above never asks which one answers.

use crate::kv::{LeaseId, Revision};

/// Why an operation of the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The history asked for is gone.
    #[error(
        "revision {asked} has been compacted (kept is what follows {compacted}): list anew and watch from there"
    )]
    Compacted {
        /// What was asked for.
        asked: Revision,
        /// The newest revision whose history is gone; 0 if the backend did not say.
        compacted: Revision,
    },
    /// A revision that does not exist yet.
    #[error("revision {asked} lies in the future: the store is at {current}")]
    Future {
        /// What was asked for.
        asked: Revision,
        /// The newest; 0 if the backend did not say.
        current: Revision,
    },
    /// Something is larger than its limit.
    #[error("{what} of {size_bytes} bytes is larger than the limit of {limit_bytes}")]
    TooLarge {
        /// Key, value or transaction.
        what: &'static str,
        /// How large.
        size_bytes: usize,
        /// How large it may be.
        limit_bytes: usize,
    },
    /// A request that can never be right.
    #[error("the store refuses the request: {0}")]
    Invalid(Invalid),
    /// A watcher did not take its events.
    #[error(
        "the watcher fell more than {limit} events behind and was cut off: list anew and watch from there"
    )]
    Slow {
        /// How many may wait.
        limit: usize,
    },
    /// Too many watchers.
    #[error("{limit} watchers already watch the same objects: try again later")]
    TooManyWatchers {
        /// How many there may be.
        limit: usize,
    },
    /// Too many writes wait.
    #[error("{waiting} writes already wait for the store: try again later")]
    Overloaded {
        /// How many.
        waiting: usize,
    },
    /// No such lease, or no longer.
    #[error("lease {0} does not exist or has expired: ask for a new one")]
    NoLease(LeaseId),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A write failed and none can follow it.
    #[error(
        "the store takes no more writes since one failed ({kind}: {reason}); whether that one is kept shows at the next start: mend the disk and start again"
    )]
    Stopped {
        /// What the system said.
        kind: std::io::ErrorKind,
        /// The same in its words, with the file.
        reason: String,
    },
    /// The backend cannot be reached.
    #[error("the store cannot be reached at {endpoints}: {reason}")]
    Unavailable {
        /// Where it was tried.
        endpoints: String,
        /// What the last try said.
        reason: String,
    },
    /// A write was sent and its answer was lost.
    #[error("the answer to a write was lost ({reason}): read the key to see whether it happened")]
    Uncertain {
        /// How it was lost.
        reason: String,
    },
    /// The backend answered something that none of the above says.
    #[error("the store answered with code {code}: {message}")]
    Backend {
        /// gRPC's code.
        code: u32,
        /// Its words.
        message: String,
    },
    /// The backend cannot do this.
    #[error("this store cannot {what}: {instead}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A file could not be read or written by a task beside the writes (snapshot, defragmentation).
    #[error("{what} failed ({kind}): {reason}")]
    Io {
        /// Which task.
        what: &'static str,
        /// What the system said.
        kind: std::io::ErrorKind,
        /// The same in its words.
        reason: String,
    },
}

/// Why a request can never be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A key of no bytes.
    #[error("a key is empty")]
    EmptyKey,
    /// One key twice in one transaction.
    #[error("a key stands twice in one transaction")]
    DuplicateKey,
    /// Too many writes in one transaction.
    #[error("a transaction has more than {limit} writes")]
    TooManyWrites {
        /// How many there may be.
        limit: usize,
    },
    /// A transaction without a write.
    #[error("a transaction has no writes")]
    NoWrites,
    /// A lease without time.
    #[error("a lease lasts at least a second and at most {limit_s} s")]
    LeaseTime {
        /// The longest.
        limit_s: u64,
    },
}
