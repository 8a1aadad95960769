//! What a running command has made or found, safe from collection until the command ends.
//!
//! A session is a locked file of `tmp` with one digest a line. It is written under the shared
//! content lock, so that a collector, which holds it exclusively, sees either the line or a time
//! before anybody relied on the content.

use super::lock::{Lock, Mode};
use super::mark::Marks;
use super::temporary::{self, Temporary};
use super::{Store, snapshot};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use teu_oci::Digest;

#[derive(Debug)]
pub(super) struct Session {
    file: Temporary,
    known: HashSet<Digest>,
}

const KIND: &str = "session";

impl Store {
    /// Claims content before it is relied upon or put in place.
    pub(super) fn claim<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Result<()> {
        let mut guard = self.0.session.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut lines = String::new();
        let mut new = Vec::new();
        for digest in digests {
            if !guard.as_ref().is_some_and(|session| session.known.contains(digest)) {
                lines.push_str(digest.as_str());
                lines.push('\n');
                new.push(digest.clone());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let session = match &mut *guard {
            Some(session) => session,
            empty => empty.insert(Session {
                file: Temporary::file(&self.tmp(), KIND)?,
                known: HashSet::new(),
            }),
        };
        let _lock = self.content_lock(Mode::Shared)?;
        let mut file = session.file.as_file();
        file.write_all(lines.as_bytes()).map_err(|e| Error::io("write", session.file.path(), e))?;
        session.known.extend(new);
        Ok(())
    }

    /// Does something that makes content, and takes all of it back if it fails.
    pub(super) fn attempt<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let own = Self::handle(&self.0.dir, self.0.limits);
        let result = work(&own);
        let made = own.claimed();
        match result {
            Ok(answer) => {
                // The claims go over before those of the attempt end.
                self.claim(&made)?;
                self.take_over(&own);
                Ok(answer)
            }
            Err(error) => {
                drop(own);
                // The first error is the one to tell.
                let _ = self.collect_among(Some(&Marks::of(made)));
                Err(error)
            }
        }
    }

    fn claimed(&self) -> Vec<Digest> {
        let guard = self.0.session.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        guard.as_ref().map(|session| session.known.iter().cloned().collect()).unwrap_or_default()
    }

    /// Takes over what another handle has not synced yet.
    fn take_over(&self, other: &Self) {
        if other.0.is_dirty.load(Ordering::Acquire) {
            self.set_dirty();
        }
        let theirs = other.0.unsynced.lock().map(|mut list| std::mem::take(&mut *list));
        if let (Ok(theirs), Ok(mut ours)) = (theirs, self.0.unsynced.lock()) {
            ours.extend(theirs);
        }
    }

    pub(super) fn content_lock(&self, mode: Mode) -> Result<Lock> {
        Lock::wait(&self.path("content.lock"), mode)
    }

    /// Claims of all running commands, with their process; to be called under the content lock.
    pub(super) fn live_claims(&self) -> Result<Vec<(u32, Vec<Digest>)>> {
        let tmp = self.tmp();
        let mut live = Vec::new();
        let entries = fs::read_dir(&tmp).map_err(|e| Error::io("list", &tmp, e))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(pid) = session_pid(&path) else { continue };
            if temporary::is_live(&path) {
                live.push((pid, claims(&path)));
            }
        }
        Ok(live)
    }
}

fn session_pid(path: &Path) -> Option<u32> {
    let rest = path.file_name()?.to_str()?.strip_prefix(KIND)?.strip_prefix('-')?;
    rest.split('-').next()?.parse().ok()
}

fn claims(path: &Path) -> Vec<Digest> {
    // A file that vanished belonged to a command that has ended.
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The boot this is, for what is not synced yet.
pub(super) fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

impl Store {
    /// All that was written is on disk now: snapshots of this handle need no proof of boot any more.
    pub(super) fn mark_synced(&self) -> Result<()> {
        let chains = {
            let mut unsynced =
                self.0.unsynced.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            std::mem::take(&mut *unsynced)
        };
        for chain in chains {
            snapshot::mark_synced(self, &chain)?;
        }
        Ok(())
    }
}
