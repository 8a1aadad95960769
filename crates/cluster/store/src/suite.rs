//! What every backend has to pass, as containerd's test suites are: a list of cases over a store
//! that is handed in. For tests only (feature `suite`).
//!
//! Each case keeps to keys of its own, so one store serves them all one after another; nothing in
//! here assumes that revisions start at one, only that they grow as the contract says.

use crate::error::Error;
use crate::kv::{Event, KeyValue, Revision, Span};
use crate::reply::block_on;
use crate::store::{Consistency, Range, Store};
use crate::txn::{Outcome, Txn};
use crate::watch::{Message, Watch, WatchRequest};
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

mod history;
mod keys;
mod leases;
pub mod linear;
pub mod load;
mod watches;

/// How long anything may take before the case has failed.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// One case by its name.
pub type Case = (&'static str, fn(&Arc<dyn Store>));

/// All cases.
pub const CASES: &[Case] = &[
    ("put, get, delete", keys::put_get_delete),
    ("create, update, delete under conditions", keys::conditions),
    ("transactions of many keys", keys::many_keys),
    ("what is refused", keys::refused),
    ("large values", keys::large),
    ("ranges and pages", keys::ranges),
    ("counting by compare-and-swap", keys::counting),
    ("local reads", keys::local_reads),
    ("reads of the past", history::past),
    ("compaction", history::compaction),
    ("compaction under writes", history::compaction_under_writes),
    ("a snapshot has bytes", history::snapshot),
    ("defragmentation under writes", history::defragmentation),
    ("watching what comes", watches::live),
    ("watching what was", watches::past),
    ("watching a span only", watches::spans),
    ("watching many writers", watches::many_writers),
    ("slow watchers are cut", watches::slow),
    ("progress", watches::progress),
    ("leases end", leases::ends),
    ("leases kept and revoked", leases::kept_and_revoked),
    ("leases and keys that changed hands", leases::changed_hands),
    ("a history of concurrent clients", load::linearizable),
];

/// Runs all cases on one store; the first that fails panics with its name.
pub fn run(store: &Arc<dyn Store>) {
    for (name, case) in CASES {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(store)));
        assert!(result.is_ok(), "the case \"{name}\" failed");
    }
}

/// Drives a future, but not for ever.
pub fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let end = Instant::now() + DEADLINE;
    let (alarm, rung) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::current();
    let watchdog = std::thread::spawn(move || {
        if rung.recv_timeout(DEADLINE).is_err() {
            thread.unpark();
        }
    });
    let output = block_on(std::future::poll_fn(|context: &mut Context<'_>| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if Instant::now() >= end { Poll::Ready(None) } else { Poll::Pending }
    }));
    let _ = alarm.send(());
    let _ = watchdog.join();
    output.unwrap_or_else(|| panic!("{what} took longer than {DEADLINE:?}"))
}

/// Short ways to say what the cases say often.
pub trait Say {
    /// Commits what must succeed; its revision.
    fn done(&self, txn: Txn) -> Revision;
    /// Commits what must be a conflict; what stands there.
    fn conflict(&self, txn: Txn) -> Vec<Option<Arc<KeyValue>>>;
    /// Commits what must be refused.
    fn refused(&self, txn: Txn) -> Error;
    /// The key now.
    fn key(&self, key: &str) -> Option<Arc<KeyValue>>;
    /// The store's revision.
    fn now(&self) -> Revision;
    /// Keys and values of a span at a revision.
    fn list(&self, span: Span, at: Revision) -> Result<Vec<(String, String)>, Error>;
    /// A watch that must begin.
    fn watching(&self, span: Span, from: Revision) -> Watch;
}

impl Say for Arc<dyn Store> {
    fn done(&self, txn: Txn) -> Revision {
        match in_time("a commit", self.commit(txn.clone())) {
            Ok(Outcome::Done { revision }) => revision,
            other => panic!("{txn:?} gave {other:?}"),
        }
    }

    fn conflict(&self, txn: Txn) -> Vec<Option<Arc<KeyValue>>> {
        match in_time("a commit", self.commit(txn.clone())) {
            Ok(Outcome::Conflict { current, .. }) => current,
            other => panic!("{txn:?} gave {other:?}"),
        }
    }

    fn refused(&self, txn: Txn) -> Error {
        match in_time("a commit", self.commit(txn.clone())) {
            Err(error) => error,
            other => panic!("{txn:?} gave {other:?}"),
        }
    }

    fn key(&self, key: &str) -> Option<Arc<KeyValue>> {
        let found = in_time("a get", self.get(key.as_bytes(), Consistency::Linearizable));
        found.unwrap_or_else(|error| panic!("reading {key}: {error}")).kv
    }

    fn now(&self) -> Revision {
        in_time("a status", self.status()).expect("a status is answered").revision
    }

    fn list(&self, span: Span, at: Revision) -> Result<Vec<(String, String)>, Error> {
        let listed = in_time("a range", self.range(Range { at, ..Range::all(span) }))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(listed.kvs.iter().map(|kv| (text(&kv.key), text(&kv.value))).collect())
    }

    fn watching(&self, span: Span, from: Revision) -> Watch {
        let watch = in_time("a watch", self.watch(WatchRequest::new(span, from)));
        watch.expect("a watch begins")
    }
}

/// The next events of a watch, which must come.
pub fn next_events(watch: &mut Watch) -> Vec<Event> {
    loop {
        match in_time("an event", watch.next()) {
            Ok(Message::Events(events)) => return events,
            Ok(Message::Progress(_)) => {}
            Err(error) => panic!("a watch ended: {error}"),
        }
    }
}

/// So many events of a watch.
pub fn take_events(watch: &mut Watch, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(next_events(watch));
    }
    events
}

/// Whether a watch has nothing to say right now.
pub fn is_quiet(watch: &mut Watch) -> bool {
    watch.poll_next(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Pairs as the cases write them.
pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
