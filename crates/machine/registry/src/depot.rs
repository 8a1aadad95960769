//! Where content and records lie: in the image store of this machine, or in an object storage.
//!
//! Two kinds and no trait: what the rest of the registry needs of either is this file. The image store
//! is also where uploads arrive, whatever keeps them in the end.

use crate::name::Name;
use crate::objects::{Claim, ObjectLog, Objects};
use crate::records::{Note, State};
use std::ops::Range;
use std::sync::Arc;
use teu_images::{Error, Ledger, Result, Sealed, Store};
use teu_oci::Digest;
use teu_web::{Body, Workers};

const PREFIX: &str = "registry.";
/// A ledger is written anew when it has so many bytes and ...
const REWRITE_BYTES: u64 = 256 << 10;
/// ... so many times those it needs (about 200 a note).
const REWRITE_TIMES: u64 = 4;
const NOTE_BYTES: u64 = 200;

/// Where content lies.
#[derive(Debug, Clone)]
pub struct Depot {
    store: Store,
    objects: Option<Arc<Objects>>,
}

/// The record of one repository.
#[derive(Debug)]
pub enum Log {
    /// In the image store.
    Ledger(Store, Ledger),
    /// In the object storage.
    Objects(Arc<Objects>, ObjectLog),
}

impl Depot {
    /// All is in the image store.
    pub fn local(store: &Store) -> Self {
        Self { store: store.clone(), objects: None }
    }

    /// All but what arrives is in an object storage.
    pub fn objects(store: &Store, objects: Objects) -> Self {
        Self { store: store.clone(), objects: Some(Arc::new(objects)) }
    }

    /// Reading takes time, and is best done by many at once.
    pub fn is_far(&self) -> bool {
        self.objects.is_some()
    }

    /// The names of repositories that have a record. Blocks.
    pub fn names(&self) -> Result<Vec<Name>> {
        let files: Vec<String> = match &self.objects {
            Some(objects) => objects.ledger_names()?.into_iter().collect(),
            None => {
                let all = self.store.ledger_names()?.into_iter();
                all.filter_map(|name| name.strip_prefix(PREFIX).map(str::to_owned)).collect()
            }
        };
        Ok(files.iter().filter_map(|file| Name::from_file(file)).collect())
    }

    /// Opens a record, creating it where there is none, telling of all that is written in it. Blocks.
    pub fn log(&self, name: &Name, mut each: impl FnMut(Note)) -> Result<Log> {
        if let Some(objects) = &self.objects {
            return Ok(Log::Objects(objects.clone(), ObjectLog::open(objects, name.file(), each)?));
        }
        let ledger = self.store.ledger(&format!("{PREFIX}{}", name.file()), |entry| {
            let note: Note = serde_json::from_value(entry.note).map_err(|source| {
                Error::Document { what: format!("the record of {name}"), source }
            })?;
            each(note);
            Ok(())
        })?;
        Ok(Log::Ledger(self.store.clone(), ledger))
    }

    /// The bytes of a blob that is there. Blocks.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        match &self.objects {
            Some(objects) => objects.blob_size(digest),
            None => Ok(self.store.blob_size(digest)),
        }
    }

    /// A small blob, verified. Blocks.
    pub fn read_blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Vec<u8>> {
        match &self.objects {
            Some(objects) => objects.read_blob(digest, limit_bytes),
            None => self.store.read_blob(digest, limit_bytes),
        }
    }

    /// A range of a blob, unverified.
    pub async fn body(
        &self,
        digest: &Digest,
        range: Range<u64>,
        workers: &Workers,
    ) -> Result<Body> {
        if let Some(objects) = &self.objects {
            return objects.body(digest, range).await;
        }
        let (store, digest) = (self.store.clone(), digest.clone());
        let file = workers.run(move || store.open_blob_file(&digest)).await?;
        Ok(Body::file(file, range))
    }

    /// Where a client can fetch a blob itself, if that is wanted.
    pub async fn signed(&self, digest: &Digest) -> Result<Option<String>> {
        match &self.objects {
            Some(objects) => objects.signed(digest).await,
            None => Ok(None),
        }
    }

    /// Removes those of these that nobody needs any more. Blocks.
    pub fn collect(&self, digests: Vec<Digest>, is_needed: impl Fn(&Digest) -> bool) -> Result<()> {
        match &self.objects {
            Some(objects) => objects.collect(digests, is_needed),
            // It knows all that keep something here.
            None => self.store.collect_blobs_among(digests).map(drop),
        }
    }

    /// Content that came before this time and may be needed by nobody, because the push that brought
    /// it was cut off. Blocks.
    pub fn old_content(&self, before: u64) -> Result<Vec<Digest>> {
        match &self.objects {
            Some(objects) => objects.blobs_before(before),
            None => Ok(Vec::new()),
        }
    }
}

impl Log {
    /// Keeps collection from what a change needs, until the record says that it is needed.
    pub fn claim(&self, note: &Note) -> Option<Claim<'_>> {
        let (Note::Blob { digest, .. } | Note::Manifest { digest, .. }) = note else { return None };
        match self {
            // The content lock does it.
            Self::Ledger(..) => None,
            Self::Objects(objects, _) => Some(objects.claims.place(digest)),
        }
    }

    /// Records a change; fails if content that it needs is not there. Blocks.
    pub fn append(&self, state: &State, note: &Note) -> Result<()> {
        match self {
            Self::Ledger(_, ledger) => ledger.append(&state.entry(note)),
            Self::Objects(_, log) => log.append_if_there(note),
        }
    }

    /// Brings content to where it will lie, if that is far; its record is yet to be written. Blocks.
    pub fn stage(&self, content: &Sealed) -> Result<()> {
        match self {
            Self::Ledger(..) => Ok(()),
            Self::Objects(objects, _) => objects.put_sealed(content),
        }
    }

    /// Takes staged content in with the change that needs it. Blocks.
    pub fn place(&self, content: Sealed, state: &State, note: &Note) -> Result<()> {
        match self {
            Self::Ledger(_, ledger) => content.place(ledger, &state.entry(note)),
            Self::Objects(_, log) => log.append(note).and_then(|()| content.discard()),
        }
    }

    /// Returns when all that was recorded until now is on disk. Blocks.
    pub fn persist(&self) -> Result<()> {
        match self {
            Self::Ledger(_, ledger) => ledger.persist(),
            Self::Objects(..) => Ok(()),
        }
    }

    /// Writes the record anew if most of it is history. Blocks.
    pub fn shrink(&self, state: &State) -> Result<()> {
        let ledger = match self {
            Self::Ledger(_, ledger) => ledger,
            Self::Objects(_, log) => return log.shrink(state),
        };
        let needed = (state.blobs.len() + state.manifests.len() + state.tags.len()) as u64;
        if ledger.bytes() < REWRITE_BYTES.max(needed * NOTE_BYTES * REWRITE_TIMES) {
            return Ok(());
        }
        let empty = State::default();
        ledger.rewrite(state.notes().iter().map(|note| empty.entry(note)))
    }

    /// Says whether content is lost: not there, or not whole. Blocks.
    pub fn is_lost(&self, digest: &Digest, size: u64) -> Result<bool> {
        // In the object storage the content is there before the record says so.
        let Self::Ledger(store, _) = self else { return Ok(false) };
        if store.blob_size(digest) == Some(size) {
            return Ok(false);
        }
        match store.open_blob_file(digest) {
            Ok(_) | Err(Error::Missing { .. }) => Ok(true),
            // What cannot be looked at is an error, not a loss.
            Err(other) => Err(other),
        }
    }

    /// Ends it. Blocks.
    pub fn remove(self) -> Result<()> {
        match self {
            Self::Ledger(_, ledger) => ledger.remove(),
            Self::Objects(_, log) => log.remove(),
        }
    }
}
