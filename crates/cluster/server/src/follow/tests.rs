//! Over a store that does not answer at first.

use super::*;
use crate::auth::{Access, Masters};
use crate::auth::{Authenticator, Later, User};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use teu_store::embedded::Embedded;
use teu_store::{
    Consistency, Found, LeaseId, Listed, Outcome, Range, Reply, Revision, Status as StoreStatus,
    Store, Txn, Watch, WatchRequest,
};
use teu_web::{Peer, Shutdown};

struct Nobody;

impl Authenticator for Nobody {
    fn authenticate<'a>(
        &'a self,
        _: &'a Api,
        _: &'a Peer,
        _: &'a http::HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>> {
        Box::pin(std::future::ready(Err(Status::unauthorized())))
    }
}

/// A store that lists nothing until it is well.
struct Ill {
    inner: Embedded,
    is_well: Arc<AtomicBool>,
}

impl Store for Ill {
    fn range(&self, range: Range) -> Reply<Listed> {
        if self.is_well.load(Ordering::SeqCst) {
            return self.inner.range(range);
        }
        let (what, kind) = ("a test", std::io::ErrorKind::Other);
        Reply::now(Err(StoreError::Io { what, kind, reason: "it is ill".to_owned() }))
    }
    fn get(&self, key: &[u8], consistency: Consistency) -> Reply<Found> {
        self.inner.get(key, consistency)
    }
    fn commit(&self, txn: Txn) -> Reply<Outcome> {
        self.inner.commit(txn)
    }
    fn watch(&self, request: WatchRequest) -> Reply<Watch> {
        self.inner.watch(request)
    }
    fn grant(&self, seconds: u64) -> Reply<LeaseId> {
        self.inner.grant(seconds)
    }
    fn keep_alive(&self, lease: LeaseId) -> Reply<u64> {
        self.inner.keep_alive(lease)
    }
    fn revoke(&self, lease: LeaseId) -> Reply<()> {
        self.inner.revoke(lease)
    }
    fn compact(&self, revision: Revision) -> Reply<()> {
        self.inner.compact(revision)
    }
    fn defragment(&self) -> Reply<()> {
        self.inner.defragment()
    }
    fn snapshot(&self, sink: Box<dyn Write + Send>) -> Reply<u64> {
        self.inner.snapshot(sink)
    }
    fn status(&self) -> Reply<StoreStatus> {
        self.inner.status()
    }
}

#[test]
fn a_watch_that_cannot_begin_begins_later_and_what_failed_is_done_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = Embedded::open(folder.path()).expect("a store");
    inner.commit(Txn::create("/teu/layout", "1")).wait().expect("written");
    let is_well = Arc::new(AtomicBool::new(false));
    let store = Arc::new(Ill { inner, is_well: Arc::clone(&is_well) });
    let (authenticator, authorizer) = (Box::new(Nobody), Box::new(Masters));
    let access = Access { authenticator, authorizer, accounts: None };
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let api = Arc::new(Api::new(store, access, shutdown.clone()));
        let rows = api.table.rows();
        let entry = rows.find("", "v1", "configmaps").expect("a row").clone();
        // As long as anything waits for a list: then a watch of it cannot begin.
        let cache = entry.shelf.cache();
        let from = WatchFrom::Initial(ListAt::Any);
        let refused = cache.watch(entry.shelf.span(""), from, false);
        assert!(refused.await.is_err());
        let done = Arc::new(AtomicUsize::new(0));
        let (own, count) = (Arc::clone(&api), Arc::clone(&done));
        let running = tokio::spawn(async move {
            let work = || async {
                match count.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(Status::internal("the first time")),
                    _ => Ok(()),
                }
            };
            whenever(&own, &[("", "configmaps")], work).await;
        });
        is_well.store(true, Ordering::SeqCst);
        // Once, and again because it failed.
        while done.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // And again, because something changed.
        let put = Txn::put(&b"/registry/configmaps/default/a"[..], &b"{}"[..]);
        api.store.commit(put).await.expect("written");
        while done.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shutdown.begin();
        running.await.expect("it ends with the server");
    });
}

#[test]
fn pauses_grow_until_something_lasts() {
    let mut pause = Pause::new();
    let soon = Duration::from_millis(1);
    let all: Vec<_> = (0..10).map(|_| pause.after(soon).as_millis()).collect();
    assert_eq!(all, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert_eq!(pause.after(LAST_PAUSE * 2), FIRST_PAUSE);
}
