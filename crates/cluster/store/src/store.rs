//! The contract that every backend keeps. It is `dyn`-safe: the server holds an `Arc<dyn Store>`.

use crate::error::Error;
use crate::kv::{KeyValue, LeaseId, Revision, Span};
use crate::reply::Reply;
use crate::txn::{Outcome, Txn};
use crate::watch::{Watch, WatchRequest};
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;

/// Whether a read has to see everything that was answered before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// It has to.
    #[default]
    Linearizable,
    /// It may be a little behind (etcd: served by whichever member answers, without asking others).
    Local,
}

/// The answer to [`Store::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The store's revision when it was read.
    pub revision: Revision,
    /// The key, if it is there.
    pub kv: Option<Arc<KeyValue>>,
}

/// What to list.
#[derive(Debug, Clone)]
pub struct Range {
    /// The keys.
    pub span: Span,
    /// As it stood at this revision; 0 for now.
    pub at: Revision,
    /// At most so many; 0 for all. The next page is the same request with [`Span::behind`] the last
    /// key, at the first page's revision.
    pub limit: usize,
    /// Whether to count all that lie in the span.
    pub count: bool,
    /// See there.
    pub consistency: Consistency,
}

impl Range {
    /// Everything in a span, now.
    pub fn all(span: Span) -> Self {
        Self { span, at: 0, limit: 0, count: false, consistency: Consistency::default() }
    }
}

/// The answer to [`Store::range`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The store's revision when it was read (not the one that was asked for).
    pub revision: Revision,
    /// In order of keys.
    pub kvs: Vec<Arc<KeyValue>>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many lie in the span, if that was asked for.
    pub count: u64,
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The newest revision.
    pub revision: Revision,
    /// The newest whose history is gone (0: none, or the backend does not say).
    pub compacted: Revision,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes of keys and values that are alive or kept as history (0: the backend does not say).
    pub data_bytes: u64,
}

/// Keys with revisions. All of it may be called from any thread and any runtime.
pub trait Store: Send + Sync + 'static {
    /// One key as it is now.
    fn get(&self, key: &[u8], consistency: Consistency) -> Reply<Found>;

    /// The keys of a span.
    fn range(&self, range: Range) -> Reply<Listed>;

    /// Several writes under conditions, together or not at all. Durable when answered.
    fn commit(&self, txn: Txn) -> Reply<Outcome>;

    /// The changes of a span; from the answer on nothing is missed.
    fn watch(&self, request: WatchRequest) -> Reply<Watch>;

    /// A lease of so many seconds: when it ends, its keys are deleted. It starts anew when the store does.
    fn grant(&self, seconds: u64) -> Reply<LeaseId>;

    /// Starts a lease's time anew; answers its length in seconds.
    fn keep_alive(&self, lease: LeaseId) -> Reply<u64>;

    /// Ends a lease and deletes its keys.
    fn revoke(&self, lease: LeaseId) -> Reply<()>;

    /// Forgets the history before a revision: reads below it and watches from it on fail afterwards.
    fn compact(&self, revision: Revision) -> Reply<()>;

    /// Gives disk space back, while reads and writes go on.
    fn defragment(&self) -> Reply<()>;

    /// Writes everything, as of one revision, for a restore; answers the bytes written.
    fn snapshot(&self, sink: Box<dyn Write + Send>) -> Reply<u64>;

    /// How it is.
    fn status(&self) -> Reply<Status>;
}

/// A key's text for messages and tests.
pub fn printable(key: &Bytes) -> String {
    key.escape_ascii().to_string()
}

/// The error of a task beside the writes.
pub(crate) fn io_error(what: &'static str, error: &std::io::Error) -> Error {
    Error::Io { what, kind: error.kind(), reason: error.to_string() }
}
