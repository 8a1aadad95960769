//! What a person is told while an image is on its way.

use crate::error::Error;
use std::fmt;
use std::io::{self, Read};
use teu_oci::Digest;

/// How far one layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It will be fetched.
    Waiting,
    /// It was there already.
    Exists,
    /// The registry had it in another repository.
    Mounted(String),
    /// Bytes on their way.
    Moving {
        /// Done, those of an earlier attempt included.
        done: u64,
        /// In all.
        total: u64,
    },
    /// It is being compressed before it can go.
    Packing,
    /// All its bytes are there.
    Moved,
    /// It is unpacked, in its place.
    Ready,
}

/// Takes notice of it; called from several threads.
pub trait Progress: fmt::Debug + Sync {
    /// What a layer is doing now.
    fn layer(&self, digest: &Digest, state: State);

    /// A document was found, its layers come next.
    fn image(&self, _digest: &Digest, _layers: usize) {}

    /// Nobody wants it any more: asked now and then while bytes move.
    fn is_given_up(&self) -> bool {
        false
    }
}

/// Takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn layer(&self, _: &Digest, _: State) {}
}

/// A stream that ends with [`Error::GivenUp`] when nobody wants it any more.
#[derive(Debug)]
pub(super) struct WhileWanted<'a, R> {
    pub(super) inner: R,
    pub(super) progress: &'a dyn Progress,
}

impl<R: Read> Read for WhileWanted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.is_given_up() {
            return Err(Error::GivenUp.into());
        }
        self.inner.read(buffer)
    }
}
