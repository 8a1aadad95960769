//! What a person is told while an image is on its way.

use std::fmt;
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
}

/// Takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn layer(&self, _: &Digest, _: State) {}
}
