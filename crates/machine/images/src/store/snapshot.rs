//! Snapshots: layers unpacked once for each chain they end.

use super::{Store, later};
use crate::error::Result;
use crate::store::name::Image;
use std::path::PathBuf;
use teu_oci::{ChainId, Digest};

/// A stack of unpacked layers, ready for overlayfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The topmost layer's identity; none of an empty image.
    pub id: Option<ChainId>,
    /// The directories, topmost first, as `lowerdir` wants them. Their root's mode and owner are
    /// the image's: a new upper directory takes them from the first (an overlay shows the upper's).
    pub lower: Vec<PathBuf>,
}

impl Store {
    /// The image's layers as directories, unpacking what is missing, several at a time.
    pub fn chain(&self, _image: &Image) -> Result<Chain> {
        later()
    }

    /// The directories of layers that are known to be unpacked.
    pub fn chain_of(&self, _diff_ids: &[Digest]) -> Result<Chain> {
        later()
    }

    /// Says whether the chain is unpacked, and protects it for this handle if it is.
    pub fn has_chain(&self, _id: &ChainId) -> Result<bool> {
        later()
    }
}
