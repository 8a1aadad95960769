//! What waits for the writer. Bounded: beyond the limit a write is refused at once.

use crate::error::Error;
use crate::kv::{LeaseId, Revision};
use crate::reply::Answer;
use crate::txn::{Change, Outcome, Txn};
use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests that may wait.
const MAX_WAITING: usize = 16_384;
/// Requests and bytes that one batch takes.
const MAX_BATCH: usize = 1024;
const MAX_BATCH_BYTES: usize = 1 << 20;

/// One thing for the writer.
#[derive(Debug)]
pub enum Request {
    /// A transaction.
    Commit(Txn, Answer<Outcome>),
    /// Forget history.
    Compact(Revision, Answer<()>),
    /// A new lease of so many seconds.
    Grant(u64, Answer<LeaseId>),
    /// A lease's time starts anew.
    KeepAlive(LeaseId, Answer<u64>),
    /// A lease ends.
    Revoke(LeaseId, Answer<()>),
    /// A checkpoint, and what it is for.
    Checkpoint(Answer<()>),
    /// The keeper made one: its batch and size.
    Checkpointed(io::Result<(u64, u64)>, Option<Answer<()>>),
}

impl Request {
    fn size(&self) -> usize {
        let Self::Commit(txn, _) = self else { return 0 };
        let size = |write: &crate::txn::Write| match &write.change {
            Change::Put { value, .. } => write.key.len() + value.len(),
            _ => write.key.len(),
        };
        txn.writes.iter().map(size).sum()
    }
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Request>,
    /// The writer's thread has something to look at.
    woken: bool,
    closed: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
}

impl Queue {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request.
    pub fn push(&self, request: Request) -> Result<(), Error> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(Error::Closed);
        }
        if inner.waiting.len() >= MAX_WAITING {
            return Err(Error::Overloaded { waiting: inner.waiting.len() });
        }
        inner.waiting.push_back(request);
        Ok(())
    }

    /// Whether something waits.
    pub fn is_empty(&self) -> bool {
        self.inner().waiting.is_empty()
    }

    /// Wakes the writer's thread.
    pub fn wake(&self) {
        self.inner().woken = true;
        self.filled.notify_one();
    }

    /// Tells that a checkpoint was made; never refused, there is at most one.
    pub fn push_checkpoint(&self, done: io::Result<(u64, u64)>, answer: Option<Answer<()>>) {
        let mut inner = self.inner();
        inner.waiting.push_back(Request::Checkpointed(done, answer));
        inner.woken = true;
        drop(inner);
        self.filled.notify_one();
    }

    /// Sleeps until there is something to do, or the time is over; answers whether to go on.
    pub fn wait(&self, at_most: Option<Duration>) -> bool {
        let mut inner = self.inner();
        while !inner.woken && !inner.closed {
            inner = match at_most {
                None => self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let waited = self.filled.wait_timeout(inner, time);
                    let (inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        return true;
                    }
                    inner
                }
            };
        }
        inner.woken = false;
        !inner.closed || !inner.waiting.is_empty()
    }

    /// The next batch.
    pub fn take(&self) -> Vec<Request> {
        let mut inner = self.inner();
        let mut bytes = 0;
        let fits = inner.waiting.iter().take(MAX_BATCH).take_while(|request| {
            let before = bytes;
            bytes += request.size();
            before == 0 || bytes <= MAX_BATCH_BYTES
        });
        let count = fits.count();
        inner.waiting.drain(..count).collect()
    }

    /// Takes no more and drops what waits, which answers it.
    pub fn end(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(waiting);
    }

    /// Takes no more.
    pub fn close(&self) {
        self.inner().closed = true;
        self.filled.notify_one();
    }
}
