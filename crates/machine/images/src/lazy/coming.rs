//! A layer's blob on its way: pieces in any order into one file, each fetched once.
//!
//! Two kinds of hands fetch: readers, who want some bytes at once, and the background, which wants
//! all of them. The background takes a piece only while no reader waits for the network, so that the
//! connection is never idle and never in a reader's way. Nothing here is believed: readers check
//! each piece, and the whole is hashed before it becomes a blob.

use super::extents::Extents;
use crate::error::{Error, Result};
use crate::remote::Repository;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use teu_oci::image::Descriptor;

/// A reader's request fetches at least so many bytes: what lies near is wanted next.
const NEAR_BYTES: u64 = 128 << 10;
/// The background's pieces while readers are about, and while there are none.
const SMALL_PIECE_BYTES: u64 = 1 << 20;
const LARGE_PIECE_BYTES: u64 = 8 << 20;
/// Readers are about for so long after the last one.
const CALM: Duration = Duration::from_millis(500);
/// The background waits for readers no longer than this before each piece.
const COURTESY: Duration = Duration::from_millis(250);

/// One blob.
#[derive(Debug)]
pub struct Coming {
    /// What it is.
    pub descriptor: Descriptor,
    repository: Repository,
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    have: Extents,
    /// What somebody is fetching.
    flying: Extents,
    /// It will not come any more.
    has_failed: bool,
}

/// How many readers wait for the network.
#[derive(Debug, Default)]
pub struct Traffic {
    readers: Mutex<(usize, Option<Instant>)>,
    changed: Condvar,
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, (usize, Option<Instant>)> {
        self.readers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn reader(&self, change: isize) {
        let mut readers = self.lock();
        *readers = (readers.0.saturating_add_signed(change), Some(Instant::now()));
        self.changed.notify_all();
    }

    /// Lets readers go first, for a while; says how much may be fetched at once.
    fn courtesy(&self) -> u64 {
        let readers = self.lock();
        let waited = self.changed.wait_timeout_while(readers, COURTESY, |(count, _)| *count > 0);
        let (readers, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        match readers.1 {
            Some(last) if last.elapsed() < CALM => SMALL_PIECE_BYTES,
            _ => LARGE_PIECE_BYTES,
        }
    }
}

impl Coming {
    /// A blob of which nothing is here; `file` is empty.
    pub fn new(descriptor: Descriptor, repository: Repository, file: File) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { descriptor, repository, file, state, changed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A reader's bytes, fetched if they are not here.
    pub fn read(&self, range: Range<u64>, traffic: &Traffic) -> Result<Vec<u8>> {
        if self.state().have.gap(&range).is_some() {
            traffic.reader(1);
            let fetched = self.fetch_all(&range);
            traffic.reader(-1);
            fetched?;
        }
        let length = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, range.start)
            .map_err(|e| Error::stream("read a layer that comes", e))?;
        Ok(bytes)
    }

    fn fetch_all(&self, range: &Range<u64>) -> Result<()> {
        loop {
            let part = {
                let mut state = self.state();
                let Some(gap) = state.have.gap(range) else { return Ok(()) };
                match state.flying.gap(&gap) {
                    // Somebody is at it.
                    None => {
                        drop(self.changed.wait(state));
                        continue;
                    }
                    Some(free) => {
                        let end = free.end.max(free.start + NEAR_BYTES).min(self.descriptor.size);
                        Self::claim(&mut state, free.start..end)
                    }
                }
            };
            self.fetch(part)?;
        }
    }

    /// The longest free part from the start of a range on.
    fn claim(state: &mut State, wanted: Range<u64>) -> Range<u64> {
        let mut free = state.have.gap(&wanted).unwrap_or(wanted);
        free = state.flying.gap(&free).unwrap_or(free);
        state.flying.add(free.clone());
        free
    }

    /// Fetches the next piece that nobody has or fetches; `false` when there is none.
    pub fn background(&self, traffic: &Traffic) -> Result<bool> {
        let limit = traffic.courtesy();
        let part = {
            let mut state = self.state();
            let mut at = 0;
            loop {
                let Some(gap) = state.have.gap(&(at..self.descriptor.size)) else {
                    return Ok(false);
                };
                match state.flying.gap(&gap) {
                    None => at = gap.end,
                    Some(free) => {
                        let end = free.end.min(free.start + limit);
                        break Self::claim(&mut state, free.start..end);
                    }
                }
            }
        };
        self.fetch(part)?;
        Ok(true)
    }

    /// Fetches a part that was claimed, telling others as it comes.
    fn fetch(&self, part: Range<u64>) -> Result<()> {
        let outcome = self.stream(part.clone());
        self.state().flying.remove(&part);
        self.changed.notify_all();
        outcome
    }

    fn stream(&self, part: Range<u64>) -> Result<()> {
        let mut stream = self.repository.blob_part(&self.descriptor, part.clone())?;
        let mut buffer = vec![0; 64 << 10];
        let mut at = part.start;
        loop {
            let length = stream.read(&mut buffer).map_err(|e| Error::stream("fetch a layer", e))?;
            if length == 0 {
                return Ok(());
            }
            self.file
                .write_all_at(&buffer[..length], at)
                .map_err(|e| Error::stream("write a layer that comes", e))?;
            self.state().have.add(at..at + length as u64);
            at += length as u64;
            self.changed.notify_all();
        }
    }

    /// Nobody fetches it any more: who waits for it is told.
    pub fn fail(&self) {
        self.state().has_failed = true;
        self.changed.notify_all();
    }
}

/// The blob from its first byte on, as it comes.
#[derive(Debug)]
pub struct Follow<'a> {
    blob: &'a Coming,
    at: u64,
}

impl<'a> Follow<'a> {
    /// From the start.
    pub fn new(blob: &'a Coming) -> Self {
        Self { blob, at: 0 }
    }
}

impl Read for Follow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.blob.descriptor.size || buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.blob.state();
        let run = loop {
            let run = state.have.run(self.at);
            if run > 0 {
                break run;
            }
            if state.has_failed {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let waited = self.blob.changed.wait(state);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        };
        drop(state);
        let length = usize::try_from(run).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.blob.file.read_at(&mut buffer[..length], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}
