//! What is under one prefix, in memory, fed by a watch: lists and watches for many clients at the
//! cost of one to the store.
//!
//! A [`Feed`] (a future that the owner runs) lists once and follows the store's watch. Everything
//! a client asks is answered from what it has seen: lists that are as new as wanted, watches from
//! any revision in a window of events, with initial events and bookmarks. Objects are decoded once,
//! events are shared by all watchers and hold their encodings, so that each is made once.
//!
//! Invariants: what a list shows stood together at its revision; a watcher sees every event after
//! its revision once and in order, or an error. Bounded: events in the window (a watcher behind it
//! is cut off), watchers, encodings of an event. Time comes from the clock that is handed in.

mod event;
mod feed;
mod watcher;

pub use event::{CacheEvent, Encodings, Item};
pub use feed::Feed;
pub use watcher::{CacheMessage, CacheWatch};

use crate::clock::Timer;
use crate::error::Error;
use crate::kv::{EventKind, KeyValue, Revision, Span};
use crate::store::{Consistency, Listed, Range, Store};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::{Notify, watch as channel};

/// The newest events keep their encodings; older ones only wait for who comes back after a while.
const ENCODED_EVENTS: usize = 500;

/// What to keep.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// The keys.
    pub prefix: Bytes,
    /// Events that are kept for watchers.
    pub window: usize,
    /// Watchers at once.
    pub watchers: usize,
    /// How long a list waits to become as new as wanted.
    pub wait: Duration,
    /// Between bookmarks; the first may come sooner.
    pub bookmark: Duration,
}

impl CacheConfig {
    /// The usual bounds.
    pub fn new(prefix: impl Into<Bytes>) -> Self {
        Self {
            prefix: prefix.into(),
            window: 10_000,
            watchers: 50_000,
            wait: Duration::from_secs(3),
            bookmark: Duration::from_secs(60),
        }
    }
}

/// How new a list has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAt {
    /// Whatever there is.
    Any,
    /// This revision or a later one.
    NotOlderThan(Revision),
    /// As it stood at this revision.
    Exact(Revision),
    /// Everything that was answered before the list was asked for.
    Consistent,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// After this revision.
    After(Revision),
    /// With what there is, as initial events, then on from there.
    Initial(ListAt),
}

/// A list.
#[derive(Debug, Clone)]
pub struct CacheList<T> {
    /// The revision at which it stood like this.
    pub revision: Revision,
    /// In order of keys.
    pub items: Vec<Arc<Item<T>>>,
}

/// Decodes values.
type Decode<T> = Box<dyn Fn(&KeyValue) -> T + Send + Sync>;

/// What was seen.
struct State<T> {
    items: BTreeMap<Bytes, Arc<Item<T>>>,
    window: VecDeque<Arc<CacheEvent<T>>>,
    /// The number of the window's first event since the beginning.
    first: u64,
    /// Events after this revision are in the window.
    oldest: Revision,
    revision: Revision,
    /// Counts how often everything was listed anew.
    epoch: u64,
}

/// A watcher as the feed sees it. What changes is its own, so that a thousand that wake at once do
/// not wait for each other.
struct Entry {
    span: Span,
    wants_bookmarks: bool,
    call: Mutex<Call>,
}

/// How a watcher is called.
struct Call {
    /// No event before this number concerns it that it has not seen; `None` if none waits at all.
    /// So whoever is concerned by nothing does not fall behind.
    waits: Option<u64>,
    bookmark_due: bool,
    waker: Option<Waker>,
}

impl Entry {
    fn call(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Watchers {
    entries: HashMap<u64, Arc<Entry>>,
    /// Those that want bookmarks, and when they are due: nothing wakes for what nobody wants.
    with_bookmarks: usize,
    bookmarks_due: Option<Duration>,
    last: u64,
}

struct Shared<T> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Timer>,
    config: CacheConfig,
    decode: Decode<T>,
    state: RwLock<State<T>>,
    watchers: Mutex<Watchers>,
    /// The revision seen; 0 before the first list.
    seen: channel::Sender<Revision>,
    /// The revision up to which every watcher knows of what concerns it; it follows `seen`.
    told: AtomicU64,
    /// Somebody waits for a newer one.
    wanted: Notify,
}

/// A cache; clones share it.
pub struct Cache<T>(Arc<Shared<T>>);

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("prefix", &self.0.config.prefix).finish_non_exhaustive()
    }
}

impl<T> Shared<T> {
    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State<T>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State<T>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn item(&self, kv: Arc<KeyValue>) -> Arc<Item<T>> {
        let object = (self.decode)(&kv);
        Arc::new(Item { kv, object })
    }

    /// When the next bookmarks are due. All caches of a clock are due at once, so that an idle process
    /// wakes once for all of them.
    fn next_bookmarks(&self) -> Duration {
        let every = self.config.bookmark.max(Duration::from_millis(1));
        let passed = self.clock.now().as_millis() / every.as_millis();
        every * u32::try_from(passed + 1).unwrap_or(u32::MAX)
    }
}

impl<T: Send + Sync + 'static> Cache<T> {
    /// A cache and what feeds it; until the feed runs, nothing is answered.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Timer>,
        config: CacheConfig,
        decode: impl Fn(&KeyValue) -> T + Send + Sync + 'static,
    ) -> (Self, Feed<T>) {
        let state = State {
            items: BTreeMap::new(),
            window: VecDeque::new(),
            first: 0,
            oldest: 0,
            revision: 0,
            epoch: 0,
        };
        let shared = Arc::new(Shared {
            store,
            clock,
            config,
            decode: Box::new(decode),
            state: RwLock::new(state),
            watchers: Mutex::default(),
            seen: channel::Sender::new(0),
            told: AtomicU64::new(0),
            wanted: Notify::new(),
        });
        (Self(Arc::clone(&shared)), Feed::new(shared))
    }

    /// The revision that has been seen.
    pub fn revision(&self) -> Revision {
        *self.0.seen.borrow()
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.0.read().items.len()
    }

    /// Everything, or a part (`span` within the prefix), as new as wanted.
    pub async fn list(&self, span: &Span, at: ListAt) -> Result<CacheList<T>, Error> {
        match self.reach(at).await? {
            Reached::Seen => {
                let state = self.0.read();
                Ok(CacheList { revision: state.revision, items: state.list(span) })
            }
            Reached::Ask(revision) => self.list_from_store(span, revision).await,
        }
    }

    /// One object, as new as wanted.
    pub async fn get(&self, key: &[u8], at: ListAt) -> Result<Option<Arc<Item<T>>>, Error> {
        match self.reach(at).await? {
            Reached::Seen => Ok(self.0.read().items.get(key).cloned()),
            Reached::Ask(revision) => {
                let span = Span::key(Bytes::copy_from_slice(key));
                Ok(self.list_from_store(&span, revision).await?.items.pop())
            }
        }
    }

    /// The changes of a span within the prefix.
    pub async fn watch(
        &self,
        span: Span,
        from: WatchFrom,
        bookmarks: bool,
    ) -> Result<CacheWatch<T>, Error> {
        let list = match from {
            WatchFrom::After(revision) => {
                // Also after what has not been seen yet; but something must have been.
                self.reach(ListAt::Any).await?;
                return CacheWatch::after(&self.0, span, revision, bookmarks);
            }
            // A list that the cache itself cannot show is no beginning for its events.
            WatchFrom::Initial(ListAt::Exact(revision)) => ListAt::NotOlderThan(revision),
            WatchFrom::Initial(at) => at,
        };
        let wanted = match self.reach(list).await? {
            Reached::Seen => 0,
            Reached::Ask(revision) => revision,
        };
        if wanted > 0 {
            self.wait_for(wanted).await?;
        }
        CacheWatch::initial(&self.0, span, bookmarks)
    }

    /// Waits until the cache is as new as wanted, or says at which revision to ask the store.
    async fn reach(&self, at: ListAt) -> Result<Reached, Error> {
        let wanted = match at {
            ListAt::Exact(revision) => return Ok(Reached::Ask(revision)),
            ListAt::Any => 1,
            ListAt::NotOlderThan(revision) => revision.max(1),
            ListAt::Consistent => {
                let key = &self.0.config.prefix;
                let found = self.0.store.get(key, Consistency::Linearizable).await?;
                found.revision.max(1)
            }
        };
        match self.wait_for(wanted).await {
            Ok(()) => Ok(Reached::Seen),
            Err(_) if at == ListAt::Consistent => Ok(Reached::Ask(wanted)),
            Err(error) => Err(error),
        }
    }

    async fn wait_for(&self, wanted: Revision) -> Result<(), Error> {
        let mut seen = self.0.seen.subscribe();
        if *seen.borrow() >= wanted {
            return Ok(());
        }
        self.0.wanted.notify_one();
        let mut over = self.0.clock.sleep(self.0.config.wait);
        let mut waiting = std::pin::pin!(seen.wait_for(|seen| *seen >= wanted));
        std::future::poll_fn(|context| {
            if let std::task::Poll::Ready(result) = waiting.as_mut().poll(context) {
                return std::task::Poll::Ready(result.map(|_| ()).map_err(|_| Error::Closed));
            }
            over.as_mut()
                .poll(context)
                .map(|()| Err(Error::Future { asked: wanted, current: self.revision() }))
        })
        .await
    }

    async fn list_from_store(&self, span: &Span, at: Revision) -> Result<CacheList<T>, Error> {
        let range = Range { at, ..Range::all(span.clone()) };
        let Listed { kvs, .. } = self.0.store.range(range).await?;
        let known: Vec<_> = {
            let state = self.0.read();
            let same = |kv: &Arc<KeyValue>| {
                let item = state.items.get(&kv.key);
                item.filter(|item| item.kv.modified == kv.modified).cloned()
            };
            kvs.iter().map(same).collect()
        };
        let item = |(kv, known): (_, Option<_>)| known.unwrap_or_else(|| self.0.item(kv));
        Ok(CacheList { revision: at, items: kvs.into_iter().zip(known).map(item).collect() })
    }
}

enum Reached {
    /// What was seen is new enough.
    Seen,
    /// The store has to be asked, at this revision.
    Ask(Revision),
}

impl<T> State<T> {
    fn list(&self, span: &Span) -> Vec<Arc<Item<T>>> {
        use std::ops::Bound;
        if span.is_empty() {
            return Vec::new();
        }
        let end = match span.end.is_empty() {
            true => Bound::Unbounded,
            false => Bound::Excluded(&*span.end),
        };
        let found = self.items.range::<[u8], _>((Bound::Included(&*span.start), end));
        found.map(|(_, item)| Arc::clone(item)).collect()
    }

    /// Takes an event; `None` if it was seen.
    fn apply(&mut self, event: Arc<CacheEvent<T>>, window: usize) {
        match event.kind {
            EventKind::Deleted => drop(self.items.remove(&event.item.kv.key)),
            _ => drop(self.items.insert(event.item.kv.key.clone(), Arc::clone(&event.item))),
        }
        self.window.push_back(event);
        // Those who keep up have had it.
        let kept = self.window.len().checked_sub(ENCODED_EVENTS + 1);
        if let Some(older) = kept.and_then(|at| self.window.get(at)) {
            older.encodings.forget();
        }
        while self.window.len() > window {
            if let Some(gone) = self.window.pop_front() {
                self.oldest = gone.revision;
                self.first += 1;
            }
        }
    }
}
