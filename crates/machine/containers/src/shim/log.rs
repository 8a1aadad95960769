//! The log of one container: Docker's json-file format, bounded by size and count.
//!
//! ```text
//! container.log        {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}
//! container.log.1 …    older ones, the highest number the oldest
//! ```
//! The file is opened beneath the container's folder and never through a link (CVE-2026-53489).
//! Lines longer than [`LINE_LIMIT_BYTES`] are cut into several entries of which only the last ends
//! with a newline, as Docker does. When the disk is full the entries are lost, the container lives.

use crate::record::LogRecord;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

pub(super) mod entry;

/// Longest piece of a line in one entry.
pub(super) const LINE_LIMIT_BYTES: usize = 16 << 10;
const NAME: &str = "container.log";
/// Entries are written together up to this size.
const BATCH_BYTES: usize = 128 << 10;

/// Where a container's output is kept.
#[derive(Debug)]
pub(super) struct Log {
    folder: OwnedFd,
    limits: LogRecord,
    file: Option<OwnedFd>,
    size_bytes: u64,
}

impl Log {
    /// Opens the log in a container's folder; the file itself with the first entry.
    pub(super) fn new(folder: OwnedFd, limits: LogRecord) -> Self {
        Self { folder, limits, file: None, size_bytes: 0 }
    }

    /// Whether anything is kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.limits.keep
    }

    /// Cuts output into entries and writes them; what does not end a line stays in `open_line`.
    pub(super) fn append(&mut self, entry: &entry::Source, bytes: &[u8], open_line: &mut Vec<u8>) {
        if !self.limits.keep {
            return;
        }
        let mut batch = Vec::new();
        let limit = match usize::try_from(self.limits.max_size_bytes) {
            Ok(file) if file > 0 => file.min(BATCH_BYTES) / 2,
            _ => BATCH_BYTES,
        };
        entry::cut(bytes, open_line, |line| {
            entry.write(line, &mut batch);
            if batch.len() >= limit {
                self.write(&mut batch);
            }
        });
        self.write(&mut batch);
    }

    /// Writes what is left of a stream that has ended.
    pub(super) fn finish(&mut self, entry: &entry::Source, open_line: &mut Vec<u8>) {
        let rest = std::mem::take(open_line);
        if !rest.is_empty() && self.limits.keep {
            let mut batch = Vec::new();
            entry.write(&rest, &mut batch);
            self.write(&mut batch);
        }
    }

    /// Writes whole entries, into a new file when the present one would grow too long.
    fn write(&mut self, batch: &mut Vec<u8>) {
        let length = batch.len() as u64;
        let limit = self.limits.max_size_bytes;
        if length == 0 {
            return;
        }
        if limit > 0 && self.size_bytes > 0 && self.size_bytes + length > limit {
            self.rotate();
        }
        if self.file.is_none() {
            // An error (disk full, folder gone) loses these entries and is tried again with the next.
            let _ = self.open();
        }
        if let Some(file) = &self.file {
            let written = write_all(file, batch);
            self.size_bytes += written as u64;
            if written < batch.len() && written > 0 {
                // Half an entry would make the next one unreadable.
                let _ = rustix::io::write(file, b"\n");
            }
        }
        batch.clear();
    }

    fn open(&mut self) -> Result<(), Errno> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::CLOEXEC
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY
            | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        let file = rustix::fs::openat(&self.folder, NAME, flags, mode)?;
        let facts = rustix::fs::fstat(&file)?;
        if !rustix::fs::FileType::from_raw_mode(facts.st_mode).is_file() {
            return Err(Errno::INVAL);
        }
        self.size_bytes = u64::try_from(facts.st_size).unwrap_or(0);
        self.file = Some(file);
        Ok(())
    }

    /// `container.log` becomes `.1`, `.1` becomes `.2`, and the oldest goes.
    fn rotate(&mut self) {
        self.file = None;
        self.size_bytes = 0;
        let name = |number: u32| match number {
            0 => NAME.to_owned(),
            number => format!("{NAME}.{number}"),
        };
        let files = self.limits.max_files.max(1);
        if files == 1 {
            let _ = rustix::fs::unlinkat(&self.folder, NAME, rustix::fs::AtFlags::empty());
        }
        for number in (0..files - 1).rev() {
            let _ =
                rustix::fs::renameat(&self.folder, name(number), &self.folder, name(number + 1));
        }
    }
}

/// How many bytes could be written.
fn write_all(file: &OwnedFd, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::write(file, &bytes[written..]) {
            Ok(0) => break,
            Ok(length) => written += length,
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests;
