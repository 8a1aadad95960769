//! Power cuts on a simulated disk: writes of which any sectors arrived, files without what was not
//! synced, names of which only the first changes are kept. Seeded: a seed that fails is a test.
//!
//! One thread, one order: the store runs on its caller (`open_single`), and the disk ends the power
//! at a chosen operation. What was acknowledged before has to be there; what was under way may be.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use teu_store::embedded::Embedded;
use teu_store::embedded::disk::{Disk, InPlace, Sequential};
use teu_store::suite::in_time;
use teu_store::{Change, Clock, Error, Expect, Outcome, Range, Span, Store, Txn, Write};

const SECTOR: usize = 512;
const SEEDS: u64 = 60;
const CUTS: usize = 6;

/// xorshift64*.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound as u64).unwrap()
    }
}

#[derive(Debug, Default, Clone)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, usize),
    Gone(String),
}

#[derive(Debug)]
struct Inner {
    dice: Dice,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced: Vec<NameChange>,
    /// Operations until the power goes; 0 is off.
    left: usize,
    /// No file can be made.
    full: bool,
    /// No segment can be opened.
    shut: bool,
}

#[derive(Debug, Clone)]
struct Sim(Arc<Mutex<Inner>>);

impl Sim {
    fn new(seed: u64) -> Self {
        let inner = Inner {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced: Vec::new(),
            left: usize::MAX,
            full: false,
            shut: false,
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// One operation; fails when the power is off. Answers whether it is the one that is cut.
    fn spend(&self) -> io::Result<bool> {
        let mut inner = self.0.lock().unwrap();
        if inner.left == 0 {
            return Err(io::Error::other("the power is off"));
        }
        inner.left -= 1;
        Ok(inner.left == 0)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        if self.spend()? {
            return Err(io::Error::other("the power goes off"));
        }
        act(&mut self.0.lock().unwrap())
    }

    fn change(inner: &mut Inner, change: NameChange) {
        apply(&mut inner.names, &change);
        inner.unsynced.push(change);
    }

    /// What the next start finds.
    fn after_the_cut(&self) {
        let mut inner = self.0.lock().unwrap();
        let inner = &mut *inner;
        let kept = inner.dice.below(inner.unsynced.len() + 1);
        let mut names = inner.durable_names.clone();
        inner.unsynced.drain(..).take(kept).for_each(|change| apply(&mut names, &change));
        inner.names = names.clone();
        inner.durable_names = names;
        let named: Vec<usize> = inner.names.values().copied().collect();
        for (number, file) in inner.files.iter_mut().enumerate() {
            if !named.contains(&number) {
                *file = File::default();
            }
            if file.now == file.durable {
                continue;
            }
            let mut found = file.durable.clone();
            if file.now.len() > found.len() {
                let length = found.len() + inner.dice.below(file.now.len() - found.len() + 1);
                found.resize(length, 0);
            }
            for (at, sector) in found.chunks_mut(SECTOR).enumerate() {
                let new = &file.now[(at * SECTOR).min(file.now.len())..];
                if inner.dice.below(2) == 0 && new.len() >= sector.len() {
                    sector.copy_from_slice(&new[..sector.len()]);
                }
            }
            file.now = found.clone();
            file.durable = found;
        }
        inner.left = usize::MAX;
    }

    fn cut_after(&self, operations: usize) {
        self.0.lock().unwrap().left = operations.max(1);
    }

    fn number(inner: &Inner, name: &str) -> io::Result<usize> {
        inner.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, file) => drop(names.insert(name.clone(), *file)),
        NameChange::Gone(name) => drop(names.remove(name)),
    }
}

impl Disk for Sim {
    fn describe(&self) -> String {
        "a simulated disk".to_owned()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Ok(Some(Box::new(())))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.with(|inner| Ok(inner.names.keys().cloned().collect()))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.with(|inner| Ok(inner.files[Self::number(inner, name)?].now.clone()))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.read(name)?)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Sequential>> {
        let file = self.with(|inner| {
            if inner.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let number = inner.files.len();
            inner.files.push(File::default());
            Self::change(inner, NameChange::Set(name.to_owned(), number));
            Ok(number)
        })?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn open_log(&self, name: &str) -> io::Result<Box<dyn InPlace>> {
        let file = self.with(|inner| match inner.shut {
            true => Err(io::Error::from_raw_os_error(24)),
            false => Self::number(inner, name),
        })?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|inner| {
            let file = Self::number(inner, from)?;
            Self::change(inner, NameChange::Set(to.to_owned(), file));
            Self::change(inner, NameChange::Gone(from.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|inner| {
            Self::change(inner, NameChange::Gone(name.to_owned()));
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.with(|inner| {
            inner.durable_names = inner.names.clone();
            inner.unsynced.clear();
            Ok(())
        })
    }

    fn random(&self) -> io::Result<u64> {
        self.with(|inner| Ok(inner.dice.below(usize::MAX) as u64))
    }
}

struct Handle {
    disk: Sim,
    file: usize,
}

impl io::Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.with(|inner| {
            inner.files[self.file].now.extend_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sequential for Handle {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|inner| {
            let file = &mut inner.files[self.file];
            file.durable = file.now.clone();
            Ok(())
        })
    }
}

impl InPlace for Handle {
    fn write(&mut self, at: u64, blocks: &[u8]) -> io::Result<()> {
        let cut = self.disk.spend()?;
        let mut inner = self.disk.0.lock().unwrap();
        let at = usize::try_from(at).unwrap();
        assert!(at.is_multiple_of(4096) && blocks.len().is_multiple_of(4096), "whole blocks");
        let inner = &mut *inner;
        let file = &mut inner.files[self.file];
        assert!(at + blocks.len() <= file.now.len(), "in place");
        file.now[at..at + blocks.len()].copy_from_slice(blocks);
        if cut {
            // `now` and `durable` differ: each sector is decided at the next start.
            return Err(io::Error::other("the power goes off"));
        }
        file.durable[at..at + blocks.len()].copy_from_slice(blocks);
        Ok(())
    }
}

/// A clock that is set.
#[derive(Debug, Default, Clone)]
struct Hands(Arc<Mutex<Duration>>);

impl Clock for Hands {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

type Content = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

fn content(store: &Embedded) -> Content {
    let listed = in_time("a list", store.range(Range::all(Span::prefix("")))).unwrap();
    listed.kvs.iter().map(|kv| (kv.key.to_vec(), (kv.value.to_vec(), kv.modified))).collect()
}

/// What should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    content: Content,
    revision: u64,
}

/// One random operation: the model as it is if it happened, and how it ended.
fn operate(store: &Embedded, dice: &mut Dice, before: &Model) -> (Model, Result<(), Error>) {
    let mut after = before.clone();
    let key = format!("key-{}", dice.below(12)).into_bytes();
    let result = match dice.below(20) {
        0 => in_time("a checkpoint", store.defragment()),
        1 => {
            let result = in_time("a compaction", store.compact(before.revision));
            match result {
                Err(Error::Compacted { .. } | Error::Future { .. }) => Ok(()),
                other => other,
            }
        }
        2 => in_time("a grant", store.grant(1000)).map(|_| ()),
        kind => {
            let size = [10, 400, 5_000, 70_000][dice.below(4)];
            let value = vec![u8::try_from(dice.below(256)).unwrap(); dice.below(size)];
            let change = match kind {
                3..6 => Change::Delete,
                _ => Change::Put { value: value.clone().into(), lease: 0 },
            };
            let deleted = matches!(change, Change::Delete);
            if !deleted {
                after.revision += 1;
                after.content.insert(key.clone(), (value, after.revision));
            } else if after.content.remove(&key).is_some() {
                after.revision += 1;
            }
            let txn = Txn::one(key, Expect::Any, change);
            in_time("a commit", store.commit(txn)).map(|outcome| {
                assert_eq!(outcome, Outcome::Done { revision: after.revision });
            })
        }
    };
    (after, result)
}

fn run(seed: u64) {
    let disk = Sim::new(seed);
    let mut dice = Dice(seed ^ 0xdead_beef_1234_5679);
    let clock = Hands::default();
    // What may be there: one of these.
    let mut possible = vec![Model::default()];
    for cut in 0..CUTS {
        let opened = Embedded::open_single(Arc::new(disk.clone()), Arc::new(clock.clone()));
        let store = match opened {
            Ok(store) => store,
            Err(error) => panic!("seed {seed}, start {cut}: {error}"),
        };
        let revision = in_time("a status", store.status()).unwrap().revision;
        let mut model = Model { content: content(&store), revision };
        assert!(possible.contains(&model), "seed {seed}, start {cut}: something was lost");
        disk.cut_after(dice.below(400));
        possible = loop {
            let (after, result) = operate(&store, &mut dice, &model);
            match result {
                Ok(()) => model = after,
                // A conflict with the disk: done or not, the next start shows.
                Err(_) => break vec![model, after],
            }
            if dice.below(300) == 0 {
                break vec![model];
            }
        };
        drop(store);
        disk.cut_after(1);
        // Sometimes the next start is cut as well.
        for _ in 0..dice.below(3) {
            disk.after_the_cut();
            disk.cut_after(dice.below(40));
            drop(Embedded::open_single(Arc::new(disk.clone()), Arc::new(clock.clone())));
        }
        disk.after_the_cut();
    }
}

#[test]
fn power_cuts() {
    for seed in 1..=SEEDS {
        run(seed);
    }
}

#[test]
fn the_simulated_clock_ends_leases() {
    let clock = Hands::default();
    let store = Embedded::open_single(Arc::new(Sim::new(1)), Arc::new(clock.clone())).unwrap();
    let lease = in_time("a grant", store.grant(10)).unwrap();
    let put = |key: &'static str, lease| {
        let change = Change::Put { value: "x".into(), lease };
        in_time("a commit", store.commit(Txn::one(key, Expect::Any, change))).unwrap()
    };
    put("a", lease);
    put("b", 0);
    *clock.0.lock().unwrap() = Duration::from_secs(9);
    store.tick();
    assert_eq!(content(&store).len(), 2);
    assert_eq!(in_time("a keep-alive", store.keep_alive(lease)), Ok(10));
    *clock.0.lock().unwrap() = Duration::from_secs(18);
    store.tick();
    assert_eq!(content(&store).len(), 2);
    *clock.0.lock().unwrap() = Duration::from_secs(19);
    store.tick();
    assert_eq!(content(&store).len(), 1);
}

/// Writes until something is wrong with the disk, then until nothing is: what was answered is there after
/// the next start.
fn recovers(wrong: fn(&mut Inner, bool), kind: Option<io::ErrorKind>) {
    let disk = Sim::new(7);
    let store = Embedded::open_single(Arc::new(disk.clone()), Arc::new(Hands::default())).unwrap();
    let put = |number: usize| {
        let txn = Txn::put(format!("k{number}"), vec![b'v'; 60_000]);
        in_time("a commit", store.commit(txn))
    };
    wrong(&mut disk.0.lock().unwrap(), true);
    let mut done = 0;
    let error = loop {
        match put(done) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
        assert!(done < 1000, "the segment has an end");
    };
    let is_expected = |found: &io::ErrorKind| kind.is_none_or(|kind| *found == kind);
    assert!(matches!(&error, Error::Io { kind, .. } if is_expected(kind)), "{error:?}");
    put(done).expect_err("it is as it was");
    assert_eq!(content(&store).len(), done, "reads go on");
    wrong(&mut disk.0.lock().unwrap(), false);
    put(done).unwrap();
    drop(store);
    let store = Embedded::open_single(Arc::new(disk), Arc::new(Hands::default())).unwrap();
    assert_eq!(content(&store).len(), done + 1);
}

#[test]
fn a_full_disk_refuses_what_it_has_no_room_for_and_recovers() {
    recovers(|disk, is_wrong| disk.full = is_wrong, Some(io::ErrorKind::StorageFull));
}

#[test]
fn who_may_open_no_more_files_loses_nothing() {
    recovers(|disk, is_wrong| disk.shut = is_wrong, None);
}

#[test]
fn leases_whose_keys_fill_more_than_a_segment_end_all_the_same() {
    let (disk, clock) = (Sim::new(3), Hands::default());
    let open = || Embedded::open_single(Arc::new(disk.clone()), Arc::new(clock.clone())).unwrap();
    let store = open();
    for revoked in [true, false] {
        let lease = in_time("a grant", store.grant(10)).unwrap();
        for some in 0..16 {
            let write = |number: usize| Write {
                key: format!("{some:02}-{number:03}-{}", "k".repeat(4000)).into(),
                expect: Expect::Absent,
                change: Change::Put { value: "x".into(), lease },
            };
            let txn = Txn { writes: (0..80).map(write).collect() };
            assert!(in_time("a commit", store.commit(txn)).unwrap().is_done());
        }
        if revoked {
            in_time("a revocation", store.revoke(lease)).unwrap();
        } else {
            *clock.0.lock().unwrap() += Duration::from_secs(11);
            in_time("a commit", store.commit(Txn::put("a", "1"))).unwrap();
            store.tick();
        }
        let left = content(&store).into_keys().filter(|key| **key != *b"a").count();
        assert_eq!(left, 0, "all are gone, revoked: {revoked}");
        let again = in_time("a keep-alive", store.keep_alive(lease));
        assert_eq!(again, Err(Error::NoLease(lease)));
    }
    drop(store);
    assert_eq!(content(&open()).len(), 1);
}

#[test]
fn a_write_that_fails_stops_writes_and_not_reads() {
    let disk = Sim::new(9);
    let store = Embedded::open_single(Arc::new(disk.clone()), Arc::new(Hands::default())).unwrap();
    in_time("a commit", store.commit(Txn::put("a", "1"))).unwrap();
    disk.cut_after(1);
    for _ in 0..2 {
        let failed = in_time("a commit", store.commit(Txn::put("b", "1")));
        assert!(matches!(failed, Err(Error::Stopped { .. })), "{failed:?}");
    }
    assert_eq!(content(&store).len(), 1, "what is not durable is not seen");
}
