//! Cases of the past: reads at revisions, compaction, snapshots.

use super::{Say, in_time, pairs};
use crate::error::Error;
use crate::kv::Span;
use crate::store::Store;
use crate::txn::{Change, Expect, Txn};
use crate::watch::WatchRequest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub fn past(store: &Arc<dyn Store>) {
    let span = || Span::prefix("/s/past/");
    let first = store.done(Txn::put("/s/past/a", "1"));
    let second = store.done(Txn::put("/s/past/b", "1"));
    let third = store.done(Txn::put("/s/past/a", "2"));
    let fourth = store.done(Txn::delete("/s/past/b", second));
    let fifth = store.done(Txn::create("/s/past/b", "3"));
    let check = |at, expected: &[(&str, &str)]| {
        assert_eq!(store.list(span(), at), Ok(pairs(expected)), "at {at}");
    };
    check(first - 1, &[]);
    check(first, &[("/s/past/a", "1")]);
    check(second, &[("/s/past/a", "1"), ("/s/past/b", "1")]);
    check(third, &[("/s/past/a", "2"), ("/s/past/b", "1")]);
    check(fourth, &[("/s/past/a", "2")]);
    check(fifth, &[("/s/past/a", "2"), ("/s/past/b", "3")]);
    check(0, &[("/s/past/a", "2"), ("/s/past/b", "3")]);
    let future = store.list(span(), fifth + 1_000_000);
    assert!(matches!(future, Err(Error::Future { .. })), "{future:?}");
}

pub fn compaction(store: &Arc<dyn Store>) {
    let span = || Span::prefix("/s/compact/");
    let first = store.done(Txn::put("/s/compact/a", "1"));
    store.done(Txn::put("/s/compact/b", "1"));
    store.done(Txn::put("/s/compact/gone", "1"));
    let deleted = store.done(Txn::one("/s/compact/gone", Expect::Any, Change::Delete));
    let changed = store.done(Txn::put("/s/compact/a", "2"));
    in_time("a compaction", store.compact(changed)).expect("a compaction");
    let old = store.list(span(), first);
    assert!(matches!(old, Err(Error::Compacted { .. })), "{old:?}");
    let watch = in_time("a watch", store.watch(WatchRequest::new(span(), first)));
    // Some backends say it at once, some with the first message.
    let error = match watch {
        Err(error) => error,
        Ok(mut watch) => in_time("an error", watch.next()).expect_err("it was compacted"),
    };
    assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
    let alive = pairs(&[("/s/compact/a", "2"), ("/s/compact/b", "1")]);
    assert_eq!(store.list(span(), 0), Ok(alive.clone()));
    assert_eq!(store.list(span(), changed), Ok(alive.clone()), "the compacted revision itself");
    let made = store.done(Txn::create("/s/compact/gone", "new"));
    assert!(made > deleted);
    let kv = store.key("/s/compact/a").expect("alive");
    assert_eq!((kv.created, kv.modified), (first, changed));
    store.done(Txn::update("/s/compact/a", changed, "3"));
    assert_eq!(store.list(span(), changed), Ok(alive), "history after it stays");
    let again = in_time("a compaction", store.compact(changed));
    assert!(matches!(again, Err(Error::Compacted { .. })), "{again:?}");
    let future = in_time("a compaction", store.compact(made + 1_000_000));
    assert!(matches!(future, Err(Error::Future { .. })), "{future:?}");
}

pub fn compaction_under_writes(store: &Arc<dyn Store>) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                store.done(Txn::put(format!("/s/busy/{}", number % 7), number.to_string()));
            }
        });
        for _ in 0..10 {
            let now = store.now();
            let wait = store.done(Txn::put("/s/busy/mark", "x"));
            assert!(wait > now);
            match in_time("a compaction", store.compact(now)) {
                Ok(()) | Err(Error::Compacted { .. }) => {}
                Err(error) => panic!("a compaction failed: {error}"),
            }
            let list = store.list(Span::prefix("/s/busy/"), 0).expect("a list");
            assert!(list.len() <= 8);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(store.key("/s/busy/mark").is_some());
}

/// A sink that counts.
struct Count(Arc<std::sync::atomic::AtomicU64>);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn snapshot(store: &Arc<dyn Store>) {
    store.done(Txn::put("/s/snap", vec![b'x'; 10_000]));
    let count = Arc::default();
    let sink = Box::new(Count(Arc::clone(&count)));
    let bytes = in_time("a snapshot", store.snapshot(sink)).expect("a snapshot");
    assert!(bytes > 10_000);
    assert_eq!(count.load(Ordering::Relaxed), bytes);
}

pub fn defragmentation(store: &Arc<dyn Store>) {
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..50 {
                store.done(Txn::put(format!("/s/defrag/{number:02}"), "x"));
            }
        });
        in_time("defragmentation", store.defragment()).expect("defragmentation");
        writer.join().expect("the writer");
    });
    let found = store.list(Span::prefix("/s/defrag/"), 0).map(|list| list.len());
    assert_eq!(found, Ok(50));
    let status = in_time("a status", store.status()).expect("a status");
    assert!(status.disk_bytes > 0);
}
