//! Blobs: bytes under the name of their hash, hashed when they are written and when they are read.

use super::Store;
use super::temporary::Temporary;
use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256, Sha512};
use std::fs::File;
use std::io::{self, Read, Write};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// A hash under way, of the algorithm a digest asks for.
#[derive(Clone)]
pub enum Hasher {
    /// The usual one.
    Sha256(Sha256),
    /// The other one.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Sha256.
    pub fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    /// The algorithm of a digest.
    pub fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self::Sha512(Box::default()),
            _ => Self::sha256(),
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hash) => Digest::from_sha256(hash.finalize().into()),
            Self::Sha512(hash) => Digest::from_sha512(hash.finalize().into()),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// The digest of bytes, of the algorithm that is wanted.
pub(crate) fn digest_like(wanted: Option<&Digest>, bytes: &[u8]) -> Digest {
    let mut hasher = wanted.map_or_else(Hasher::sha256, Hasher::like);
    hasher.update(bytes);
    hasher.finish()
}

/// A blob being written; nothing is visible until [`Ingest::commit`].
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    temporary: Temporary,
    hasher: Hasher,
    written: u64,
}

impl Ingest {
    /// Ends the blob and makes it visible under its hash.
    pub fn commit(self, media_type: &str) -> Result<Descriptor> {
        let (digest, size) = (self.hasher.clone().finish(), self.written);
        self.place(&digest)?;
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// As [`Ingest::commit`], refusing bytes that are not the expected ones.
    pub fn commit_verified(self, expected: &Descriptor) -> Result<Descriptor> {
        let found = self.hasher.clone().finish();
        if found != expected.digest {
            let expected = expected.digest.clone();
            return Err(Error::Mismatch { what: "the content", expected, found });
        }
        if self.written != expected.size {
            let (expected, found) = (expected.size, self.written);
            return Err(Error::Size { digest: self.hasher.finish(), expected, found });
        }
        self.place(&found)?;
        Ok(expected.clone())
    }

    /// The bytes written until now.
    pub fn written_bytes(&self) -> u64 {
        self.written
    }

    /// Digest and size of what was written until now.
    pub(crate) fn so_far(&self) -> (Digest, u64) {
        (self.hasher.clone().finish(), self.written)
    }

    /// A second descriptor of what was written until now, for reading at offsets.
    pub(crate) fn reopen(&self) -> Result<File> {
        let path = self.temporary.path();
        File::open(path).map_err(|e| Error::io("open", path, e))
    }

    /// Writes bytes that somebody else hashes; to be ended by [`Ingest::place_as`].
    pub(super) fn write_unhashed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.temporary.as_file().write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Ends a blob whose bytes somebody else has hashed.
    pub(super) fn place_as(self, media_type: &str, digest: &Digest) -> Result<Descriptor> {
        let size = self.written;
        self.place(digest)?;
        Ok(Descriptor::new(media_type, digest.clone(), size))
    }

    /// Replaces a blob of the same name, which heals one that is corrupted.
    fn place(self, digest: &Digest) -> Result<()> {
        self.store.claim([digest])?;
        self.store.set_dirty();
        self.temporary.take_to(&self.store.blob_path(digest))
    }
}

impl Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.temporary.as_file().write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a blob and fails at its end if the bytes were not what the name says.
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    expected: Digest,
    hasher: Option<Hasher>,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        match (&mut self.hasher, length) {
            (Some(hasher), 1..) => hasher.update(&buffer[..length]),
            (hasher, 0) if !buffer.is_empty() => {
                if let Some(found) = hasher.take().map(Hasher::finish)
                    && found != self.expected
                {
                    return Err(Error::Corrupted { expected: self.expected.clone(), found }.into());
                }
            }
            _ => {}
        }
        Ok(length)
    }
}

impl Store {
    /// Begins a blob, hashed with sha256.
    pub fn ingest(&self) -> Result<Ingest> {
        self.ingest_with(Hasher::sha256())
    }

    /// Begins a blob that must turn out to have this digest.
    pub fn ingest_for(&self, expected: &Digest) -> Result<Ingest> {
        self.ingest_with(Hasher::like(expected))
    }

    fn ingest_with(&self, hasher: Hasher) -> Result<Ingest> {
        let temporary = Temporary::file(&self.tmp(), "blob")?;
        Ok(Ingest { store: self.clone(), temporary, hasher, written: 0 })
    }

    /// Stores a small blob.
    pub fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let mut ingest = self.ingest()?;
        ingest.write_all(bytes).map_err(|e| Error::stream("write to the image store", e))?;
        ingest.commit(media_type)
    }

    /// Says whether a blob of this digest is there (its bytes are checked when they are read).
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Bytes of a blob as it lies there.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        self.blob_path(digest).metadata().ok().map(|found| found.len())
    }

    /// Opens a blob for reading with verification.
    pub fn open_blob(&self, digest: &Digest) -> Result<BlobReader> {
        let file = self.open_unverified(digest)?;
        Ok(BlobReader { file, expected: digest.clone(), hasher: Some(Hasher::like(digest)) })
    }

    /// Reads and verifies a small blob.
    pub fn read_blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = self.open_blob(digest)?;
        let too_large = || Error::Limit { what: "a document", limit: limit_bytes, unit: "bytes" };
        if self.blob_size(digest).is_some_and(|size| size > limit_bytes) {
            return Err(too_large());
        }
        (&mut reader)
            .take(limit_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::stream("read from the image store", e))?;
        if bytes.len() as u64 > limit_bytes {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// Reads a blob through and says whether its bytes are what its name says; `false` also where
    /// it is not there.
    pub fn verify_blob(&self, digest: &Digest) -> Result<bool> {
        let mut reader = match self.open_blob(digest) {
            Ok(reader) => reader,
            Err(Error::Missing { .. }) => return Ok(false),
            Err(other) => return Err(other),
        };
        let mut buffer = vec![0; 1 << 20];
        loop {
            match reader
                .read(&mut buffer)
                .map_err(|e| Error::stream("read from the image store", e))
            {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(Error::Corrupted { .. }) => return Ok(false),
                Err(other) => return Err(other),
            }
        }
    }

    pub(super) fn open_unverified(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { digest: digest.clone(), what: "a blob" },
            _ => Error::io("open", path, source),
        })
    }
}
