//! Directories in which a client's contexts are kept between builds, so that only what has changed
//! is sent.
//!
//! ```text
//! <state>/sync/<hash of key>-<n>.lock   flock: held by the build that uses it; when it was last
//!                                       used is its time, how many bytes it has its content
//! <state>/sync/<hash of key>-<n>/       the files
//! ```
//! Builds of one context at the same time have copies of their own (`n`). What has not been used for
//! longest goes when there is too much ([`KEPT_LIMIT_BYTES`], [`KEPT_LIMIT`]).

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;
use teu_oci::Digest;

pub mod receive;
pub mod send;

/// Bytes of contexts that are kept.
const KEPT_LIMIT_BYTES: u64 = 10 << 30;
/// Contexts that are kept.
const KEPT_LIMIT: usize = 64;
/// Builds of one context at the same time.
const COPY_LIMIT: u32 = 64;

/// All that are kept. One process at a time has them.
#[derive(Debug)]
pub struct Contexts {
    root: PathBuf,
    /// Held while locks are tried, so that one who looks is not taken for one who builds.
    looking: Mutex<()>,
}

/// A directory in use.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    lock: std::fs::File,
}

/// One context on disk, as `docker buildx du` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUsage {
    /// Its directory's name.
    pub id: String,
    /// Of its files.
    pub size_bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
    /// A build uses it now.
    pub in_use: bool,
}

/// Why a context cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// Too many builds.
    #[error("{COPY_LIMIT} builds of this context run already: wait for one of them")]
    Busy,
}

impl Error {
    fn io(verb: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Io { verb, path: path.to_owned(), source: source.into() }
    }
}

impl Contexts {
    /// Kept in this directory, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root, looking: Mutex::new(()) }
    }

    /// The directory of a key, or another one for it where that is in use; makes room first.
    pub fn take(&self, key: &str) -> Result<Kept, Error> {
        let _looking = self.look();
        let root = &self.root;
        std::fs::create_dir_all(root).map_err(|source| Error::io("make", root, source))?;
        let hash = Digest::sha256(key.as_bytes());
        let mut taken = None;
        for number in 0..COPY_LIMIT {
            let path = root.join(format!("{}-{number}", &hash.hex()[..32]));
            if let Some(lock) = lock(&path)? {
                taken = Some(Kept { path, lock });
                break;
            }
        }
        let kept = taken.ok_or(Error::Busy)?;
        let made = match std::fs::create_dir(&kept.path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        };
        made.map_err(|source| Error::io("make", &kept.path, source))?;
        make_room(root, KEPT_LIMIT, KEPT_LIMIT_BYTES);
        Ok(kept)
    }

    /// What is kept, last used first.
    pub fn usage(&self) -> Vec<KeptUsage> {
        let _looking = self.look();
        usage(&self.root)
    }

    /// Removes what is not in use; gives what went.
    pub fn prune(&self) -> Vec<KeptUsage> {
        let _looking = self.look();
        make_room(&self.root, 0, 0)
    }

    fn look(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(|error| error.into_inner())
    }
}

impl Kept {
    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes how large it is, and that it was used now.
    pub fn used(&mut self, size_bytes: u64) {
        // Losing the note makes the sweep less exact, nothing else.
        let text = size_bytes.to_string();
        let _ = self
            .lock
            .rewind()
            .and_then(|()| self.lock.set_len(0))
            .and_then(|()| self.lock.write_all(text.as_bytes()));
    }
}

fn usage(root: &Path) -> Vec<KeptUsage> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut kept = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| {
            file.take(32).read_to_string(&mut text)?;
            path.metadata()?.modified()
        });
        let Ok(used) = read else { continue };
        let path = path.with_extension("");
        let in_use = lock(&path).is_ok_and(|lock| lock.is_none());
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        kept.push(KeptUsage { id, size_bytes: text.parse().unwrap_or(0), used, in_use });
    }
    kept.sort_by_key(|kept: &KeptUsage| std::cmp::Reverse(kept.used));
    kept
}

/// Removes what was used longest ago until the rest is within the limits.
fn make_room(root: &Path, count: usize, bytes: u64) -> Vec<KeptUsage> {
    let mut removed = Vec::new();
    let (mut kept_count, mut kept_bytes) = (0, 0u64);
    for usage in usage(root) {
        kept_count += 1;
        kept_bytes = kept_bytes.saturating_add(usage.size_bytes);
        if usage.in_use || (kept_count <= count && kept_bytes <= bytes) {
            continue;
        }
        let path = root.join(&usage.id);
        let Ok(Some(_lock)) = lock(&path) else { continue };
        if teu_builder::mounts::remove_tree(&path).is_ok() {
            let _ = std::fs::remove_file(lock_path(&path));
            removed.push(usage);
        }
    }
    removed
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// The lock of a directory, unless somebody has it.
fn lock(path: &Path) -> Result<Option<std::fs::File>, Error> {
    let path = lock_path(path);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    loop {
        let file: OwnedFd = rustix::fs::openat(CWD, &path, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| Error::io("open", &path, errno))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(Error::io("lock", &path, errno)),
            Ok(()) => {}
        }
        // A sweep may have taken the file away between opening and locking: then it is made again.
        let same = || {
            let (ours, theirs) = (rustix::fs::fstat(&file).ok()?, rustix::fs::stat(&path).ok()?);
            Some((ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino))
        };
        if same() == Some(true) {
            return Ok(Some(std::fs::File::from(file)));
        }
    }
}

#[cfg(test)]
mod tests;
