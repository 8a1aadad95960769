//! What the registry knows: repositories, and in each its tags, manifests and blobs.
//!
//! A repository's record is a ledger of the image store (`registry.NAME`): one file that says at once
//! what is kept and why, appended to before a push is acknowledged. It is read when the registry
//! starts; from then on memory answers. Why no database: there is one writer, all of it fits in
//! memory, and the collector of the image store must be able to read it without the registry.

use crate::depot::Depot;
use crate::name::Name;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use teu_oci::Digest;

mod note;
mod repository;
mod state;

pub use note::{ManifestRecord, Note};
pub use repository::Repository;
pub use state::State;

/// Records that are read at a time, where that takes time.
const READERS: usize = 16;
const READER_GONE: ErrorKind = ErrorKind::Interrupted;

/// All repositories.
#[derive(Debug)]
pub struct Records {
    depot: Depot,
    repositories: RwLock<BTreeMap<Name, Arc<Repository>>>,
    coming_and_going: Mutex<()>,
}

impl Records {
    /// Reads what is recorded. Fails if another registry has it open.
    pub fn open(depot: Depot) -> teu_images::Result<Self> {
        let names = Mutex::new(depot.names()?);
        let repositories = Mutex::new(BTreeMap::new());
        let next = || names.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let read = || -> teu_images::Result<()> {
            while let Some(name) = next() {
                let opened = Arc::new(Repository::open(&depot, name.clone())?);
                let mut all = repositories.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(name, opened);
            }
            Ok(())
        };
        if depot.is_far() {
            std::thread::scope(|scope| {
                let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
                let gone = |_| Err(teu_images::Error::stream("read the records", READER_GONE));
                readers.into_iter().try_for_each(|reader| reader.join().unwrap_or_else(gone))
            })?;
        } else {
            read()?;
        }
        let repositories = repositories.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self {
            depot,
            repositories: RwLock::new(repositories),
            coming_and_going: Mutex::default(),
        })
    }

    /// Says whether any repository has a digest.
    pub fn have(&self, digest: &Digest) -> bool {
        self.all().iter().any(|repository| {
            let state = repository.read();
            state.blobs.contains_key(digest) || state.manifests.contains_key(digest)
        })
    }

    /// A repository, if there is anything in it.
    pub fn get(&self, name: &Name) -> Option<Arc<Repository>> {
        let all = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    /// A repository, which begins to exist by this.
    pub fn get_or_create(&self, name: &Name) -> teu_images::Result<Arc<Repository>> {
        if let Some(found) = self.get(name) {
            return Ok(found);
        }
        let _coming = self.coming_and_going();
        if let Some(found) = self.get(name) {
            return Ok(found);
        }
        let made = Arc::new(Repository::open(&self.depot, name.clone())?);
        self.changing().insert(name.clone(), made.clone());
        Ok(made)
    }

    /// All repositories, by name.
    pub fn all(&self) -> Vec<Arc<Repository>> {
        let all = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// The names of all that have a manifest, after this one, in order.
    pub fn names_after(&self, last: Option<&str>) -> Vec<Name> {
        let all = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        let after = all.iter().filter(|(name, _)| last.is_none_or(|last| name.as_str() > last));
        let shown = after.filter(|(_, repository)| !repository.read().manifests.is_empty());
        shown.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets a repository that has become empty, with its ledger.
    pub fn forget_if_empty(&self, name: &Name) -> teu_images::Result<()> {
        // Whoever makes it anew waits until the old ledger is gone.
        let _going = self.coming_and_going();
        let removed = {
            let mut all = self.changing();
            let Some(found) = all.get(name) else { return Ok(()) };
            // Who holds it may be about to write to it.
            if Arc::strong_count(found) > 1 || !found.read().is_empty() {
                return Ok(());
            }
            all.remove(name).and_then(Arc::into_inner)
        };
        removed.map_or(Ok(()), Repository::remove)
    }

    /// Held by who opens or removes a ledger, which may be far away.
    fn coming_and_going(&self) -> MutexGuard<'_, ()> {
        self.coming_and_going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never held while anything is read or written: threads that must not wait read the map, and what
    /// is awaited from far away is brought by them.
    fn changing(&self) -> RwLockWriteGuard<'_, BTreeMap<Name, Arc<Repository>>> {
        self.repositories.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
