//! A blob that a server fetches for others: kept as far as it came, read by many while it comes,
//! placed under a ledger when it is whole.
//!
//! It is the partial blob of a pull (`partial/`), so that a registry's cache goes on where a killed
//! process (or a `teu pull` beside it) has stopped. Hashing is the fetcher's: what is sealed without
//! having been hashed is not a blob but a lie.

use super::Store;
use super::ledger::Sealed;
use super::partial::Partial;
use crate::error::{Error, Result};
use std::fs::File;
use std::io;
use std::sync::Arc;
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// A blob that is coming; nobody else fetches it meanwhile.
#[derive(Debug)]
pub struct Fetch {
    store: Store,
    partial: Partial,
}

impl Fetch {
    /// Bytes that are there, of which nothing is known but their number.
    pub fn have_bytes(&self) -> u64 {
        self.partial.have()
    }

    /// The file, for who reads what has come at offsets below it.
    pub fn file(&self) -> Result<Arc<File>> {
        // Opened anew: a clone would share the fetcher's lock, and outlive it.
        let path = self.partial.path();
        File::open(path).map(Arc::new).map_err(|e| Error::io("open", path, e))
    }

    /// Puts bytes behind those that are there.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.append(bytes)
    }

    /// All bytes are there and have this digest. Not synced: what is lost is fetched again.
    pub fn seal(self, digest: &Digest) -> Sealed {
        let (size, path) = (self.partial.have(), self.partial.path().to_path_buf());
        Sealed::upload(self.store, digest.clone(), size, path)
    }

    /// Ends it without a blob. Who has the file open can read on.
    pub fn discard(self) -> Result<()> {
        self.partial.remove()
    }
}

impl Store {
    /// The blob as far as it came; waits for whoever fetches it now. A blob that has become whole
    /// meanwhile is told by [`Store::blob_size`].
    pub fn fetch(&self, wanted: &Descriptor) -> Result<Fetch> {
        self.sweep_partials(false);
        Ok(Fetch { store: self.clone(), partial: self.partial(wanted)? })
    }
}
