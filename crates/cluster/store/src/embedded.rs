//! The store in one folder: memory for reads, a log for durability, checkpoints for a short start.
//!
//! Everything alive and the history that was not compacted is in memory, so reads, lists and
//! watches never touch the disk and never wait for a writer's flush. One writer at a time makes what
//! waits durable in one write of the log (group commit), then applies and answers it: the caller
//! himself if nobody writes, else the writer's thread. At most one of a runtime's threads waits for
//! the disk at a time, and none if the disk is slow. A second process on the same folder is refused. The folder's format is in `log`, `frame`,
//! `record` and `base`; what is there is only ever replaced by rename.

mod base;
pub mod disk;
mod engine;
pub mod folder;
mod frame;
mod hub;
mod keeper;
mod log;
mod open;
mod queue;
mod record;
mod state;

pub use base::ReadError;
pub use open::OpenError;

use crate::clock::{Clock, Monotonic};
use crate::error::Error;
use crate::kv::{LeaseId, Revision};
use crate::reply::{Answer, Reply};
use crate::store::{Consistency, Found, Listed, Range, Status, Store};
use crate::txn::{Outcome, Txn, check_key};
use crate::watch::{Watch, WatchRequest};
use disk::Disk;
use engine::Engine;
use hub::{Cursor, Hub};
use keeper::{Job, Spares};
use queue::{Queue, Request};
use state::State;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Keys a list looks at under one hold of the lock.
const KEYS_AT_ONCE: usize = 2048;

/// What all sides share.
#[derive(Debug)]
struct Shared {
    state: RwLock<State>,
    hub: Hub,
    queue: Queue,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    /// What the files have.
    disk_bytes: AtomicU64,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for dyn Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// Who writes.
enum Driver {
    /// Threads of its own: the writer's, the keeper's, and those that the keeper has.
    Threads { jobs: Sender<Job>, threads: Vec<JoinHandle<()>> },
    /// Only the caller, on the spot: for simulations, which want one thread and one order.
    Caller,
}

/// An open embedded store. Dropping it finishes what waits and gives the folder back.
pub struct Embedded {
    shared: Arc<Shared>,
    engine: Arc<Mutex<Engine>>,
    driver: Driver,
    _lock: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("disk", &self.shared.disk).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens a folder, or begins a store in it.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let opened = folder::Folder::open(folder);
        let disk = opened.map_err(|source| OpenError::Io {
            folder: folder.display().to_string(),
            file: String::new(),
            source,
        })?;
        Self::open_on(Arc::new(disk), Arc::new(Monotonic::new()))
    }

    /// Opens what is on a disk.
    pub fn open_on(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (jobs, waiting) = channel();
        let (shared, engine, lock) = Self::load(disk, clock, Some(jobs.clone()))?;
        let keeper = {
            let (shared, disk) = (Arc::downgrade(&shared), Arc::clone(&shared.disk));
            let thread = std::thread::Builder::new().name("store-keeper".to_owned());
            thread.spawn(move || keeper::run(&shared, &disk, &waiting))
        };
        let writer = {
            let thread = std::thread::Builder::new().name("store-writer".to_owned());
            let (shared, engine) = (Arc::clone(&shared), Arc::clone(&engine));
            thread.spawn(move || write(&shared, &engine))
        };
        let thread_error = |error| open::io_error(&*shared.disk, "", error);
        let threads = vec![writer.map_err(thread_error)?, keeper.map_err(thread_error)?];
        Ok(Self { shared, engine, driver: Driver::Threads { jobs, threads }, _lock: lock })
    }

    /// Opens what is on a disk without a thread: whoever writes does it himself.
    pub fn open_single(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (shared, engine, lock) = Self::load(disk, clock, None)?;
        Ok(Self { shared, engine, driver: Driver::Caller, _lock: lock })
    }

    #[expect(clippy::type_complexity, reason = "used twice, right above")]
    fn load(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        jobs: Option<Sender<Job>>,
    ) -> Result<(Arc<Shared>, Arc<Mutex<Engine>>, Box<dyn Send + Sync>), OpenError> {
        let locked = disk.lock().map_err(|error| open::io_error(&*disk, "lock", error))?;
        let lock = locked.ok_or_else(|| OpenError::Locked { folder: disk.describe() })?;
        let spares = Spares::new(&disk, jobs.clone());
        let (state, log, base_bytes) = open::load(&disk, spares, clock.now())?;
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            hub: Hub::default(),
            queue: Queue::default(),
            disk,
            clock,
            disk_bytes: AtomicU64::new(log.bytes() + base_bytes),
        });
        let engine = Engine::new(Arc::clone(&shared), log, jobs, base_bytes);
        Ok((shared, Arc::new(Mutex::new(engine)), lock))
    }

    /// Reads a whole snapshot and says what is in it, or what is wrong with it.
    pub fn inspect(snapshot: &mut dyn Read) -> Result<Status, ReadError> {
        let mut bytes = 0;
        let mut counted = open::Counted { input: snapshot, bytes: &mut bytes };
        let state = base::read(&mut counted, Duration::ZERO)?;
        Ok(Status {
            revision: state.revision,
            compacted: state.compacted,
            disk_bytes: bytes,
            data_bytes: state.data_bytes as u64,
        })
    }

    /// Makes a snapshot the content of an empty folder; answers its revision.
    pub fn restore(folder: &Path, snapshot: &mut dyn Read) -> Result<Revision, OpenError> {
        let opened = folder::Folder::open(folder);
        let disk: Arc<dyn Disk> = Arc::new(opened.map_err(|source| OpenError::Io {
            folder: folder.display().to_string(),
            file: String::new(),
            source,
        })?);
        open::restore(&disk, snapshot)
    }

    /// Ends leases whose time is over, when nobody's thread does it.
    pub fn tick(&self) {
        if let (Driver::Caller, Ok(mut engine)) = (&self.driver, self.engine.lock()) {
            engine.drain();
        }
    }

    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Reply<T> {
        let (answer, reply) = Reply::waiting();
        if let Err(error) = self.shared.queue.push(request(answer)) {
            return Reply::now(Err(error));
        }
        match self.engine.try_lock() {
            // Somebody writes, and looks at the queue again when he has let go of the engine.
            Err(TryLockError::WouldBlock) => {}
            // A panic in there: nobody will answer.
            Err(TryLockError::Poisoned(_)) => self.shared.queue.end(),
            Ok(mut engine) => {
                let single = matches!(self.driver, Driver::Caller);
                let sooner = (single || engine.is_quick()) && engine.lead();
                drop(engine);
                if sooner || !self.shared.queue.is_empty() {
                    self.shared.queue.wake();
                }
            }
        }
        reply
    }
}

/// The writer's thread.
fn write(shared: &Shared, engine: &Mutex<Engine>) {
    let Ok(mut first) = engine.lock() else { return };
    let mut at_most = first.drain();
    drop(first);
    // What came between the last look and the letting go is nobody else's.
    if !shared.queue.is_empty() {
        shared.queue.wake();
    }
    while shared.queue.wait(at_most) {
        loop {
            let Ok(mut engine) = engine.lock() else { return shared.queue.end() };
            at_most = engine.drain();
            drop(engine);
            // What came between the last look and the letting go is nobody else's.
            if shared.queue.is_empty() {
                break;
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Driver::Threads { jobs, threads } = &mut self.driver {
            self.shared.queue.close();
            // First the writer, who may still wait for the keeper; then the keeper.
            let mut threads = threads.drain(..);
            if let Some(writer) = threads.next() {
                let _ = writer.join();
            }
            let _ = jobs.send(Job::End);
            threads.for_each(|keeper| drop(keeper.join()));
        }
        self.shared.hub.close();
    }
}

impl Store for Embedded {
    fn get(&self, key: &[u8], _: Consistency) -> Reply<Found> {
        if let Err(error) = check_key(key) {
            return Reply::now(Err(error));
        }
        let state = self.shared.read();
        Reply::now(Ok(Found { revision: state.revision, kv: state.get(key).cloned() }))
    }

    fn range(&self, mut range: Range) -> Reply<Listed> {
        let mut listed = Listed { revision: 0, kvs: Vec::new(), more: false, count: 0 };
        let mut at = range.at;
        loop {
            // A few keys at a time, at one revision: a long list holds no writer up.
            let state = self.shared.read();
            at = match state.readable(at) {
                Ok(at) => at,
                Err(error) => return Reply::now(Err(error)),
            };
            if listed.revision == 0 {
                listed.revision = state.revision;
            }
            match state.range(&range, at, KEYS_AT_ONCE, &mut listed) {
                Some(rest) => range.span = rest,
                None => break,
            }
        }
        if !range.count {
            listed.count = 0;
        }
        Reply::now(Ok(listed))
    }

    fn commit(&self, txn: Txn) -> Reply<Outcome> {
        match txn.check() {
            Ok(()) => self.ask(|answer| Request::Commit(txn, answer)),
            Err(error) => Reply::now(Err(error)),
        }
    }

    fn watch(&self, request: WatchRequest) -> Reply<Watch> {
        let state = self.shared.read();
        if request.from != 0 && request.from <= state.compacted {
            let compacted = state.compacted;
            return Reply::now(Err(Error::Compacted { asked: request.from, compacted }));
        }
        let id = self.shared.hub.watch(&state, request);
        drop(state);
        Reply::now(Ok(Watch::new(Cursor { shared: Arc::clone(&self.shared), id })))
    }

    fn grant(&self, seconds: u64) -> Reply<LeaseId> {
        self.ask(|answer| Request::Grant(seconds, answer))
    }

    fn keep_alive(&self, lease: LeaseId) -> Reply<u64> {
        self.ask(|answer| Request::KeepAlive(lease, answer))
    }

    fn revoke(&self, lease: LeaseId) -> Reply<()> {
        self.ask(|answer| Request::Revoke(lease, answer))
    }

    fn compact(&self, revision: Revision) -> Reply<()> {
        self.ask(|answer| Request::Compact(revision, answer))
    }

    fn defragment(&self) -> Reply<()> {
        self.ask(Request::Checkpoint)
    }

    fn snapshot(&self, mut sink: Box<dyn Write + Send>) -> Reply<u64> {
        match &self.driver {
            Driver::Caller => Reply::now(keeper::snapshot(&self.shared, &mut *sink)),
            Driver::Threads { jobs, .. } => {
                let (answer, reply) = Reply::waiting();
                // If the keeper is gone, so is the answer's sender: that says `Closed`.
                let _ = jobs.send(Job::Snapshot(sink, answer));
                reply
            }
        }
    }

    fn status(&self) -> Reply<Status> {
        let state = self.shared.read();
        Reply::now(Ok(Status {
            revision: state.revision,
            compacted: state.compacted,
            disk_bytes: self.shared.disk_bytes.load(Ordering::Relaxed),
            data_bytes: state.data_bytes as u64,
        }))
    }
}
