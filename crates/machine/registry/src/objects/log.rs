//! A repository's record in the storage: changes that are each created once, in the order of their
//! numbers, and now and then all of it at once.

use super::{AT_ONCE, Change, Objects, failed, number, taken_over};
use crate::records::{Note, State};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStoreExt, path::Path};
use std::sync::{Arc, Mutex, PoisonError};
use teu_images::{Error, Result};

/// The record is written at once when so many changes follow the last time, and ...
const CHANGES: u64 = 64;
/// ... as many as what is in it, divided by this.
const SHARE: u64 = 4;

/// The record of one repository.
#[derive(Debug)]
pub struct ObjectLog {
    objects: Arc<Objects>,
    /// The repository's name as one component.
    name: String,
    at: Mutex<At>,
}

#[derive(Debug, Clone, Copy)]
struct At {
    /// Of the next change.
    next: u64,
    /// Up to this one, all of it was written at once.
    whole: u64,
}

impl ObjectLog {
    /// Opens a record, telling of all that is written in it. Blocks.
    pub fn open(objects: &Arc<Objects>, name: String, mut each: impl FnMut(Note)) -> Result<Self> {
        let whole = objects.numbers(&["wholes", &name])?.pop();
        let changes = objects.numbers(&["ledgers", &name])?;
        let later = changes.iter().copied().filter(|change| whole.is_none_or(|w| *change > w));
        let later: Vec<u64> = later.collect();
        let first = whole.map(|whole| objects.path(&["wholes", &name, &number(whole)]));
        let later_paths = later.iter().map(|at| objects.path(&["ledgers", &name, &number(*at)]));
        let paths: Vec<Path> = first.into_iter().chain(later_paths).collect();
        let read = stream::iter(paths.iter())
            .map(|path| async { objects.store.get(path).await?.bytes().await })
            .buffered(AT_ONCE)
            .try_collect::<Vec<Bytes>>();
        let read = objects.wait(read).map_err(failed("read from the object storage"))?;
        for (path, bytes) in paths.iter().zip(read) {
            let change: Change = serde_json::from_slice(&bytes)
                .map_err(|source| Error::Document { what: format!("the record {path}"), source })?;
            change.notes.into_iter().for_each(&mut each);
        }
        let whole = whole.unwrap_or(0);
        let next = later.last().copied().unwrap_or(whole) + 1;
        let at = Mutex::new(At { next, whole });
        Ok(Self { objects: objects.clone(), name, at })
    }

    /// Writes a change; it is there for good when this returns. Blocks.
    pub fn append(&self, note: &Note) -> Result<()> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.objects.path(&["ledgers", &self.name, &number(at.next)]);
        let bytes = self.change_of(vec![note.clone()])?;
        if !self.objects.create(&path, bytes)? {
            return Err(taken_over());
        }
        at.next += 1;
        Ok(())
    }

    /// As [`ObjectLog::append`], if the content is there.
    pub fn append_if_there(&self, note: &Note) -> Result<()> {
        if let Note::Blob { digest, .. } | Note::Manifest { digest, .. } = note
            && self.objects.blob_size(digest)?.is_none()
        {
            return Err(Error::Missing { digest: digest.clone(), what: "what shall be kept" });
        }
        self.append(note)
    }

    fn change_of(&self, notes: Vec<Note>) -> Result<Bytes> {
        let by = format!("{} {}", self.objects.epoch, crate::sessions::random_id());
        let bytes = serde_json::to_vec(&Change { by, notes });
        let wrong = |source| Error::Document { what: "the record".to_owned(), source };
        bytes.map(Bytes::from).map_err(wrong)
    }

    /// Writes all of it at once, if it has become long. Blocks.
    pub fn shrink(&self, state: &State) -> Result<()> {
        let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = state.blobs.len() + state.manifests.len() + state.tags.len();
        let last = at.next - 1;
        if last - at.whole < CHANGES.max(needed as u64 / SHARE) {
            return Ok(());
        }
        self.objects.check_epoch()?;
        let path = self.objects.path(&["wholes", &self.name, &number(last)]);
        let bytes = self.change_of(state.notes())?;
        let put = self.objects.wait(self.objects.store.put(&path, bytes.into()));
        put.map_err(failed("write to the object storage"))?;
        self.at.lock().unwrap_or_else(PoisonError::into_inner).whole = last;
        self.remove_until("ledgers", last)?;
        self.remove_until("wholes", last - 1)
    }

    /// Oldest first: what is left of an end that was cut off has still its end.
    fn remove_until(&self, kind: &str, last: u64) -> Result<()> {
        for old in self.objects.numbers(&[kind, &self.name])? {
            if old <= last {
                self.objects.remove(&self.objects.path(&[kind, &self.name, &number(old)]))?;
            }
        }
        Ok(())
    }

    /// Ends it: nothing is in the repository any more. Blocks.
    pub fn remove(self) -> Result<()> {
        self.remove_until("wholes", u64::MAX)?;
        self.remove_until("ledgers", u64::MAX)
    }
}
