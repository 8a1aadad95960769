//! A blob on its way into the storage: whole where it is small, in parts where it is large.

use super::{Objects, failed};
use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use teu_images::{Error, Result, Sealed};
use tokio::task::JoinSet;

/// Bytes of a part at least; what has no more goes whole.
const PART_BYTES: u64 = 8 << 20;
/// Parts of one object at most; S3 takes 10,000.
const PARTS: u64 = 9000;
/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 4;

impl Objects {
    /// Stores what is sealed; its record is the caller's. Blocks.
    pub fn put_sealed(&self, sealed: &Sealed) -> Result<()> {
        let (path, size) = (self.blob_path(sealed.digest()), sealed.size_bytes());
        let file = sealed.open()?;
        if size <= PART_BYTES {
            let bytes = read_part(&file, 0, size)?;
            let put = self.wait(self.store.put(&path, bytes.into()));
            return put.map(drop).map_err(failed("write to the object storage"));
        }
        let begin = self.store.put_multipart(&path);
        let mut upload = self.wait(begin).map_err(failed("write to the object storage"))?;
        match self.send_parts(&mut *upload, &file, size) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Half an upload costs its owner money until somebody ends it.
                let _ = self.wait(upload.abort());
                Err(error)
            }
        }
    }

    fn send_parts(&self, upload: &mut dyn MultipartUpload, file: &File, size: u64) -> Result<()> {
        let part = PART_BYTES.max(size.div_ceil(PARTS));
        let mut sending = JoinSet::new();
        let mut at = 0;
        while at < size {
            while sending.len() >= PARTS_AT_ONCE {
                self.wait(joined(&mut sending))?;
            }
            let bytes = read_part(file, at, part.min(size - at))?;
            sending.spawn_on(upload.put_part(bytes.into()), &self.runtime);
            at += part;
        }
        while !sending.is_empty() {
            self.wait(joined(&mut sending))?;
        }
        let ended = self.wait(upload.complete());
        ended.map(drop).map_err(failed("write to the object storage"))
    }
}

async fn joined(sending: &mut JoinSet<object_store::Result<()>>) -> Result<()> {
    match sending.join_next().await {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(failed("write to the object storage")(error)),
        Some(Err(error)) => {
            Err(Error::stream("write to the object storage", io::Error::other(error)))
        }
    }
}

fn read_part(file: &File, at: u64, length: u64) -> Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let read = file.read_exact_at(&mut bytes, at);
    read.map_err(|e| Error::stream("read what was uploaded", e))?;
    Ok(bytes.into())
}
