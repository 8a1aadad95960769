//! What the cache remembers: from a step's key to the layer it became.
//!
//! ```text
//! <state>/records/<key>.json   one step; its modification time is when it was last used
//! <state>/lock                 flock: held to change the lease, which follows from the records
//! ```
//! A record is a hint: it counts only while the store still has what it names, so a record whose
//! content was collected, or that was half written by a killed command, is a miss and nothing worse.
//! The lease [`LEASE`] keeps the layers of all records; it is renewed at the end of a build.

use crate::error::Error;
use crate::outcome::{PruneReport, PruneRequest, RecordUsage};
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use teu_images::Store;
use teu_oci::image::Descriptor;
use teu_oci::{ChainId, Digest};

/// Name of the lease on layers that only the cache needs.
pub const LEASE: &str = "build-cache";
/// Remembered answers of one kind; beyond, all of them are forgotten.
const HINT_LIMIT: usize = 20_000;
const RECORD_LIMIT_BYTES: u64 = 64 << 10;

/// The layer that a step became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place.
    pub chain: ChainIdText,
    /// Hash of its plain tar.
    pub diff_id: Digest,
    /// Its blob.
    pub descriptor: Descriptor,
    /// RFC 3339: when the step ran.
    pub created: String,
    /// The instruction.
    pub description: String,
}

/// A chain ID as text.
pub type ChainIdText = Digest;

/// The records of one instance.
#[derive(Debug, Clone)]
pub struct Records {
    state: PathBuf,
    images: Store,
}

impl Records {
    /// Beneath `state`, which exists.
    pub fn open(state: &Path, images: &Store) -> Result<Self, Error> {
        let records = Self { state: state.to_owned(), images: images.clone() };
        let dir = records.dir();
        std::fs::create_dir_all(&dir).map_err(|source| Error::io("make", &dir, source))?;
        Ok(records)
    }

    fn dir(&self) -> PathBuf {
        self.state.join("records")
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir().join(format!("{key}.json"))
    }

    /// What a step became, if the store still has its blob; marks it as used.
    pub fn get(&self, key: &str) -> Option<Record> {
        let path = self.path(key);
        let record = read(&path)?;
        if !self.images.has_blob(&record.descriptor.digest) {
            return None;
        }
        if let Ok(file) = std::fs::File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(record)
    }

    /// Remembers a step.
    pub fn put(&self, key: &str, record: &Record) -> std::io::Result<()> {
        let path = self.path(key);
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let bytes = serde_json::to_vec(record).map_err(std::io::Error::other)?;
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(&temporary, &path)
    }

    /// All records with when they were last used, that first.
    fn all(&self) -> Vec<(String, Record, SystemTime)> {
        let Ok(entries) = std::fs::read_dir(self.dir()) else { return Vec::new() };
        let mut found: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let path = entry.path();
                let key = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
                let used = entry.metadata().ok()?.modified().ok()?;
                Some((key, read(&path)?, used))
            })
            .collect();
        found.sort_by_key(|(_, _, used)| std::cmp::Reverse(*used));
        found
    }

    /// Makes the lease keep what the records name, dropping the least recently used beyond the
    /// budget, and records whose content is gone.
    pub fn renew_lease(&self, budget_bytes: u64) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut total = 0;
        let mut kept = Vec::new();
        for (key, record, _) in self.all() {
            total += record.descriptor.size;
            let present = self.images.has_blob(&record.descriptor.digest);
            if !present || (budget_bytes > 0 && total > budget_bytes) {
                let _ = std::fs::remove_file(self.path(&key));
            } else {
                kept.push(record);
            }
        }
        for hints in ["content", "exists"] {
            let dir = self.state.join(hints);
            let count = std::fs::read_dir(&dir).map_or(0, Iterator::count);
            if count > HINT_LIMIT {
                crate::mounts::remove_tree(&dir)?;
            }
        }
        self.replace_lease(&kept)
    }

    fn replace_lease(&self, kept: &[Record]) -> Result<(), Error> {
        let mut digests: Vec<Digest> = Vec::new();
        for record in kept {
            digests.push(record.descriptor.digest.clone());
            if self.images.has_chain(&ChainId::from_digest(record.chain.clone()))? {
                digests.push(record.chain.clone());
            }
        }
        digests.sort();
        digests.dedup();
        let lease = self.images.lease(LEASE)?;
        if digests.is_empty() { Ok(lease.release()?) } else { Ok(lease.replace(&digests)?) }
    }

    fn lock(&self) -> Result<rustix::fd::OwnedFd, Error> {
        let path = self.state.join("lock");
        let fail = |errno| Error::io("lock", &path, errno);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(rustix::fs::CWD, &path, flags, Mode::from_raw_mode(0o600))
            .map_err(fail)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(fail)?;
        Ok(file)
    }

    /// What each record and cache mount takes.
    pub fn usage(&self) -> Result<Vec<RecordUsage>, Error> {
        let lease = self.images.leases()?.into_iter().any(|lease| lease.name() == LEASE);
        let only_ours = |digest: &Digest| match self.images.why(digest) {
            Ok(keepers) => keepers
                .iter()
                .all(|keeper| matches!(keeper, teu_images::Keeper::Lease(name) if name == LEASE)),
            Err(_) => false,
        };
        let mut usage: Vec<RecordUsage> = self
            .all()
            .into_iter()
            .map(|(key, record, used)| RecordUsage {
                in_use: !(lease && only_ours(&record.descriptor.digest)),
                id: key,
                kind: "regular",
                description: record.description,
                size_bytes: record.descriptor.size,
                created_s: crate::time::parse_rfc3339(&record.created).unwrap_or(0),
                last_used_s: seconds(used),
            })
            .collect();
        usage.extend(crate::mounts::usage(&self.state));
        usage.sort_by_key(|record| std::cmp::Reverse(record.last_used_s));
        Ok(usage)
    }

    /// Forgets records, and cache mounts if asked to.
    pub fn prune(&self, what: PruneRequest) -> Result<PruneReport, Error> {
        let _lock = self.lock()?;
        let mut report = PruneReport::default();
        let mut kept_bytes = 0;
        for record in self.usage()? {
            let recent = what.unused_since_s.is_some_and(|limit| record.last_used_s >= limit);
            let wanted = record.kind == "regular" || what.all;
            let fits = kept_bytes + record.size_bytes <= what.keep_bytes;
            if recent || !wanted || (what.keep_bytes > 0 && fits) {
                kept_bytes += record.size_bytes;
                continue;
            }
            if record.kind == "regular" {
                let _ = std::fs::remove_file(self.path(&record.id));
            } else if !crate::mounts::remove(&self.state, &record.id)? {
                continue;
            }
            if !record.in_use {
                report.reclaimed_bytes += record.size_bytes;
            }
            report.removed.push(record);
        }
        let kept: Vec<Record> = self.all().into_iter().map(|(_, record, _)| record).collect();
        self.replace_lease(&kept)?;
        for hints in ["content", "exists"] {
            crate::mounts::remove_tree(&self.state.join(hints))?;
        }
        self.images.collect()?;
        Ok(report)
    }
}

fn read(path: &Path) -> Option<Record> {
    if std::fs::metadata(path).ok()?.len() > RECORD_LIMIT_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Seconds since the epoch.
pub fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
        .try_into()
        .unwrap_or(i64::MAX)
}
