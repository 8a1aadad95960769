//! The embedded backend in a real folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use teu_store::embedded::{Embedded, OpenError};
use teu_store::suite::{self, Say, in_time};
use teu_store::{Change, Expect, Range, Span, Store, Txn};

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Embedded::open(folder).unwrap())
}

/// Keys, values and revisions: everything a client can see.
fn everything(store: &Arc<dyn Store>) -> Vec<Arc<teu_store::KeyValue>> {
    in_time("a list", store.range(Range::all(Span::prefix("")))).unwrap().kvs
}

#[test]
fn the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    suite::run(&store);
    // What it left is there again at the next start, to the last revision.
    let (before, revision) = (everything(&store), store.now());
    drop(store);
    let store = open(folder.path());
    assert_eq!(everything(&store), before);
    assert_eq!(store.now(), revision);
}

#[test]
fn a_second_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let second = Embedded::open(folder.path());
    assert!(matches!(second, Err(OpenError::Locked { .. })), "{second:?}");
    drop(store);
    open(folder.path());
}

#[test]
fn history_outlives_a_start_and_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store.done(Txn::put("a", "1"));
    store.done(Txn::put("b", "1"));
    in_time("a checkpoint", store.defragment()).unwrap();
    let third = store.done(Txn::put("a", "2"));
    let lists: Vec<_> = (first..=third).map(|at| store.list(Span::prefix(""), at)).collect();
    drop(store);
    let store = open(folder.path());
    for (at, list) in (first..).zip(&lists) {
        assert_eq!(&store.list(Span::prefix(""), at), list);
    }
    let mut watch = store.watching(Span::prefix(""), first);
    let events = suite::take_events(&mut watch, 3);
    assert_eq!(events[2].previous.as_ref().map(|kv| &*kv.value), Some(&b"1"[..]));
    in_time("a compaction", store.compact(third)).unwrap();
    in_time("a checkpoint", store.defragment()).unwrap();
    drop(store);
    let store = open(folder.path());
    assert!(store.list(Span::prefix(""), first).is_err(), "compacted stays compacted");
    assert_eq!(store.list(Span::prefix(""), third), lists[2]);
    assert_eq!(store.done(Txn::put("c", "1")), third + 1);
}

#[test]
fn leases_outlive_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let lease = in_time("a grant", store.grant(2)).unwrap();
    let change = Change::Put { value: "x".into(), lease };
    store.done(Txn::one("a", Expect::Any, change));
    in_time("a checkpoint", store.defragment()).unwrap();
    drop(store);
    let store = open(folder.path());
    let mut watch = store.watching(Span::key("a"), 0);
    if store.key("a").is_some() {
        let events = suite::take_events(&mut watch, 1);
        assert!(events[0].kv.is_deletion());
    }
    assert_eq!(store.key("a"), None);
    let next = in_time("a grant", store.grant(60)).unwrap();
    assert!(next > lease, "a lease's number is not used twice");
}

#[test]
fn snapshots_are_restored() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = two.path().join("snapshot");
    let store = open(one.path());
    for number in 0..3000 {
        store.done(Txn::put(format!("k{}", number % 1000), vec![b'v'; number % 700]));
    }
    let sink = Box::new(fs::File::create(&file).unwrap());
    in_time("a snapshot", store.snapshot(sink)).unwrap();
    let (before, revision) = (everything(&store), store.now());
    let inside = Embedded::inspect(&mut fs::File::open(&file).unwrap()).unwrap();
    assert_eq!((inside.revision, inside.disk_bytes), (revision, file.metadata().unwrap().len()));
    store.done(Txn::put("later", "x"));
    let target = two.path().join("store");
    let restored = Embedded::restore(&target, &mut fs::File::open(&file).unwrap()).unwrap();
    assert_eq!(restored, revision);
    let copy = open(&target);
    assert_eq!(everything(&copy), before);
    assert_eq!(copy.done(Txn::put("later", "y")), revision + 1);
    drop(copy);
    let again = Embedded::restore(&target, &mut fs::File::open(&file).unwrap());
    assert!(matches!(again, Err(OpenError::Locked { .. } | OpenError::NotEmpty { .. })));
    // Cut short or damaged anywhere, it is refused, and nothing is left.
    let bytes = fs::read(&file).unwrap();
    for at in [0, 3, 9, 20, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        for bytes in [&bytes[..at], &damaged] {
            let target = two.path().join("refused");
            let refused = Embedded::restore(&target, &mut &*bytes);
            assert!(matches!(refused, Err(OpenError::Snapshot(_))), "{at}: {refused:?}");
            fs::remove_dir_all(&target).unwrap();
        }
    }
}

/// A sink that stops at its first bytes until it is told to go on.
struct Held {
    bytes: Arc<std::sync::Mutex<Vec<u8>>>,
    begun: Option<std::sync::mpsc::Sender<()>>,
    go_on: std::sync::mpsc::Receiver<()>,
}

impl std::io::Write for Held {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The mark and the first block have gone: now keys are being read.
        let mut all = self.bytes.lock().unwrap();
        all.extend_from_slice(bytes);
        if all.len() > 100_000
            && let Some(begun) = self.begun.take()
        {
            drop(all);
            begun.send(()).unwrap();
            self.go_on.recv_timeout(suite::DEADLINE).unwrap();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_snapshot_is_whole_however_much_is_written_and_compacted_meanwhile() {
    let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let keys = 2000;
    for number in 0..keys {
        store.done(Txn::put(format!("k{number:04}"), vec![b'1'; 1000]));
    }
    let (before, revision) = (everything(&store), store.now());
    let bytes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (begin, begun) = std::sync::mpsc::channel();
    let (go, go_on) = std::sync::mpsc::channel();
    let sink = Held { bytes: Arc::clone(&bytes), begun: Some(begin), go_on };
    let snapshot = store.snapshot(Box::new(sink));
    begun.recv_timeout(suite::DEADLINE).unwrap();
    for number in 0..keys {
        store.done(Txn::put(format!("k{number:04}"), "2"));
    }
    in_time("a compaction", store.compact(store.now())).unwrap();
    go.send(()).unwrap();
    in_time("a snapshot", snapshot).unwrap();
    let bytes = bytes.lock().unwrap().clone();
    let restored = target.path().join("store");
    assert_eq!(Embedded::restore(&restored, &mut &*bytes).unwrap(), revision);
    assert_eq!(everything(&open(&restored)), before);
    // And what was held back has been forgotten since.
    let status = in_time("a status", store.status()).unwrap();
    assert_eq!(status.data_bytes, keys * 6);
}

/// The segment of the log that was written last.
/// What takes nothing until it may.
struct Slow(std::sync::mpsc::Receiver<()>);

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Until the other side is gone.
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn writes_do_not_wait_for_whoever_takes_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.done(Txn::put("a", "1"));
    let (may, waits) = std::sync::mpsc::channel();
    let snapshot = store.snapshot(Box::new(Slow(waits)));
    // Several segments of the log, and a checkpoint.
    for number in 0..20 {
        store.done(Txn::put("a", vec![b'v'; 1 << 20]));
        if number == 10 {
            in_time("a checkpoint", store.defragment()).unwrap();
        }
    }
    drop(may);
    in_time("a snapshot", snapshot).unwrap();
}

fn last_log(folder: &Path) -> std::path::PathBuf {
    let logs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log-"));
    logs.min().unwrap()
}

#[test]
fn damage_is_said_and_torn_tails_are_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let marks: Vec<_> = (0..5).map(|number| format!("marked-value-{number}")).collect();
    for mark in &marks {
        store.done(Txn::put("k", mark.clone()));
    }
    drop(store);
    let log = last_log(folder.path());
    let bytes = fs::read(&log).unwrap();
    let find = |text: &str| bytes.windows(text.len()).position(|part| part == text.as_bytes());
    // In the middle: acknowledged batches follow, so it must not be passed over.
    let mut damaged = bytes.clone();
    damaged[find(&marks[2]).unwrap()] ^= 1;
    fs::write(&log, &damaged).unwrap();
    let refused = Embedded::open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("log-") && text.contains("Restore a snapshot"), "{text}");
    assert_eq!(fs::read(&log).unwrap(), damaged, "nothing was changed");
    // In the header.
    let mut damaged = bytes.clone();
    damaged[9] ^= 1;
    fs::write(&log, &damaged).unwrap();
    assert!(matches!(Embedded::open(folder.path()), Err(OpenError::Damaged { .. })));
    // At the end: a write that was cut short. It is dropped, and its rests do not come back.
    let mut torn = bytes.clone();
    torn[find(&marks[4]).unwrap()] ^= 1;
    fs::write(&log, &torn).unwrap();
    let store = open(folder.path());
    assert_eq!(store.key("k").unwrap().value, marks[3].as_bytes());
    let next = store.done(Txn::put("k", "n"));
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.key("k").unwrap().modified, next);
    assert_eq!(&*store.key("k").unwrap().value, b"n");
}

#[test]
fn the_log_is_cut_and_the_start_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let value = vec![b'v'; 200_000];
    for number in 0..400 {
        store.done(Txn::put(format!("k{}", number % 10), value.clone()));
        if number % 50 == 0 {
            in_time("a compaction", store.compact(store.now())).unwrap();
        }
    }
    in_time("a compaction", store.compact(store.now())).unwrap();
    in_time("defragmentation", store.defragment()).unwrap();
    let size = |path: std::path::PathBuf| path.metadata().map_or(0, |data| data.len());
    let files = || fs::read_dir(folder.path()).unwrap().map(|entry| size(entry.unwrap().path()));
    // 80 MB went through it; ten values, the segment in use and the next one are left.
    let bytes: u64 = files().sum();
    assert!(bytes < 16 << 20, "{bytes} bytes are left");
    let before = everything(&store);
    drop(store);
    let store = open(folder.path());
    assert_eq!(everything(&store), before);
    let status = in_time("a status", store.status()).unwrap();
    assert_eq!(
        status.data_bytes,
        before.iter().map(|kv| kv.key.len() as u64 + 200_000).sum::<u64>()
    );
}
