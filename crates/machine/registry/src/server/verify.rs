//! Blobs are verified on their way out the first time they are read since the registry runs: a
//! client never gets the last bytes of one that is not what its name says, and the registry no longer
//! claims to have it, so that the next push heals it.

use super::{Registry, VERIFIED};
use crate::name::Name;
use crate::records::Note;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use teu_images::Hasher;
use teu_oci::Digest;
use teu_web::Body;

pub(super) struct Verifying {
    registry: Registry,
    name: Name,
    digest: Digest,
    hasher: Option<Hasher>,
    body: Body,
    left: u64,
}

impl Verifying {
    pub(super) fn new(
        registry: Registry,
        name: Name,
        digest: Digest,
        (body, size): (Body, u64),
    ) -> Self {
        let hasher = Some(Hasher::like(&digest));
        Self { registry, name, digest, hasher, body, left: size }
    }

    fn check(&mut self, bytes: Bytes) -> io::Result<Frame<Bytes>> {
        let Some(hasher) = &mut self.hasher else { return Ok(Frame::data(bytes)) };
        hasher.update(&bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left > 0 {
            return Ok(Frame::data(bytes));
        }
        if self.hasher.take().map(Hasher::finish).as_ref() == Some(&self.digest) {
            self.registry.set_verified(&self.digest);
            return Ok(Frame::data(bytes));
        }
        self.registry.forget_corrupted(self.name.clone(), self.digest.clone());
        let message = format!("blob {} is corrupted on disk", self.digest);
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl http_body::Body for Verifying {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        Poll::Ready(frame.map(|frame| match frame?.into_data() {
            Ok(bytes) => self.check(bytes),
            Err(other) => Ok(other),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Registry {
    /// This blob was hashed by this process.
    pub(super) fn set_verified(&self, digest: &Digest) {
        let mut verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED {
            verified.clear();
        }
        verified.insert(digest.clone());
    }

    fn forget_corrupted(&self, name: Name, digest: Digest) {
        let Some(repository) = self.0.records.get(&name) else { return };
        let workers = self.0.workers.clone();
        tokio::spawn(async move {
            // If it cannot be written now, the next reader finds it corrupted again.
            let forget = move || repository.change(Note::Unblob { digests: vec![digest] });
            let _ = workers.run(forget).await;
        });
    }
}
