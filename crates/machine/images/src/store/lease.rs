//! Leases: files that name what must be kept although no image name leads to it.

use super::lock::{Lock, Mode};
use super::{Store, temporary};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use teu_oci::{ChainId, Digest};

/// A named set of digests (blobs, manifests with all they refer to, chain IDs with their parents)
/// that survives the process.
#[derive(Debug, Clone)]
pub struct Lease {
    store: Store,
    name: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    digests: BTreeSet<Digest>,
}

const SUFFIX: &str = ".json";
const NAME_BYTES: usize = 200;

impl Lease {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds to what is kept; fails if some of it is not there.
    pub fn keep(&self, digests: &[Digest]) -> Result<()> {
        self.change(digests, |kept| kept.extend(digests.iter().cloned()))
    }

    /// Replaces what is kept; fails if some of it is not there.
    pub fn replace(&self, digests: &[Digest]) -> Result<()> {
        self.change(digests, |kept| *kept = digests.iter().cloned().collect())
    }

    /// Takes some of it out.
    pub fn forget(&self, digests: &[Digest]) -> Result<()> {
        self.change(&[], |kept| kept.retain(|digest| !digests.contains(digest)))
    }

    /// What is kept; nothing, if the lease does not exist.
    pub fn digests(&self) -> Result<Vec<Digest>> {
        Ok(self.read()?.digests.into_iter().collect())
    }

    /// Ends the lease; what nothing else keeps is collected by the next prune.
    pub fn release(self) -> Result<()> {
        let path = self.path();
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::io("remove", path, source)),
        }
    }

    fn change(&self, new: &[Digest], change: impl FnOnce(&mut BTreeSet<Digest>)) -> Result<()> {
        self.store.claim(new)?;
        let _content = self.store.content_lock(Mode::Shared)?;
        for digest in new {
            let chain = ChainId::from_digest(digest.clone());
            let is_here = self.store.has_blob(digest) || self.store.snapshot_path(&chain).exists();
            if !is_here && !self.store.is_coming(&chain) {
                return Err(Error::Missing { digest: digest.clone(), what: "what shall be kept" });
            }
        }
        let _lock = Lock::wait(&self.store.path("lock"), Mode::Exclusive)?;
        let mut document = self.read()?;
        change(&mut document.digests);
        let bytes = serde_json::to_vec(&document).map_err(|e| Error::document("the lease", e))?;
        temporary::write(&self.store.tmp(), &self.path(), &bytes)
    }

    fn read(&self) -> Result<Document> {
        let path = self.path();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Error::document(path.display().to_string(), e)),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Document::default()),
            Err(source) => Err(Error::io("read", path, source)),
        }
    }

    fn path(&self) -> PathBuf {
        self.store.path("leases").join(format!("{}{SUFFIX}", self.name))
    }
}

impl Store {
    /// The lease of this name (letters, digits, `.`, `_`, `-`); it begins to exist with its first
    /// `keep`.
    pub fn lease(&self, name: &str) -> Result<Lease> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty()
            || name.len() > NAME_BYTES
            || !name.bytes().all(fits)
            || name.starts_with('.')
        {
            return Err(Error::LeaseName(name.chars().take(NAME_BYTES).collect()));
        }
        Ok(Lease { store: self.clone(), name: name.to_owned() })
    }

    /// All leases there are, by name.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        let dir = self.path("leases");
        let mut names: Vec<String> = fs::read_dir(&dir)
            .map_err(|e| Error::io("list", &dir, e))?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(SUFFIX).map(str::to_owned))
            .collect();
        names.sort();
        names.iter().map(|name| self.lease(name)).collect()
    }
}
