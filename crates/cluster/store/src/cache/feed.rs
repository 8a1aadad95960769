//! Follows the store: a list, then its watch; a list again when the watch cannot be continued.

use super::{CacheEvent, Call, Encodings, Entry, Shared};
use crate::error::Error;
use crate::kv::{Event, EventKind, Revision, Span};
use crate::store::Range;
use crate::watch::{Message, Watch, WatchRequest};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Pauses between tries to list, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Events that may wait between the store and the feed.
const LAG: usize = 100_000;

/// What feeds a cache.
pub struct Feed<T> {
    shared: Arc<Shared<T>>,
}

impl<T> std::fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("prefix", &self.shared.config.prefix).finish_non_exhaustive()
    }
}

/// What a feed woke for.
enum Woken {
    Message(Result<Message, Error>),
    Wanted,
    Bookmarks,
}

impl<T: Send + Sync + 'static> Feed<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Runs until the store is closed; answers why it ended. Drop the future to end it.
    pub async fn run(self) -> Error {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = match self.begin().await {
                Ok(watch) => {
                    pause = FIRST_PAUSE;
                    self.follow(watch).await
                }
                Err(error) => error,
            };
            if ended == Error::Closed {
                return ended;
            }
            self.shared.clock.sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Lists everything and begins the watch behind it.
    async fn begin(&self) -> Result<Watch, Error> {
        let shared = &self.shared;
        let span = Span::prefix(shared.config.prefix.clone());
        let listed = shared.store.range(Range::all(span.clone())).await?;
        let request = WatchRequest { lag: LAG, ..WatchRequest::new(span, listed.revision + 1) };
        let watch = shared.store.watch(request).await?;
        let items = listed.kvs.into_iter().map(|kv| (kv.key.clone(), shared.item(kv))).collect();
        {
            let mut state = shared.write();
            state.items = items;
            state.first += state.window.len() as u64;
            state.window.clear();
            state.oldest = listed.revision;
            state.revision = listed.revision;
            state.epoch += 1;
        }
        shared.seen.send_replace(listed.revision);
        self.wake(|_, call| {
            call.waits = Some(0);
            true
        });
        shared.told.store(listed.revision, Ordering::Release);
        Ok(watch)
    }

    async fn follow(&self, mut watch: Watch) -> Error {
        let mut can_report = true;
        let mut bookmarks = None;
        loop {
            if bookmarks.is_none()
                && let Some(due) = self.shared.watchers().bookmarks_due
            {
                let clock = &self.shared.clock;
                bookmarks = Some(clock.sleep(due.saturating_sub(clock.now())));
            }
            let woken = {
                let mut wanted = std::pin::pin!(self.shared.wanted.notified());
                poll_fn(|context| {
                    if let Poll::Ready(message) = watch.poll_next(context) {
                        return Poll::Ready(Woken::Message(message));
                    }
                    if wanted.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Woken::Wanted);
                    }
                    match &mut bookmarks {
                        Some(due) => due.as_mut().poll(context).map(|()| Woken::Bookmarks),
                        None => Poll::Pending,
                    }
                })
                .await
            };
            match woken {
                Woken::Message(Ok(Message::Events(events))) => self.take(events),
                Woken::Message(Ok(Message::Progress(revision))) => self.progress(revision),
                Woken::Message(Err(error)) => return error,
                // A backend that cannot report lets those who wait ask the store itself.
                Woken::Wanted => can_report = can_report && watch.ask().is_ok(),
                Woken::Bookmarks => {
                    bookmarks = None;
                    let next = self.shared.next_bookmarks();
                    let mut watchers = self.shared.watchers();
                    watchers.bookmarks_due = (watchers.with_bookmarks > 0).then_some(next);
                    drop(watchers);
                    self.wake(|entry, call| {
                        call.bookmark_due |= entry.wants_bookmarks;
                        entry.wants_bookmarks
                    });
                    can_report = can_report && watch.ask().is_ok();
                }
            }
        }
    }

    fn take(&self, events: Vec<Event>) {
        let shared = &self.shared;
        let Some(last) = events.last().map(|event| event.kv.modified) else { return };
        let mut made = Vec::with_capacity(events.len());
        let first = {
            // Decoding happens outside of the lock; only this feed writes.
            let coming: Vec<_> = events
                .into_iter()
                .map(|event| {
                    let kind = event.kind();
                    let item =
                        (kind != EventKind::Deleted).then(|| shared.item(Arc::clone(&event.kv)));
                    (event, kind, item)
                })
                .collect();
            let mut state = shared.write();
            let first = state.first + state.window.len() as u64;
            for (event, kind, item) in coming {
                let previous = state.items.get(&event.kv.key).cloned();
                let (item, previous) = match (item, previous) {
                    (Some(item), previous) => (item, previous),
                    (None, Some(last)) => (last, None),
                    // Gone before it was seen.
                    (None, None) => continue,
                };
                let revision = event.kv.modified;
                let encodings = Encodings::default();
                let event = Arc::new(CacheEvent { revision, kind, item, previous, encodings });
                made.push(Arc::clone(&event));
                state.apply(event, shared.config.window);
            }
            state.revision = last;
            first
        };
        shared.seen.send_replace(last);
        self.wake(|entry, call| {
            let is_for_it = |event: &Arc<CacheEvent<T>>| entry.span.contains(&event.item.kv.key);
            let Some(at) = made.iter().position(is_for_it) else { return false };
            call.waits.get_or_insert(first + at as u64);
            true
        });
        shared.told.store(last, Ordering::Release);
    }

    fn progress(&self, revision: Revision) {
        {
            let mut state = self.shared.write();
            if revision <= state.revision {
                return;
            }
            state.revision = revision;
        }
        self.shared.seen.send_replace(revision);
        self.shared.told.store(revision, Ordering::Release);
    }

    /// Wakes the watchers that are told something.
    fn wake(&self, tell: impl Fn(&Entry, &mut Call) -> bool) {
        let mut wake: Vec<Waker> = Vec::new();
        let watchers = self.shared.watchers();
        for entry in watchers.entries.values() {
            let mut call = entry.call();
            if tell(entry, &mut call) {
                wake.extend(call.waker.take());
            }
        }
        drop(watchers);
        wake.into_iter().for_each(Waker::wake);
    }
}
