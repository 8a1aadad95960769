//! Ledgers: leases that grow line by line, for keepers with many changes that must be on disk.
//!
//! A lease is a file that is replaced whole; a registry that keeps ten thousand manifests cannot do
//! that with every push. A ledger is appended to: each line says what is kept from now on, what no
//! more, and why, in a note that is its keeper's business (the registry's whole record is its
//! ledgers). So there is one file to sync, and what is kept can never differ from what is recorded.
//!
//! One process has a ledger open; collectors read it without a lock: a line is added under the
//! shared content lock, which they hold exclusively. A last line without its end is one that was
//! never acknowledged, and is cut off by the next who opens it.

use super::lock::Mode;
use super::temporary::{Temporary, write_durably};
use super::{Store, sync_dir};
use crate::error::{Error, Result};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use teu_oci::Digest;

const SUFFIX: &str = ".log";
const NAME_BYTES: usize = 250;
/// Bytes of one line; a note is a few hundred.
const LINE_BYTES: usize = 1 << 20;

/// One change: what is kept and what no longer, with a note of its keeper.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Kept from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Digest>,
    /// No longer kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<Digest>,
    /// What the keeper remembers of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub note: Value,
}

/// An open ledger; only one process has it.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    name: String,
    file: Mutex<File>,
    /// Bytes that were appended, and those of them that are on disk.
    appended: AtomicU64,
    synced: Mutex<u64>,
}

impl Ledger {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes, for who decides when to rewrite it.
    pub fn bytes(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// Appends a change. It survives the process; [`Ledger::persist`] makes it survive the machine.
    /// Fails if something that shall be kept is not there.
    pub fn append(&self, entry: &Entry) -> Result<()> {
        let _content = self.store.content_lock(Mode::Shared)?;
        for digest in &entry.keep {
            if !self.store.has_blob(digest) {
                return Err(Error::Missing { digest: digest.clone(), what: "what shall be kept" });
            }
        }
        self.append_locked(entry)
    }

    /// As [`Ledger::append`], for who holds the content lock and knows that the content is there.
    pub(super) fn append_locked(&self, entry: &Entry) -> Result<()> {
        let line = line_of(entry)?;
        let path = || self.store.ledger_path(&self.name);
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = self.appended.load(Ordering::Acquire);
        if let Err(source) = file.write_all(&line) {
            // Half a line must not be joined by the next.
            file.set_len(before).map_err(|e| Error::io("cut", path(), e))?;
            return Err(Error::io("write", path(), source));
        }
        self.appended.store(before + line.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Returns when all that was appended until now, and the blobs it keeps, are on disk. Callers at
    /// the same time share one sync.
    pub fn persist(&self) -> Result<()> {
        let wanted = self.appended.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *synced >= wanted {
            return Ok(());
        }
        let covered = self.appended.load(Ordering::Acquire);
        let file = {
            let file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            file.try_clone()
        };
        let path = || self.store.ledger_path(&self.name);
        // The names of blobs first: a line must not lead nowhere.
        self.store.sync_blob_names()?;
        file.and_then(|file| file.sync_data()).map_err(|e| Error::io("sync", path(), e))?;
        *synced = covered;
        Ok(())
    }

    /// Replaces the whole ledger by these changes, which must amount to the same.
    pub fn rewrite(&self, entries: impl IntoIterator<Item = Entry>) -> Result<()> {
        let path = self.store.ledger_path(&self.name);
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend_from_slice(&line_of(&entry)?);
        }
        let _content = self.store.content_lock(Mode::Shared)?;
        let mut synced = self.synced.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        write_durably(&self.store.tmp(), &path, &bytes)?;
        // Who waited for the old file's lock finds out that it is no longer there.
        *file = open_locked(&path, &self.name)?;
        self.appended.store(bytes.len() as u64, Ordering::Release);
        *synced = bytes.len() as u64;
        Ok(())
    }

    /// Ends the ledger: nothing is kept by it any more.
    pub fn remove(self) -> Result<()> {
        let path = self.store.ledger_path(&self.name);
        fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        sync_dir(&self.store.path("leases"))
    }
}

/// Content that is whole and on disk, but not yet a blob.
#[derive(Debug)]
pub struct Sealed {
    store: Store,
    digest: Digest,
    size: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Temporary(Temporary),
    Upload(PathBuf),
}

impl Sealed {
    pub(super) fn upload(store: Store, digest: Digest, size: u64, path: PathBuf) -> Self {
        Self { store, digest, size, source: Source::Upload(path) }
    }

    /// Its digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Its bytes, for who keeps them elsewhere.
    pub fn open(&self) -> Result<File> {
        let path = match &self.source {
            Source::Temporary(temporary) => temporary.path(),
            Source::Upload(path) => path,
        };
        File::open(path).map_err(|e| Error::io("open", path, e))
    }

    /// Removes it: it is kept elsewhere, or by nobody.
    pub fn discard(self) -> Result<()> {
        match self.source {
            Source::Temporary(_) => Ok(()),
            Source::Upload(path) => {
                fs::remove_file(&path).map_err(|e| Error::io("remove", path, e))
            }
        }
    }

    /// Makes it a blob that the ledger keeps, with the entry that says so; its name is on disk after
    /// [`Ledger::persist`].
    pub fn place(self, ledger: &Ledger, entry: &Entry) -> Result<()> {
        let _content = self.store.content_lock(Mode::Shared)?;
        self.store.prepare_place(&self.digest)?;
        let place = self.store.blob_path(&self.digest);
        match self.source {
            Source::Temporary(temporary) => temporary.take_to(&place)?,
            Source::Upload(path) => {
                fs::rename(&path, &place).map_err(|e| Error::io("put in place", place, e))?;
            }
        }
        ledger.append_locked(entry)
    }
}

fn line_of(entry: &Entry) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).map_err(|e| Error::document("the ledger", e))?;
    line.push(b'\n');
    if line.len() > LINE_BYTES {
        let limit = LINE_BYTES as u64;
        return Err(Error::Limit { what: "a line of a ledger", limit, unit: "bytes" });
    }
    Ok(line)
}

fn open_locked(path: &Path, name: &str) -> Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::io("open", path, e))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::LedgerInUse(name.to_owned())),
        Err(source) => Err(Error::io("lock", path, source)),
    }
}

/// Reads the whole lines of a ledger; gives their bytes.
fn read(path: &Path, mut each: impl FnMut(Entry) -> Result<()>) -> Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(Error::io("open", path, source)),
    };
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let (mut line, mut whole) = (Vec::new(), 0);
    loop {
        line.clear();
        let limited = &mut std::io::Read::take(&mut reader, LINE_BYTES as u64 + 1);
        let length =
            limited.read_until(b'\n', &mut line).map_err(|e| Error::io("read", path, e))?;
        if line.last() != Some(&b'\n') {
            return match length > LINE_BYTES {
                true => Err(too_long()),
                false => Ok(whole),
            };
        }
        let entry = serde_json::from_slice(&line)
            .map_err(|e| Error::document(format!("{} at byte {whole}", path.display()), e))?;
        each(entry)?;
        whole += length as u64;
    }
}

fn too_long() -> Error {
    Error::Limit { what: "a line of a ledger", limit: LINE_BYTES as u64, unit: "bytes" }
}

impl Store {
    /// Opens the ledger of this name (letters, digits, `.`, `_`, `-`, `+`), telling of all that is
    /// written in it. It is an error if another process has it.
    pub fn ledger(&self, name: &str, each: impl FnMut(Entry) -> Result<()>) -> Result<Ledger> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(fits) {
            return Err(Error::LeaseName(name.chars().take(NAME_BYTES).collect()));
        }
        let path = self.ledger_path(name);
        let is_new = !path.exists();
        let file = open_locked(&path, name)?;
        if is_new {
            sync_dir(&self.path("leases"))?;
        }
        let whole = read(&path, each)?;
        file.set_len(whole).map_err(|e| Error::io("cut", &path, e))?;
        Ok(Ledger {
            store: self.clone(),
            name: name.to_owned(),
            file: Mutex::new(file),
            appended: AtomicU64::new(whole),
            synced: Mutex::new(whole),
        })
    }

    /// The names of all ledgers there are.
    pub fn ledger_names(&self) -> Result<Vec<String>> {
        let dir = self.path("leases");
        let mut names: Vec<String> = fs::read_dir(&dir)
            .map_err(|e| Error::io("list", &dir, e))?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(SUFFIX).map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// What a ledger keeps now; to be called under the content lock.
    pub(super) fn ledger_digests(&self, name: &str) -> Result<HashSet<Digest>> {
        let mut kept = HashSet::new();
        read(&self.ledger_path(name), |entry| {
            for digest in &entry.drop {
                kept.remove(digest);
            }
            kept.extend(entry.keep);
            Ok(())
        })?;
        Ok(kept)
    }

    fn ledger_path(&self, name: &str) -> PathBuf {
        self.path("leases").join(format!("{name}{SUFFIX}"))
    }

    /// Puts small content on disk, to be placed under a ledger that keeps it.
    pub fn seal(&self, bytes: &[u8], digest: &Digest) -> Result<Sealed> {
        let temporary = Temporary::file(&self.tmp(), "blob")?;
        temporary
            .as_file()
            .write_all(bytes)
            .and_then(|()| temporary.as_file().sync_data())
            .map_err(|e| Error::io("write", temporary.path(), e))?;
        let (store, digest, size) = (self.clone(), digest.clone(), bytes.len() as u64);
        Ok(Sealed { store, digest, size, source: Source::Temporary(temporary) })
    }

    /// The directory of another algorithm than sha256 is made when it is needed.
    pub(super) fn prepare_place(&self, digest: &Digest) -> Result<()> {
        if digest.algorithm() == "sha256" {
            return Ok(());
        }
        let dir = self.path("blobs").join(digest.algorithm());
        fs::create_dir_all(&dir).map_err(|e| Error::io("create directory", &dir, e))
    }

    /// Puts the names of blobs on disk.
    fn sync_blob_names(&self) -> Result<()> {
        sync_dir(&self.path("blobs/sha256"))?;
        let other = self.path("blobs/sha512");
        if other.exists() { sync_dir(&other) } else { Ok(()) }
    }
}
