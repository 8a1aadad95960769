//! One repository: its ledger, and what its notes add up to.

use super::Name;
use super::note::Note;
use super::state::State;
use crate::depot::{Depot, Log};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use teu_images::{Error, Result, Sealed};
use teu_oci::Digest;

/// Blobs of one line of the ledger, which has a bound.
const DROPPED_AT_ONCE: usize = 1000;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    name: Name,
    log: Log,
    /// Held while a change is written, so that readers only wait for memory.
    writer: Mutex<()>,
    state: RwLock<State>,
}

impl Repository {
    /// Opens its record, creating it where there is none.
    pub(super) fn open(depot: &Depot, name: Name) -> Result<Self> {
        let mut state = State::default();
        let log = depot.log(&name, |note| state.apply(note))?;
        let repository = Self { name, log, writer: Mutex::new(()), state: RwLock::new(state) };
        repository.drop_lost()?;
        repository.shrink()?;
        Ok(repository)
    }

    /// After a power failure, content may be missing that was never acknowledged to be on disk.
    fn drop_lost(&self) -> Result<()> {
        let (mut manifests, mut blobs) = (Vec::new(), Vec::new());
        {
            let state = self.read();
            for (digest, record) in &state.manifests {
                if self.log.is_lost(digest, record.size)? {
                    manifests.push(digest.clone());
                }
            }
            for (digest, (size, _)) in &state.blobs {
                if self.log.is_lost(digest, *size)? {
                    blobs.push(digest.clone());
                }
            }
        }
        for digest in manifests {
            self.change(Note::Unmanifest { digest })?;
        }
        if !blobs.is_empty() {
            self.change(Note::Unblob { digests: blobs })?;
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What is in it.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn applied(&self, note: Note) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).apply(note);
    }

    /// Records a change of content that is there. It survives the process at once, and the machine
    /// after [`Repository::persist`].
    pub fn change(&self, note: Note) -> Result<()> {
        let _claim = self.log.claim(&note);
        let _writer = self.writer();
        self.log.append(&self.read(), &note)?;
        self.applied(note);
        Ok(())
    }

    /// Takes content in with its note.
    pub fn take(&self, content: Sealed, note: Note) -> Result<()> {
        self.take_if(content, note, |_| Ok(()))
    }

    /// As [`Repository::take`], if what is in the repository at that moment allows it.
    pub fn take_if<E: From<Error>>(
        &self,
        content: Sealed,
        note: Note,
        check: impl FnOnce(&State) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let _claim = self.log.claim(&note);
        self.log.stage(&content)?;
        let _writer = self.writer();
        check(&self.read())?;
        self.log.place(content, &self.read(), &note)?;
        self.applied(note);
        Ok(())
    }

    /// Drops the blobs that no manifest needs and that came before this time; gives them.
    pub fn drop_unneeded(&self, before: u64) -> Result<Vec<Digest>> {
        let _writer = self.writer();
        let digests = self.read().unneeded_blobs(before);
        if !digests.is_empty() {
            let note = Note::Unblob { digests: digests.clone() };
            self.log.append(&self.read(), &note)?;
            self.applied(note);
        }
        Ok(digests)
    }

    /// Drops what it has of these, manifests with their tags.
    pub fn drop_all(&self, going: &HashSet<Digest>) -> Result<()> {
        let (manifests, blobs) = {
            let state = self.read();
            let manifests = state.manifests.keys().filter(|digest| going.contains(*digest));
            let blobs = state.blobs.keys().filter(|digest| going.contains(*digest));
            (manifests.cloned().collect::<Vec<_>>(), blobs.cloned().collect::<Vec<_>>())
        };
        for digest in manifests {
            self.change(Note::Unmanifest { digest })?;
        }
        for digests in blobs.chunks(DROPPED_AT_ONCE) {
            self.change(Note::Unblob { digests: digests.to_vec() })?;
        }
        Ok(())
    }

    /// Returns when all that was recorded until now is on disk.
    pub fn persist(&self) -> Result<()> {
        self.log.persist()
    }

    /// Writes the record anew if most of it is history.
    pub fn shrink(&self) -> Result<()> {
        let _writer = self.writer();
        self.log.shrink(&self.read())
    }

    /// Ends it.
    pub(super) fn remove(self) -> Result<()> {
        self.log.remove()
    }
}
