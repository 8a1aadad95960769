//! Watches: where one begins, and what its selector makes of the changes.
//!
//! Mostly a place in the cache's window of shared events. Where the cache does not reach back so
//! far (it starts when the first asks), the store's own history is followed instead.

use super::Found;
use super::list::span;
use crate::api::{Api, Call, store_status};
use crate::request::Query;
use crate::select::Selector;
use crate::stored::Stored;
use crate::table::Entry;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use teu_api::{Cause, Status};
use teu_store::cache::{
    Cache, CacheConfig, CacheEvent, CacheMessage, CacheWatch, Encodings, Item, ListAt, WatchFrom,
};
use teu_store::{Error as StoreError, EventKind, Message, Revision, Watch, WatchRequest};

/// What a watch asks for.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// Which objects.
    pub selector: Selector,
    /// Where it begins.
    pub from: From,
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// Whether the end of what was there at the beginning is told.
    pub marks_initial_end: bool,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With everything there is, at least as new.
    Initial(ListAt),
    /// After a revision.
    After(Revision),
    /// With what comes from now on.
    Now,
}

/// What a watcher is told.
#[derive(Debug)]
pub enum Change {
    /// It was there at the beginning.
    Initial(Found),
    /// All of that has been told.
    InitialEnd(Revision),
    /// It came into what is selected.
    Added(Arc<CacheEvent<Stored>>),
    /// It changed.
    Modified(Arc<CacheEvent<Stored>>),
    /// It is gone, or is no longer selected; shown as it was last.
    Deleted(Arc<CacheEvent<Stored>>, Found),
    /// Everything up to here has been told.
    Bookmark(Revision),
}

/// A running watch.
pub struct Changes {
    source: Source,
    selector: Selector,
    entry: Arc<Entry>,
}

enum Source {
    Cache(CacheWatch<Stored>),
    Store(Watch, VecDeque<Arc<CacheEvent<Stored>>>),
    /// It ends as it begins.
    Refused(Status),
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("entry", &self.entry.row).finish_non_exhaustive()
    }
}

/// Reads a resource version.
pub fn revision(text: &str) -> Result<Revision, Status> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        Status::bad_request(format!("Invalid value: {text:?}: {why}"))
    })
}

impl WatchOptions {
    /// What a query says.
    pub fn of(call: &Call, query: &Query) -> Result<Self, Status> {
        let mut fields = query.text("fieldSelector").to_owned();
        if !call.name.is_empty() {
            fields = format!("metadata.name={}", call.name);
        }
        let selector = Selector::parse(&call.entry, query.text("labelSelector"), &fields)?;
        let bookmarks = query.switch("allowWatchBookmarks")?;
        let (version, how) = (query.text("resourceVersion"), query.text("resourceVersionMatch"));
        let refuse = |cause| Err(Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause]));
        let wants_initial = match query.find("sendInitialEvents") {
            None => None,
            Some(_) => Some(query.switch("sendInitialEvents")?),
        };
        if wants_initial.is_some() && how != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return refuse(Cause::forbidden("resourceVersionMatch", why));
        }
        if wants_initial.is_none() && !how.is_empty() {
            let why =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return refuse(Cause::forbidden("resourceVersionMatch", why));
        }
        let from = match (version, wants_initial) {
            ("", Some(false)) => From::Now,
            ("", _) => From::Initial(ListAt::Consistent),
            ("0", Some(false)) => From::Now,
            ("0", _) => From::Initial(ListAt::Any),
            (text, Some(true)) => From::Initial(ListAt::NotOlderThan(revision(text)?)),
            (text, _) => From::After(revision(text)?),
        };
        let marks_initial_end = bookmarks && wants_initial == Some(true);
        Ok(Self { selector, from, bookmarks, marks_initial_end })
    }
}

impl Api {
    /// The changes of a resource.
    pub async fn watch(&self, call: &Call, options: &WatchOptions) -> Result<Changes, Status> {
        let span = span(call, &options.selector);
        let cache = call.entry.shelf.cache();
        let from = match options.from {
            From::Initial(at) => WatchFrom::Initial(at),
            From::After(revision) => WatchFrom::After(revision),
            From::Now => WatchFrom::After(self.newest(&cache).await?),
        };
        let source = match cache.watch(span.clone(), from, options.bookmarks).await {
            Ok(watch) => Source::Cache(watch),
            Err(StoreError::Compacted { asked, .. }) if matches!(from, WatchFrom::After(_)) => {
                let lag = CacheConfig::new("").window;
                let request = WatchRequest { span, from: asked + 1, lag };
                let watch = self.store.watch(request).await.map_err(too_old)?;
                Source::Store(watch, VecDeque::new())
            }
            Err(error) => return Err(store_status(error)),
        };
        Ok(Changes { source, selector: options.selector.clone(), entry: Arc::clone(&call.entry) })
    }

    async fn newest(&self, cache: &Cache<Stored>) -> Result<Revision, Status> {
        let key = b"/registry/";
        let found = self.store.get(key, teu_store::Consistency::Linearizable).await;
        Ok(found.map_err(store_status)?.revision.max(cache.revision()))
    }
}

/// The words of a watch that begins in a past that is forgotten.
fn too_old(error: StoreError) -> Status {
    match error {
        StoreError::Compacted { asked, compacted } => Status::expired(format!(
            "too old resource version: {} ({compacted})",
            asked.saturating_sub(1)
        )),
        other => store_status(other),
    }
}

impl Changes {
    /// A watch that only says why there is none.
    pub fn refused(call: &Call, selector: Selector, status: Status) -> Self {
        Self { source: Source::Refused(status), selector, entry: Arc::clone(&call.entry) }
    }

    /// The next that is selected. An error is the last.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Change, Status>> {
        loop {
            let message = match &mut self.source {
                Source::Refused(status) => return Poll::Ready(Err(status.clone())),
                Source::Cache(watch) => match watch.poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(message) => message,
                },
                Source::Store(watch, waiting) => match poll_store(watch, waiting, context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(message) => message,
                },
            };
            let change = match message {
                Err(error) => return Poll::Ready(Err(too_old(error))),
                Ok(CacheMessage::Initial(item)) => {
                    self.is_selected(&item).then_some(Change::Initial(item))
                }
                Ok(CacheMessage::InitialEnd(revision)) => Some(Change::InitialEnd(revision)),
                Ok(CacheMessage::Bookmark(revision)) => Some(Change::Bookmark(revision)),
                Ok(CacheMessage::Event(event)) => self.select(event),
            };
            if let Some(change) = change {
                return Poll::Ready(Ok(change));
            }
        }
    }

    /// The next that is selected.
    pub async fn next(&mut self) -> Result<Change, Status> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn is_selected(&self, item: &Item<Stored>) -> bool {
        self.selector.matches(&item.object, &self.entry)
    }

    fn select(&self, event: Arc<CacheEvent<Stored>>) -> Option<Change> {
        if event.kind == EventKind::Deleted {
            let last = Arc::clone(&event.item);
            return self.is_selected(&last).then_some(Change::Deleted(event, last));
        }
        let previous = event.previous.clone().filter(|previous| self.is_selected(previous));
        match (previous, self.is_selected(&event.item)) {
            (Some(_), true) => Some(Change::Modified(event)),
            (None, true) => Some(Change::Added(event)),
            (Some(previous), false) => Some(Change::Deleted(event, previous)),
            (None, false) => None,
        }
    }
}

/// The store's own events in the shape of the cache's.
fn poll_store(
    watch: &mut Watch,
    waiting: &mut VecDeque<Arc<CacheEvent<Stored>>>,
    context: &mut Context<'_>,
) -> Poll<Result<CacheMessage<Stored>, StoreError>> {
    loop {
        if let Some(event) = waiting.pop_front() {
            return Poll::Ready(Ok(CacheMessage::Event(event)));
        }
        match watch.poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(Message::Progress(revision))) => {
                return Poll::Ready(Ok(CacheMessage::Bookmark(revision)));
            }
            Poll::Ready(Ok(Message::Events(events))) => {
                for event in events {
                    let item = |kv: &Arc<teu_store::KeyValue>| {
                        Arc::new(Item { kv: Arc::clone(kv), object: Stored::new(kv.value.clone()) })
                    };
                    let kind = event.kind();
                    let previous = event.previous.as_ref().map(item);
                    let (item, previous) = match (kind, previous) {
                        (EventKind::Deleted, Some(last)) => (last, None),
                        // What it was is forgotten, so nobody can say whether it was selected: a
                        // watcher that was told nothing would believe that nothing happened.
                        (EventKind::Deleted | EventKind::Updated, None) => {
                            let error =
                                StoreError::Compacted { asked: event.kv.modified, compacted: 0 };
                            return Poll::Ready(Err(error));
                        }
                        (_, previous) => (item(&event.kv), previous),
                    };
                    let (revision, encodings) = (event.kv.modified, Encodings::default());
                    waiting.push_back(Arc::new(CacheEvent {
                        revision,
                        kind,
                        item,
                        previous,
                        encodings,
                    }));
                }
            }
        }
    }
}
