//! Digests of files that have not changed: by device, inode, size and both times.
//!
//! A change within the clock's granularity of being looked at could go unseen, so a file that was
//! touched just before the scan is not remembered ([`SETTLED_MS`]).
//!
//! On disk: `teu-stat-1\n`, then records of 80 bytes, little endian, the last 32 the digest; a short
//! or foreign file is as good as none.

use rustix::fs::Stat;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Milliseconds for which a file must have been at rest.
pub const SETTLED_MS: i128 = 50;
const MAGIC: &[u8] = b"teu-stat-1\n";
const RECORD_BYTES: usize = 80;
/// Files remembered for one context.
const RECORD_LIMIT: usize = 1_000_000;

/// What the kernel says about a file that changes when its content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Likewise.
    pub ctime_ns: i64,
}

impl Stamp {
    /// Of a status.
    pub fn of(stat: &Stat) -> Self {
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size_bytes: stat.st_size.unsigned_abs(),
            mtime_ns: ns(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            ctime_ns: ns(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        }
    }

    fn bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let fields = [
            self.device,
            self.inode,
            self.size_bytes,
            self.mtime_ns.cast_unsigned(),
            self.ctime_ns.cast_unsigned(),
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut fields = bytes.chunks_exact(8).map(|chunk| {
            u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes has eight bytes"))
        });
        let mut next = || fields.next().unwrap_or(0);
        Self {
            device: next(),
            inode: next(),
            size_bytes: next(),
            mtime_ns: next().cast_signed(),
            ctime_ns: next().cast_signed(),
        }
    }
}

/// The digests of one context.
#[derive(Debug)]
pub struct StatCache {
    file: PathBuf,
    known: HashMap<Stamp, [u8; 32]>,
    fresh: Mutex<HashMap<Stamp, [u8; 32]>>,
    used: AtomicBool,
    opened_ns: i128,
}

impl StatCache {
    /// Reads what is remembered in `file`.
    pub fn open(file: &Path, now: SystemTime) -> Self {
        let known = std::fs::read(file).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        let opened_ns = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        let (fresh, used) = (Mutex::default(), AtomicBool::new(false));
        Self { file: file.to_owned(), known, fresh, used, opened_ns }
    }

    /// The digest of a file that looks like this.
    pub fn get(&self, stamp: &Stamp) -> Option<[u8; 32]> {
        self.used.store(true, Ordering::Relaxed);
        self.known.get(stamp).copied()
    }

    /// Remembers, unless the file was changed only now.
    pub fn put(&self, stamp: Stamp, digest: [u8; 32]) {
        let newest = i128::from(stamp.mtime_ns.max(stamp.ctime_ns));
        if newest + SETTLED_MS * 1_000_000 < self.opened_ns {
            self.fresh.lock().unwrap_or_else(|e| e.into_inner()).insert(stamp, digest);
        }
    }

    /// Writes what was learnt, if anything was. Losing it costs time, nothing else.
    pub fn save(&self) {
        let fresh = self.fresh.lock().unwrap_or_else(|e| e.into_inner());
        if fresh.is_empty() {
            return;
        }
        let mut bytes = MAGIC.to_vec();
        // What is new first: the oldest are cut off where there are too many.
        for (stamp, digest) in fresh.iter().chain(&self.known).take(RECORD_LIMIT) {
            bytes.extend_from_slice(&stamp.bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(digest);
        }
        let temporary = self.file.with_extension(format!("{}", std::process::id()));
        let written = std::fs::write(&temporary, bytes)
            .and_then(|()| std::fs::rename(&temporary, &self.file));
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<Stamp, [u8; 32]>> {
    let records = bytes.strip_prefix(MAGIC)?;
    let record = |record: &[u8]| {
        let digest = record[48..80].try_into().expect("32 bytes from 48 to 80");
        (Stamp::from_bytes(&record[..40]), digest)
    };
    Some(records.chunks_exact(RECORD_BYTES).map(record).collect())
}

#[cfg(test)]
mod tests;
