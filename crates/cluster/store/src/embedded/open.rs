//! From a folder to a store: checkpoint, then log. What is damaged is said, with what to do.

use super::base::{self, ReadError};
use super::disk::Disk;
use super::keeper::Spares;
use super::log::Log;
use super::record::{Reader, Record};
use super::state::{Commit, Lease, State};
use crate::kv::Event;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A file that a checkpoint or restore is written to before it gets its name.
pub const UNFINISHED: &str = "new-base";

/// Why a store could not be opened or restored.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{folder} is in use by another process: end that one first, or choose another folder")]
    Locked {
        /// Which folder.
        folder: String,
    },
    /// What is there is not what was written.
    #[error(
        "{folder}/{file} is damaged at byte {at}: {what}. Nothing was changed. Restore a snapshot into an empty folder, or copy the folder from a backup"
    )]
    Damaged {
        /// Which folder.
        folder: String,
        /// Which file.
        file: String,
        /// Where.
        at: usize,
        /// How.
        what: String,
    },
    /// The system refused.
    #[error("{folder}/{file} could not be read or written")]
    Io {
        /// Which folder.
        folder: String,
        /// Which file; empty for the folder itself.
        file: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A restore needs an empty folder.
    #[error("{folder} is not empty (it has {file}): restore into a new folder")]
    NotEmpty {
        /// Which folder.
        folder: String,
        /// What is in it.
        file: String,
    },
    /// What should be restored is no snapshot.
    #[error("the snapshot cannot be used; nothing was restored")]
    Snapshot(#[source] ReadError),
}

pub fn damaged(disk: &dyn Disk, file: &str, at: usize, what: &str) -> OpenError {
    OpenError::Damaged { folder: disk.describe(), file: file.to_owned(), at, what: what.to_owned() }
}

pub fn io_error(disk: &dyn Disk, file: &str, source: io::Error) -> OpenError {
    OpenError::Io { folder: disk.describe(), file: file.to_owned(), source }
}

/// Reads everything there is.
pub fn load(
    disk: &Arc<dyn Disk>,
    spares: Spares,
    now: Duration,
) -> Result<(State, Log, u64), OpenError> {
    let names = disk.names().map_err(|error| io_error(&**disk, "", error))?;
    let newest = names.iter().filter_map(|name| base::number(name)).max();
    let mut base_bytes = 0;
    let mut state = match newest {
        None => State::default(),
        Some(batch) => {
            let file = base::name(batch);
            let input = disk.open(&file).map_err(|error| io_error(&**disk, &file, error))?;
            let mut input = Counted { input, bytes: &mut base_bytes };
            base::read(&mut input, now).map_err(|error| match error {
                ReadError::Io(source) => io_error(&**disk, &file, source),
                other => damaged(&**disk, &file, 0, &other.to_string()),
            })?
        }
    };
    for name in names {
        if base::number(&name).is_some_and(|batch| Some(batch) < newest) || name == UNFINISHED {
            disk.remove(&name).map_err(|error| io_error(&**disk, &name, error))?;
        }
    }
    let batch = state.batch;
    let log = Log::open(disk, spares, batch, &mut |batch, payload| {
        let mut reader = Reader(payload);
        while !reader.is_empty() {
            take(&mut state, reader.record()?, now)?;
        }
        state.batch = batch;
        Some(())
    })?;
    Ok((state, log, base_bytes))
}

/// Counts what is read.
pub struct Counted<'a, R> {
    pub input: R,
    pub bytes: &'a mut u64,
}

impl<R: io::Read> io::Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        *self.bytes += read as u64;
        Ok(read)
    }
}

/// Does again what a record says; `None` if it cannot follow what is there.
fn take(state: &mut State, record: Record, now: Duration) -> Option<()> {
    match record {
        Record::Commit { revision, kvs } => {
            if revision != state.revision + 1 {
                return None;
            }
            let events = kvs.into_iter().map(|kv| {
                let previous = state.get(&kv.key).cloned();
                Event { kv: Arc::new(kv), previous }
            });
            let events = events.collect();
            state.apply(Commit { revision, events });
        }
        Record::Compact(revision) => {
            if revision > state.revision {
                return None;
            }
            state.compacted = state.compacted.max(revision);
            while state.prune(usize::MAX) {}
        }
        Record::Grant { id, seconds } => {
            let ends = now.checked_add(Duration::from_secs(seconds))?;
            state.leases.insert(id, Lease { seconds, ends, keys: Default::default() });
            state.last_lease = state.last_lease.max(id);
        }
        Record::Revoke(id) => {
            state.leases.remove(&id);
        }
    }
    Some(())
}

/// Writes a snapshot as the checkpoint of a folder that has nothing.
pub fn restore(disk: &Arc<dyn Disk>, snapshot: &mut dyn io::Read) -> Result<u64, OpenError> {
    let locked = disk.lock().map_err(|error| io_error(&**disk, "lock", error))?;
    let _locked = locked.ok_or_else(|| OpenError::Locked { folder: disk.describe() })?;
    let names = disk.names().map_err(|error| io_error(&**disk, "", error))?;
    if let Some(file) = names.into_iter().find(|name| name != UNFINISHED) {
        return Err(OpenError::NotEmpty { folder: disk.describe(), file });
    }
    let state = base::read(snapshot, Duration::ZERO).map_err(OpenError::Snapshot)?;
    let (batch, revision) = (state.batch, state.revision);
    let state = std::sync::RwLock::new(state);
    let write = || {
        let mut file = disk.create(UNFINISHED)?;
        base::write(&state, Duration::ZERO, &mut *file)?;
        file.sync()?;
        drop(file);
        disk.rename(UNFINISHED, &base::name(batch))?;
        disk.sync_names()
    };
    write().map_err(|error| io_error(&**disk, UNFINISHED, error))?;
    Ok(revision)
}
