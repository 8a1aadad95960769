//! Where the bytes are and what keeps them, counted as `du` counts.

use super::{Store, later};
use crate::error::Result;
use teu_oci::{Digest, Reference};

/// What one image takes.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// Its id.
    pub id: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// When it was made.
    pub created: Option<String>,
    /// Bytes on disk of all it refers to.
    pub total_bytes: u64,
    /// Of these, bytes that other images or leases keep too.
    pub shared_bytes: u64,
    /// Bytes that come back when it goes.
    pub unique_bytes: u64,
}

/// What one lease keeps.
#[derive(Debug, Clone)]
pub struct LeaseUsage {
    /// Its name.
    pub name: String,
    /// Bytes on disk of all it refers to.
    pub total_bytes: u64,
    /// Bytes that nothing else keeps.
    pub unique_bytes: u64,
}

/// The whole store.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Each image.
    pub images: Vec<ImageUsage>,
    /// Each lease.
    pub leases: Vec<LeaseUsage>,
    /// Everything under the store's directory, as `du -s` says.
    pub total_bytes: u64,
    /// Bytes that `prune` would give back with no image removed.
    pub unreferenced_bytes: u64,
}

/// What keeps some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// An image with these names (none: dangling).
    Image(Digest, Vec<Reference>),
    /// A lease.
    Lease(String),
    /// A command that is running.
    Running(u32),
}

impl Store {
    /// Counts every byte of the store.
    pub fn usage(&self) -> Result<Usage> {
        later()
    }

    /// What keeps a blob or snapshot; empty: the next prune takes it.
    pub fn why(&self, _digest: &Digest) -> Result<Vec<Keeper>> {
        later()
    }
}
