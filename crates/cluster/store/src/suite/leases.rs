//! Cases of leases. The shortest that etcd grants lasts a little longer than asked for.

use super::{DEADLINE, Say, in_time, take_events};
use crate::error::Error;
use crate::kv::{EventKind, LeaseId, Span};
use crate::store::Store;
use crate::txn::{Change, Expect, Txn};
use std::sync::Arc;
use std::time::Instant;

fn leased(store: &Arc<dyn Store>, key: &'static str, lease: LeaseId) {
    let change = Change::Put { value: "x".into(), lease };
    store.done(Txn::one(key, Expect::Any, change));
    assert_eq!(store.key(key).map(|kv| kv.lease), Some(lease));
}

fn grant(store: &Arc<dyn Store>, seconds: u64) -> LeaseId {
    in_time("a grant", store.grant(seconds)).expect("a grant")
}

/// A machine that stands still for longer than a lease proves nothing; then it is tried again.
fn attempts(mut once: impl FnMut() -> Option<()>) {
    assert!((0..5).any(|_| once().is_some()), "five times the machine was slower than a lease");
}

fn put_leased(store: &Arc<dyn Store>, key: &'static str, lease: LeaseId) -> Option<()> {
    let change = Change::Put { value: "x".into(), lease };
    match in_time("a commit", store.commit(Txn::one(key, Expect::Any, change))) {
        Ok(outcome) => outcome.is_done().then_some(()),
        Err(Error::NoLease(_)) => None,
        Err(error) => panic!("a commit failed: {error}"),
    }
}

pub fn ends(store: &Arc<dyn Store>) {
    attempts(|| {
        let mut watch = store.watching(Span::prefix("/s/lease/"), 0);
        let (short, long) = (grant(store, 2), grant(store, 3600));
        assert_ne!(short, long);
        leased(store, "/s/lease/c", long);
        put_leased(store, "/s/lease/a", short)?;
        put_leased(store, "/s/lease/b", short)?;
        let events = take_events(&mut watch, 5);
        let gone = events.iter().filter(|event| event.kind() == EventKind::Deleted);
        let mut gone: Vec<_> = gone.map(|event| event.kv.key.clone()).collect();
        gone.sort();
        assert_eq!(gone, ["/s/lease/a", "/s/lease/b"]);
        assert!(store.key("/s/lease/c").is_some());
        let ended = in_time("a keep-alive", store.keep_alive(short));
        assert_eq!(ended, Err(Error::NoLease(short)));
        in_time("a revocation", store.revoke(long)).expect("a revocation");
        Some(())
    });
}

pub fn kept_and_revoked(store: &Arc<dyn Store>) {
    attempts(|| {
        let kept = grant(store, 3);
        put_leased(store, "/s/kept/a", kept)?;
        let begun = Instant::now();
        while begun.elapsed().as_secs() < 5 {
            match in_time("a keep-alive", store.keep_alive(kept)) {
                Ok(seconds) => assert!(seconds >= 3, "{seconds} s"),
                Err(Error::NoLease(_)) => return None,
                Err(error) => panic!("a keep-alive failed: {error}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        in_time("a revocation", store.revoke(kept)).ok()?;
        assert_eq!(store.key("/s/kept/a"), None);
        let again = in_time("a revocation", store.revoke(kept));
        assert_eq!(again, Err(Error::NoLease(kept)));
        let change = Change::Put { value: "x".into(), lease: kept };
        let late = Txn::one("/s/kept/a", Expect::Any, change);
        assert_eq!(store.refused(late), Error::NoLease(kept));
        Some(())
    });
}

pub fn changed_hands(store: &Arc<dyn Store>) {
    let (first, second) = (grant(store, 600), grant(store, 600));
    leased(store, "/s/hands/a", first);
    leased(store, "/s/hands/b", first);
    leased(store, "/s/hands/a", second);
    store.done(Txn::put("/s/hands/b", "no lease any more"));
    in_time("a revocation", store.revoke(first)).expect("a revocation");
    let end = Instant::now() + DEADLINE;
    assert!(store.key("/s/hands/a").is_some());
    assert!(store.key("/s/hands/b").is_some());
    in_time("a revocation", store.revoke(second)).expect("a revocation");
    while store.key("/s/hands/a").is_some() {
        assert!(Instant::now() < end, "its lease was revoked");
    }
    assert!(store.key("/s/hands/b").is_some());
}
