//! The image store: an OCI image layout with snapshots, leases and locks beside it.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/<hex>     what other tools see (`skopeo inspect oci:DIR:busybox:latest`)
//! snapshots/<chain hex>/{fs,layer.json}          layers unpacked, only their own files
//! leases/<name>.json                             what is kept beyond names
//! tmp/                                           unfinished things, each locked by who makes it
//! partial/<algorithm>-<hex>                      blobs that have begun to come, for the next pull
//! packed/<hex>.<how>                             what a layer became when it was compressed
//! referrers/<algorithm>-<hex>.json               what says something about a manifest
//! lock                                           flock: writers of index.json and leases
//! content.lock                                   flock: shared to claim content, exclusive to collect it
//! ```
//!
//! What makes it safe:
//! - Whatever is unfinished lies in `tmp` under a lock of its maker; a free lock tells a dead maker,
//!   and the next command sweeps it. Finished things appear by rename, whole.
//! - A name or image is acknowledged after the content it needs has been synced, once for all of it.
//!   A snapshot that was not yet synced bears the boot it was made in, and after another boot is
//!   made anew from its blob.
//! - A collector holds `content.lock` exclusively while it marks and takes away; everybody else
//!   claims a digest in a session file under the shared lock before trusting that it exists.

use crate::error::{Error, Result};
use crate::limits::Limits;
use image::Image;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use teu_oci::{ChainId, Digest};

pub mod archive;
pub mod artifact;
pub mod attached;
pub mod blob;
pub mod fetch;
mod flow;
pub mod give;
pub mod image;
pub mod import;
mod index;
pub mod layer;
pub mod lazy;
pub mod lease;
pub mod ledger;
mod lock;
mod mark;
pub mod name;
mod packed;
mod partial;
pub mod prune;
pub mod published;
pub mod receive;
pub mod remove;
mod serve;
mod session;
pub mod snapshot;
mod temporary;
pub mod upload;
pub mod usage;
pub mod write;

/// A handle to one store; cheap to clone, to be shared between threads.
///
/// Content that a handle has made or asked for (`ingest`, `commit_layer`, `layer_from_tar`,
/// `chain`) is safe from collection by anybody until the handle and its clones are gone, so that it
/// can be given a name or a lease in peace.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    limits: Limits,
    session: Mutex<Option<session::Session>>,
    /// Content was written that is perhaps not yet on disk.
    is_dirty: AtomicBool,
    /// Snapshots that bear this boot because they were not synced when they were made.
    unsynced: Mutex<Vec<ChainId>>,
}

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

impl Store {
    /// Opens the store at `dir`, creating it where it is not, and sweeps what killed commands left.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, Limits::DEFAULT)
    }

    /// Opens with other limits than the default ones.
    pub fn open_with(dir: &Path, limits: Limits) -> Result<Self> {
        let store = Self::handle(dir, limits);
        if !store.path("index.json").exists() {
            store.create()?;
        }
        temporary::sweep(&store.path("tmp"))?;
        Ok(store)
    }

    fn handle(dir: &Path, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            dir: dir.to_path_buf(),
            limits,
            session: Mutex::new(None),
            is_dirty: AtomicBool::new(false),
            unsynced: Mutex::new(Vec::new()),
        }))
    }

    fn create(&self) -> Result<()> {
        let private = |path: PathBuf| {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|e| Error::io("create directory", &path, e))
        };
        private(self.0.dir.clone())?;
        for name in ["blobs/sha256", "snapshots", "leases", "tmp"] {
            private(self.path(name))?;
        }
        let layout = self.path("oci-layout");
        if !layout.exists() {
            temporary::write(&self.path("tmp"), &layout, LAYOUT.as_bytes())?;
        }
        // An index that another command creates meanwhile is as good.
        self.create_index()
    }

    /// The layout's directory.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The bounds it works with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.dir.join(name)
    }

    fn tmp(&self) -> PathBuf {
        self.path("tmp")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.0.dir.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    fn snapshot_path(&self, chain: &ChainId) -> PathBuf {
        self.0.dir.join("snapshots").join(chain.hex())
    }

    fn set_dirty(&self) {
        self.0.is_dirty.store(true, Ordering::Release);
    }

    /// Puts on disk all that this handle has written, in one go.
    fn sync(&self) -> Result<()> {
        if !self.0.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let dir = fs::File::open(&self.0.dir).map_err(|e| Error::io("open", &self.0.dir, e))?;
        if let Err(source) = rustix::fs::syncfs(&dir) {
            self.set_dirty();
            return Err(Error::io("sync", &self.0.dir, source));
        }
        self.mark_synced()
    }
}

/// A directory of the store's `tmp` for one piece of work; gone with it, whatever happens.
#[derive(Debug)]
pub(crate) struct Room(temporary::Temporary);

impl Room {
    pub(crate) fn new(store: &Store) -> Result<Self> {
        temporary::Temporary::directory(&store.tmp(), "room").map(Self)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Puts the names in a directory on disk.
fn sync_dir(dir: &Path) -> Result<()> {
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("sync", dir, e))
}

#[cfg(test)]
mod tests;
