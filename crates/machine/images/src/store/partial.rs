//! Blobs that have begun to come: `partial/<algorithm>-<hex>`, kept over cut connections and killed
//! commands, locked by whoever fetches.
//!
//! What is here is believed by nobody: bytes become a blob only after all of them were hashed again.
//! A second command that wants the same blob waits for the first.

use super::{Store, temporary};
use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// A partial blob that nobody has touched for so long is forgotten by the next pull.
const AGE_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A blob that is coming.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    have: u64,
}

impl Partial {
    /// Bytes that are there.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// For reading from the start.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts bytes behind those that are there.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.have)?;
        self.have += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|e| Error::io("empty", &self.path, e))?;
        self.have = 0;
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Nobody wants it any more.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| Error::io("remove", &self.path, e))
    }

    /// All bytes are there and were hashed: it becomes a blob.
    pub(super) fn place(self, store: &Store, digest: &Digest) -> Result<()> {
        store.claim([digest])?;
        store.set_dirty();
        let place = store.blob_path(digest);
        fs::rename(&self.path, &place).map_err(|e| Error::io("put in place", place, e))
    }
}

impl Store {
    /// The blob as far as it came; waits for whoever fetches it now.
    pub(super) fn partial(&self, wanted: &Descriptor) -> Result<Partial> {
        let digest = &wanted.digest;
        let directory = self.path("partial");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|e| Error::io("create directory", &directory, e))?;
        let path = directory.join(format!("{}-{}", digest.algorithm(), digest.hex()));
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
                .map(File::from)
                .map_err(|e| Error::io("open", &path, e))?;
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(source) => return Err(Error::io("lock", path, source)),
            }
            // The one before made a blob of it, or threw it away.
            if !is_at(&path, &file) {
                continue;
            }
            let have = file.metadata().map_err(|e| Error::io("look at", &path, e))?.len();
            let mut partial = Partial { path, file, have };
            if have > wanted.size {
                partial.restart()?;
            }
            return Ok(partial);
        }
    }

    /// Forgets what nobody fetches: all of it, or what is old. Gives the bytes that had come.
    pub(super) fn sweep_partials(&self, everything: bool) -> u64 {
        let mut freed_bytes = 0;
        let limit = SystemTime::now().checked_sub(AGE_LIMIT);
        for entry in fs::read_dir(self.path("partial")).into_iter().flatten().flatten() {
            let found = entry.metadata().ok();
            let touched = found.as_ref().and_then(|found| found.modified().ok());
            let is_old = touched.zip(limit).is_some_and(|(touched, limit)| touched < limit);
            let path = entry.path();
            if (everything || is_old) && !temporary::is_live(&path) && fs::remove_file(path).is_ok()
            {
                freed_bytes += found.map_or(0, |found| found.blocks() * 512);
            }
        }
        freed_bytes
    }
}

fn is_at(path: &Path, file: &File) -> bool {
    let (Ok(there), Ok(here)) = (fs::symlink_metadata(path), file.metadata()) else { return false };
    there.ino() == here.ino() && there.dev() == here.dev()
}
