//! Leases: files that name what must be kept although no image name leads to it.

use super::{Store, later};
use crate::error::Result;
use teu_oci::Digest;

/// A named set of digests (blobs, manifests with all they refer to, chain IDs with their parents)
/// that survives the process.
#[derive(Debug, Clone)]
pub struct Lease {
    store: Store,
    name: String,
}

impl Lease {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds to what is kept; fails if some of it is not there.
    pub fn keep(&self, _digests: &[Digest]) -> Result<()> {
        later()
    }

    /// Replaces what is kept.
    pub fn replace(&self, _digests: &[Digest]) -> Result<()> {
        let _ = &self.store;
        later()
    }

    /// What is kept.
    pub fn digests(&self) -> Result<Vec<Digest>> {
        later()
    }

    /// Ends the lease; what nothing else keeps is collected by the next prune.
    pub fn release(self) -> Result<()> {
        later()
    }
}

impl Store {
    /// The lease of this name (letters, digits, `.`, `_`, `-`); it begins to exist with its first
    /// `keep`.
    pub fn lease(&self, name: &str) -> Result<Lease> {
        Ok(Lease { store: self.clone(), name: name.to_owned() })
    }

    /// All leases there are.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        later()
    }
}
