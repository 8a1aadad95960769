//! A watcher of a cache: a place in the window of events, nothing more. Behind the window it is
//! cut off.

use super::{CacheEvent, Entry, Item, Shared};
use crate::error::Error;
use crate::kv::{Revision, Span};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a watcher sees.
#[derive(Debug)]
pub enum CacheMessage<T> {
    /// What was there at the beginning.
    Initial(Arc<Item<T>>),
    /// All of it has been said, as of this revision.
    InitialEnd(Revision),
    /// A change.
    Event(Arc<CacheEvent<T>>),
    /// Nothing up to this revision is still to come.
    Bookmark(Revision),
}

/// A running watch of a cache; dropping it ends it.
pub struct CacheWatch<T> {
    shared: Arc<Shared<T>>,
    id: u64,
    span: Span,
    /// The number of the next event to look at.
    next: u64,
    /// Events up to this revision are not wanted.
    after: Revision,
    epoch: u64,
    initial: Option<(std::vec::IntoIter<Arc<Item<T>>>, Revision)>,
}

impl<T> std::fmt::Debug for CacheWatch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheWatch").field("span", &self.span).finish_non_exhaustive()
    }
}

impl<T> Drop for CacheWatch<T> {
    fn drop(&mut self) {
        self.shared.watchers().entries.remove(&self.id);
    }
}

impl<T> CacheWatch<T> {
    /// After a revision that is still in the window.
    pub(super) fn after(
        shared: &Arc<Shared<T>>,
        span: Span,
        after: Revision,
        bookmarks: bool,
    ) -> Result<Self, Error> {
        let state = shared.read();
        if after < state.oldest {
            return Err(Error::Compacted { asked: after, compacted: state.oldest });
        }
        let behind = state.window.partition_point(|event| event.revision <= after);
        let (next, epoch) = (state.first + behind as u64, state.epoch);
        drop(state);
        let id = register(shared, &span, bookmarks)?;
        Ok(Self { shared: Arc::clone(shared), id, span, next, after, epoch, initial: None })
    }

    /// With everything there is.
    pub(super) fn initial(
        shared: &Arc<Shared<T>>,
        span: Span,
        bookmarks: bool,
    ) -> Result<Self, Error> {
        let state = shared.read();
        let (next, epoch) = (state.first + state.window.len() as u64, state.epoch);
        let (items, after) = (state.list(&span), state.revision);
        drop(state);
        let id = register(shared, &span, bookmarks)?;
        let initial = Some((items.into_iter(), after));
        Ok(Self { shared: Arc::clone(shared), id, span, next, after, epoch, initial })
    }

    /// The next message. An error is the last.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<CacheMessage<T>, Error>> {
        if let Some((items, revision)) = &mut self.initial {
            if let Some(item) = items.next() {
                return Poll::Ready(Ok(CacheMessage::Initial(item)));
            }
            let revision = *revision;
            self.initial = None;
            return Poll::Ready(Ok(CacheMessage::InitialEnd(revision)));
        }
        // First the waker, then the look: what comes between wakes it.
        let bookmark_due = {
            let mut watchers = self.shared.watchers();
            let Some(entry) = watchers.entries.get_mut(&self.id) else {
                return Poll::Ready(Err(Error::Closed));
            };
            entry.waker = Some(context.waker().clone());
            std::mem::take(&mut entry.bookmark_due)
        };
        let state = self.shared.read();
        if state.epoch != self.epoch {
            let asked = self.after;
            return Poll::Ready(Err(Error::Compacted { asked, compacted: state.oldest }));
        }
        let Some(skip) = self.next.checked_sub(state.first) else {
            return Poll::Ready(Err(Error::Slow { limit: self.shared.config.window }));
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(state.window.len());
        for event in state.window.range(skip..) {
            self.next += 1;
            if event.revision > self.after && self.span.contains(&event.item.kv.key) {
                // A bookmark that was due is not lost: it comes when the watcher has caught up.
                if bookmark_due
                    && let Some(entry) = self.shared.watchers().entries.get_mut(&self.id)
                {
                    entry.bookmark_due = true;
                }
                return Poll::Ready(Ok(CacheMessage::Event(Arc::clone(event))));
            }
        }
        if bookmark_due && state.revision >= self.after {
            return Poll::Ready(Ok(CacheMessage::Bookmark(state.revision)));
        }
        Poll::Pending
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<CacheMessage<T>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

fn register<T>(shared: &Shared<T>, span: &Span, wants_bookmarks: bool) -> Result<u64, Error> {
    let mut watchers = shared.watchers();
    let waiting = watchers.entries.len();
    if waiting >= shared.config.watchers {
        return Err(Error::TooManyWatchers { limit: shared.config.watchers });
    }
    watchers.last += 1;
    let id = watchers.last;
    let span = span.clone();
    watchers.entries.insert(id, Entry { span, wants_bookmarks, bookmark_due: false, waker: None });
    Ok(id)
}
