//! Who has an endpoint without having a shim: a build's step, while its process lives.
//!
//! A repair gives back what dead pods hold, and asks its caller who lives. That one knows shims; who
//! is not one says so by a lock on `<run>/networks/.claims/<pod>`, which goes with its process.

use crate::error::Result;
use crate::files::{self, Lock};
use crate::networks::Networks;
use crate::place::check_component;
use std::path::PathBuf;

/// While it lives, what the pod holds on networks is not given up by a repair.
#[derive(Debug)]
#[must_use = "a repair may give up what the pod holds once this is dropped"]
pub struct Claim {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Still locked: nobody else's. One that stays is unlocked, and seen as what it is.
        let _ = files::remove(&self.path);
    }
}

impl Networks {
    /// Says that a pod lives as long as this process does. To be asked for before it connects.
    pub fn claim(&self, pod: &str) -> Result<Claim> {
        check_component(pod)?;
        let folder = self.claims();
        files::directory(&folder)?;
        let path = folder.join(pod);
        loop {
            let lock = files::lock(&path)?;
            // A repair may have removed an old one of this name while this waited.
            if !lock.is_deleted() {
                return Ok(Claim { path, _lock: lock });
            }
        }
    }

    fn claims(&self) -> PathBuf {
        self.run().join(".claims")
    }

    /// Whether a process that lives has claimed the pod; what a dead one claimed is forgotten.
    pub(crate) fn is_claimed(&self, pod: &str) -> Result<bool> {
        let path = self.claims().join(pod);
        if !path.exists() {
            return Ok(false);
        }
        match files::try_lock(&path)? {
            None => Ok(true),
            Some(_lock) => files::remove(&path).map(|()| false),
        }
    }
}
