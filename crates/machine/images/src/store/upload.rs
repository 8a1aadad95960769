//! Uploads: blobs that arrive in pieces, over hours and restarts.
//!
//! An [`Ingest`](super::blob::Ingest) dies with its process; an upload is a file in `uploads/` that is
//! appended to, can be found again by its name, and becomes a blob when its bytes turn out to be the
//! promised ones. Its owner bounds their number and age.

use super::Store;
use super::blob::Hasher;
use super::ledger::Sealed;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::SystemTime;
use teu_oci::Digest;

const NAME_BYTES: usize = 250;
const DIR: &str = "uploads";

/// A blob that is arriving. Written bytes survive the process.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    name: String,
    file: File,
    hasher: Hasher,
    written: u64,
}

/// An upload as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInfo {
    /// Its name.
    pub name: String,
    /// Its bytes until now.
    pub bytes: u64,
    /// When the last of them came.
    pub modified: SystemTime,
}

impl Upload {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes until now.
    pub fn written_bytes(&self) -> u64 {
        self.written
    }

    /// Ends it: its bytes, if they are the expected ones, are on disk and can be placed. If they are
    /// not, the upload is gone.
    pub fn seal(self, expected: &Digest) -> Result<Sealed> {
        let found = match expected.algorithm() {
            "sha256" => self.hasher.clone().finish(),
            _ => self.hash_again(Hasher::like(expected))?.finish(),
        };
        if found != *expected {
            self.cancel()?;
            let expected = expected.clone();
            return Err(Error::Mismatch { what: "the content", expected, found });
        }
        let path = self.store.upload_path(&self.name);
        self.file
            .set_len(self.written)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io("sync", &path, e))?;
        Ok(Sealed::upload(self.store, found, self.written, path))
    }

    /// Gives it up.
    pub fn cancel(self) -> Result<()> {
        self.store.remove_upload(&self.name)
    }

    fn hash_again(&self, mut hasher: Hasher) -> Result<Hasher> {
        let path = self.store.upload_path(&self.name);
        let read = |e| Error::io("read", &path, e);
        let mut file = File::open(&path).map_err(read)?.take(self.written);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer).map_err(read)? {
                0 => return Ok(hasher),
                length => hasher.update(&buffer[..length]),
            }
        }
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // At its offset, so that what a failed write has left behind is written over.
        let length = std::os::unix::fs::FileExt::write_at(&self.file, bytes, self.written)?;
        self.hasher.update(&bytes[..length]);
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Store {
    /// Begins an upload under a name that nobody uses.
    pub fn begin_upload(&self, name: &str) -> Result<Upload> {
        let path = self.checked_upload_path(name)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let opened = options.open(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let dir = self.path(DIR);
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
                options.open(&path)
            }
            _ => Err(error),
        });
        let file = opened.map_err(|e| Error::io("create", &path, e))?;
        let (store, name) = (self.clone(), name.to_owned());
        Ok(Upload { store, name, file, hasher: Hasher::sha256(), written: 0 })
    }

    /// Finds an upload again, reading what it has; `None` if there is none of this name.
    pub fn resume_upload(&self, name: &str) -> Result<Option<Upload>> {
        let path = self.checked_upload_path(name)?;
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io("open", path, source)),
        };
        let written = file.metadata().map_err(|e| Error::io("examine", &path, e))?.len();
        let (store, name) = (self.clone(), name.to_owned());
        let mut upload = Upload { store, name, file, hasher: Hasher::sha256(), written };
        upload.hasher = upload.hash_again(Hasher::sha256())?;
        Ok(Some(upload))
    }

    /// All uploads that have not ended.
    pub fn uploads(&self) -> Result<Vec<UploadInfo>> {
        let dir = self.path(DIR);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io("list", dir, source)),
        };
        let info = |entry: fs::DirEntry| {
            // One that ended meanwhile is none.
            let found = entry.metadata().ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some(UploadInfo { name, bytes: found.len(), modified: found.modified().ok()? })
        };
        Ok(entries.flatten().filter_map(info).collect())
    }

    /// Removes an upload; one that is not there is removed.
    pub fn remove_upload(&self, name: &str) -> Result<()> {
        let path = self.checked_upload_path(name)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", path, source))
            }
            _ => Ok(()),
        }
    }

    fn checked_upload_path(&self, name: &str) -> Result<PathBuf> {
        let fits =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'@');
        let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits);
        if !is_name || name.len() > NAME_BYTES {
            return Err(Error::LeaseName(name.chars().take(NAME_BYTES).collect()));
        }
        Ok(self.upload_path(name))
    }

    fn upload_path(&self, name: &str) -> PathBuf {
        self.path(DIR).join(name)
    }

    /// Opens a blob to be sent as it is; whoever reads it verifies, or [`Store::open_blob`] does.
    pub fn open_blob_file(&self, digest: &Digest) -> Result<File> {
        self.open_unverified(digest)
    }
}
