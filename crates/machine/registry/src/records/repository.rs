//! One repository: its ledger, and what its notes add up to.

use super::note::Note;
use super::state::State;
use super::{Name, ledger_name};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use teu_images::{Error, Ledger, Result, Sealed, Store};
use teu_oci::Digest;

/// A ledger is written anew when it has so many bytes and ...
const REWRITE_BYTES: u64 = 256 << 10;
/// ... so many times those it needs (about 200 a note).
const REWRITE_TIMES: u64 = 4;
const NOTE_BYTES: u64 = 200;
/// Blobs of one line of the ledger, which has a bound.
const DROPPED_AT_ONCE: usize = 1000;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    name: Name,
    store: Store,
    ledger: Ledger,
    /// Held while a change is written, so that readers only wait for memory.
    writer: Mutex<()>,
    state: RwLock<State>,
}

impl Repository {
    /// Opens its ledger, creating it where there is none.
    pub(super) fn open(store: &Store, name: Name) -> Result<Self> {
        let mut state = State::default();
        let ledger = store.ledger(&ledger_name(&name), |entry| {
            let note: Note = serde_json::from_value(entry.note).map_err(|source| {
                let what = format!("the record of {name}");
                Error::Document { what, source }
            })?;
            state.apply(note);
            Ok(())
        })?;
        let (store, writer, state) = (store.clone(), Mutex::new(()), RwLock::new(state));
        let repository = Self { name, store, ledger, writer, state };
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
                if self.is_lost(digest, record.size)? {
                    manifests.push(digest.clone());
                }
            }
            for (digest, (size, _)) in &state.blobs {
                if self.is_lost(digest, *size)? {
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

    /// Lost is what is not there or not whole; what cannot be looked at is an error, not a loss.
    fn is_lost(&self, digest: &Digest, size: u64) -> Result<bool> {
        if self.store.blob_size(digest) == Some(size) {
            return Ok(false);
        }
        match self.store.open_blob_file(digest) {
            Ok(_) | Err(Error::Missing { .. }) => Ok(true),
            Err(other) => Err(other),
        }
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
        let _writer = self.writer();
        self.ledger.append(&self.read().entry(&note))?;
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
        let _writer = self.writer();
        check(&self.read())?;
        content.place(&self.ledger, &self.read().entry(&note))?;
        self.applied(note);
        Ok(())
    }

    /// Drops the blobs that no manifest needs and that came before this time; gives them.
    pub fn drop_unneeded(&self, before: u64) -> Result<Vec<Digest>> {
        let _writer = self.writer();
        let digests = self.read().unneeded_blobs(before);
        if !digests.is_empty() {
            let note = Note::Unblob { digests: digests.clone() };
            self.ledger.append(&self.read().entry(&note))?;
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
        self.ledger.persist()
    }

    /// Writes the ledger anew if most of it is history.
    pub fn shrink(&self) -> Result<()> {
        let _writer = self.writer();
        let notes = {
            let state = self.read();
            let needed = (state.blobs.len() + state.manifests.len() + state.tags.len()) as u64;
            if self.ledger.bytes() < REWRITE_BYTES.max(needed * NOTE_BYTES * REWRITE_TIMES) {
                return Ok(());
            }
            state.notes()
        };
        let empty = State::default();
        self.ledger.rewrite(notes.iter().map(|note| empty.entry(note)))
    }

    /// Ends it.
    pub(super) fn remove(self) -> Result<()> {
        self.ledger.remove()
    }
}
