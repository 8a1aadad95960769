//! What objects were before they were changed, for as long as the configuration says, and the way
//! back (`docs/design/history.md`).
//!
//! Why not the store's own history: that is in memory, for watches, and minutes long. Here what a
//! change replaces is appended to a log on disk, bounded in time and bytes; what is now is only in the
//! store. Questions come through the control socket: what was is no matter of roles.
//!
//! Reading order: `record` and `log` (what is on disk), `recorder` (how it comes there), `change` (what
//! counts as one), `past` (what one object was), `questions` (what is asked).

mod change;
mod lines;
mod log;
mod past;
mod questions;
mod record;
mod recorder;

pub use past::Moment;
pub use questions::{Question, QuestionError, Row, Told};
pub use recorder::run;

use crate::sealing::Sealings;
use log::Log;
use record::Record;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// A question waits so long for what happened a moment ago to be seen.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// For how long; nothing at all for zero.
    pub span: Duration,
    /// On disk.
    pub max_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { span: Duration::from_secs(72 * 3600), max_bytes: 64 << 20 }
    }
}

/// The history of one server.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    bounds: Bounds,
    /// Which objects are encrypted at rest.
    sealings: Option<Arc<Sealings>>,
    log: Mutex<Option<Log>>,
    /// How far all is seen.
    seen: watch::Sender<Seen>,
    /// Somebody wants to know that.
    asked: Notify,
}

/// How far the recorder has come.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    revision: u64,
    /// The store cannot say that nothing was up to a revision; only what happened is seen.
    only_events: bool,
}

impl History {
    /// In a folder; nothing is opened before something has to be written.
    pub fn new(folder: PathBuf, bounds: Bounds, sealings: Option<Arc<Sealings>>) -> Self {
        let (log, seen) = (Mutex::new(None), watch::Sender::new(Seen::default()));
        Self { folder, bounds, sealings, log, seen, asked: Notify::new() }
    }

    /// Whether an object is not to be kept, because its values are encrypted where they are stored.
    fn leaves_out(&self, key: &[u8]) -> bool {
        self.sealings.as_ref().is_some_and(|sealings| sealings.of(key).is_some())
    }

    /// Whether anything is kept.
    pub fn is_kept(&self) -> bool {
        !self.bounds.span.is_zero() && self.bounds.max_bytes > 0
    }

    /// Waits until all is seen up to a revision of the store, or at least the object's own.
    async fn caught_up(&self, revision: u64, own: u64) -> bool {
        let mut seen = self.seen.subscribe();
        self.asked.notify_one();
        let is_enough =
            |seen: &Seen| seen.revision >= if seen.only_events { own } else { revision };
        let waiting = tokio::time::timeout(PATIENCE, seen.wait_for(is_enough));
        matches!(waiting.await, Ok(Ok(_)))
    }

    /// Waits until all is taken down that happened up to a revision, at most [`PATIENCE`].
    pub async fn has_seen(&self, revision: u64) {
        if self.is_kept() {
            let _ = self.caught_up(revision, revision).await;
        }
    }

    /// Appends; blocks.
    fn append(&self, records: &[Record]) -> io::Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_none() {
            *log = Some(Log::open(&self.folder, self.bounds)?);
        }
        match log.as_mut() {
            Some(log) => log.append(records),
            None => Ok(()),
        }
    }

    /// Up to which revision nothing is missing; blocks.
    fn last_revision(&self) -> io::Result<u64> {
        let _held = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log::last_revision(&self.folder)
    }

    /// Shows what is kept, the oldest first; blocks.
    fn scan(&self, mut visit: impl FnMut(Record)) -> io::Result<()> {
        // What is being appended is seen whole or not at all.
        let _held = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log::scan(&self.folder, &mut visit)
    }
}
