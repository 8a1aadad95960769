//! What a running command has made or found, safe from collection until the command ends.
//!
//! A session is a locked file of `tmp` with one digest a line. It is written under the shared
//! content lock, so that a collector, which holds it exclusively, sees either the line or a time
//! before anybody relied on the content.

use super::lock::{Lock, Mode};
use super::temporary::{self, Temporary};
use super::{Store, snapshot};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
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

    /// Forgets this handle's own claims (tests of collection need it).
    #[cfg(test)]
    pub(super) fn end_session(&self) {
        *self.0.session.lock().unwrap() = None;
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
