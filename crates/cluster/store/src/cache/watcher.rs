//! A watcher of a cache: a place in the window of events, nothing more. Behind the window it is
//! cut off.

use super::{CacheEvent, Call, Entry, Item, Shared};
use crate::error::Error;
use crate::kv::{Revision, Span};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
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
    entry: Arc<Entry>,
    /// The number of the next event to look at.
    next: u64,
    /// Events up to this revision are not wanted.
    after: Revision,
    /// That of the last event.
    last: Revision,
    epoch: u64,
    initial: Option<(std::vec::IntoIter<Arc<Item<T>>>, Revision)>,
}

impl<T> std::fmt::Debug for CacheWatch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheWatch").field("span", &self.entry.span).finish_non_exhaustive()
    }
}

impl<T> Drop for CacheWatch<T> {
    fn drop(&mut self) {
        let mut watchers = self.shared.watchers();
        watchers.entries.remove(&self.id);
        watchers.with_bookmarks -= usize::from(self.entry.wants_bookmarks);
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
        let (id, entry) = register(shared, span, next, bookmarks)?;
        let (shared, last) = (Arc::clone(shared), after);
        Ok(Self { shared, id, entry, next, after, last, epoch, initial: None })
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
        let (id, entry) = register(shared, span, next, bookmarks)?;
        let initial = Some((items.into_iter(), after));
        let (shared, last) = (Arc::clone(shared), after);
        Ok(Self { shared, id, entry, next, after, last, epoch, initial })
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
        // First how far all were told, then what this one was told: a bookmark shall say of nothing that
        // it has been when it is only about to be.
        let told = self.shared.told.load(Ordering::Acquire);
        // First the waker, then the look: what comes between wakes it.
        let (waits, bookmark_due) = {
            let mut call = self.entry.call();
            match &mut call.waker {
                Some(known) => known.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            (call.waits.take(), std::mem::take(&mut call.bookmark_due))
        };
        if waits.is_none() && !bookmark_due {
            return Poll::Pending;
        }
        let state = self.shared.read();
        if state.epoch != self.epoch {
            let asked = self.after;
            return Poll::Ready(Err(Error::Compacted { asked, compacted: state.oldest }));
        }
        if let Some(waits) = waits {
            self.next = self.next.max(waits);
            let Some(skip) = self.next.checked_sub(state.first) else {
                return Poll::Ready(Err(Error::Slow { limit: self.shared.config.window }));
            };
            let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(state.window.len());
            for event in state.window.range(skip..) {
                self.next += 1;
                if event.revision > self.after && self.entry.span.contains(&event.item.kv.key) {
                    let mut call = self.entry.call();
                    // What follows is looked at next; a bookmark that was due comes behind it.
                    call.waits = Some(self.next);
                    call.bookmark_due |= bookmark_due;
                    self.last = event.revision;
                    return Poll::Ready(Ok(CacheMessage::Event(Arc::clone(event))));
                }
            }
        }
        if bookmark_due && told >= self.last {
            return Poll::Ready(Ok(CacheMessage::Bookmark(told)));
        }
        Poll::Pending
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<CacheMessage<T>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

fn register<T>(
    shared: &Shared<T>,
    span: Span,
    next: u64,
    wants_bookmarks: bool,
) -> Result<(u64, Arc<Entry>), Error> {
    let mut watchers = shared.watchers();
    let waiting = watchers.entries.len();
    if waiting >= shared.config.watchers {
        return Err(Error::TooManyWatchers { limit: shared.config.watchers });
    }
    watchers.last += 1;
    let id = watchers.last;
    // What came since it looked is still to be looked at.
    let call = Mutex::new(Call { waits: Some(next), bookmark_due: false, waker: None });
    let entry = Arc::new(Entry { span, wants_bookmarks, call });
    watchers.entries.insert(id, Arc::clone(&entry));
    watchers.with_bookmarks += usize::from(wants_bookmarks);
    if wants_bookmarks && watchers.bookmarks_due.is_none() {
        watchers.bookmarks_due = Some(shared.next_bookmarks());
        shared.wanted.notify_one();
    }
    Ok((id, entry))
}
