//! Who watches, and how far each has come.
//!
//! The history in memory is the only queue: a watcher is a place in it and a count of the events
//! that wait for it, so ten thousand watchers cost ten thousand small entries and no copies. The
//! writer compares each event with each watcher's span once; only those it concerns wake.

use super::Shared;
use super::state::State;
use crate::error::Error;
use crate::kv::{Event, Revision, Span};
use crate::watch::{Message, Source, WatchRequest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Events in one message, at least one revision.
const EVENTS_AT_ONCE: usize = 256;
/// Commits looked at under one hold of the lock.
const COMMITS_AT_ONCE: usize = 4096;

/// One watcher.
struct Entry {
    span: Span,
    lag: usize,
    /// Where to look next; `None` when everything was seen.
    next: Option<Revision>,
    /// The newest revision with something to see.
    newest: Revision,
    /// Events that wait.
    waiting: usize,
    /// The last revision it is known to have come to.
    seen: Revision,
    /// Whether it was asked how far it is.
    asked: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Watchers {
    entries: HashMap<u64, Entry>,
    last: u64,
    closed: bool,
}

/// All watchers of a store.
#[derive(Default)]
pub struct Hub(Mutex<Watchers>);

impl Hub {
    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new watcher, while the caller keeps the state from changing.
    pub fn watch(&self, state: &State, request: WatchRequest) -> u64 {
        let mut watchers = self.watchers();
        watchers.last += 1;
        let id = watchers.last;
        let from = if request.from == 0 { state.revision + 1 } else { request.from };
        let entry = Entry {
            span: request.span,
            lag: request.lag.max(1),
            next: (from <= state.revision).then_some(from),
            newest: state.revision,
            waiting: 0,
            seen: from.saturating_sub(1),
            asked: false,
            waker: None,
        };
        watchers.entries.insert(id, entry);
        id
    }

    /// Tells watchers what is new. Called after the state has it.
    pub fn publish(&self, events: &[(Revision, Event)], upto: Revision) {
        let mut wake = Vec::new();
        let mut watchers = self.watchers();
        for entry in watchers.entries.values_mut() {
            for (revision, event) in events {
                if !entry.span.contains(&event.kv.key) || *revision <= entry.seen {
                    continue;
                }
                entry.next.get_or_insert(*revision);
                entry.newest = *revision;
                entry.waiting += 1;
            }
            if entry.next.is_none() {
                entry.seen = entry.seen.max(upto);
            }
            if entry.waiting > 0 {
                wake.extend(entry.waker.take());
            }
        }
        drop(watchers);
        wake.into_iter().for_each(Waker::wake);
    }

    /// Ends all watches.
    pub fn close(&self) {
        let mut watchers = self.watchers();
        watchers.closed = true;
        let wake: Vec<Waker> =
            watchers.entries.values_mut().filter_map(|entry| entry.waker.take()).collect();
        drop(watchers);
        wake.into_iter().for_each(Waker::wake);
    }
}

/// A watcher's end.
pub struct Cursor {
    pub(super) shared: Arc<Shared>,
    pub(super) id: u64,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.shared.hub.watchers().entries.remove(&self.id);
    }
}

impl Source for Cursor {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            let (next, span) = {
                let mut watchers = self.shared.hub.watchers();
                let closed = watchers.closed;
                let Some(entry) = watchers.entries.get_mut(&self.id) else {
                    return Poll::Ready(Err(Error::Closed));
                };
                if entry.waiting > entry.lag {
                    return Poll::Ready(Err(Error::Slow { limit: entry.lag }));
                }
                match entry.next {
                    Some(next) => (next, entry.span.clone()),
                    None if closed => return Poll::Ready(Err(Error::Closed)),
                    None if entry.asked => {
                        drop(watchers);
                        match self.progress() {
                            Some(message) => return Poll::Ready(Ok(message)),
                            None => continue,
                        }
                    }
                    None => {
                        entry.waker = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                }
            };
            let events = self.scan(next, &span)?;
            if !events.is_empty() {
                return Poll::Ready(Ok(Message::Events(events)));
            }
        }
    }

    fn ask(&mut self) -> Result<(), Error> {
        if let Some(entry) = self.shared.hub.watchers().entries.get_mut(&self.id) {
            entry.asked = true;
        }
        Ok(())
    }
}

impl Cursor {
    /// Everything up to the store's revision was seen: says so. `None` if something came meanwhile.
    fn progress(&self) -> Option<Message> {
        // The state is held, so that nothing is applied; what was applied before but not yet
        // published is found by looking itself.
        let state = self.shared.read();
        let mut watchers = self.shared.hub.watchers();
        let entry = watchers.entries.get_mut(&self.id)?;
        if entry.next.is_some() {
            return None;
        }
        let unseen = state.since(entry.seen.max(state.compacted) + 1);
        let mut matching = unseen
            .filter(|commit| commit.events.iter().any(|event| entry.span.contains(&event.kv.key)));
        if let Some(commit) = matching.next() {
            entry.next = Some(commit.revision);
            entry.newest = state.revision;
            return None;
        }
        entry.seen = entry.seen.max(state.revision);
        entry.asked = false;
        Some(Message::Progress(state.revision))
    }

    /// Looks at a part of the history.
    fn scan(&self, next: Revision, span: &Span) -> Result<Vec<Event>, Error> {
        let state = self.shared.read();
        if next <= state.compacted {
            return Err(Error::Compacted { asked: next, compacted: state.compacted });
        }
        let mut events = Vec::new();
        let mut end = next - 1;
        for commit in state.since(next).take(COMMITS_AT_ONCE) {
            end = commit.revision;
            let matching = commit.events.iter().filter(|event| span.contains(&event.kv.key));
            events.extend(matching.cloned());
            if events.len() >= EVENTS_AT_ONCE {
                break;
            }
        }
        let newest = state.revision;
        let mut watchers = self.shared.hub.watchers();
        drop(state);
        let Some(entry) = watchers.entries.get_mut(&self.id) else { return Err(Error::Closed) };
        entry.seen = entry.seen.max(end);
        entry.waiting = entry.waiting.saturating_sub(events.len());
        entry.next = (entry.newest > end || newest > end).then_some(end + 1);
        if entry.next.is_none() {
            entry.waiting = 0;
        }
        Ok(events)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
