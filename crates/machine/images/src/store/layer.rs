//! New layers: from an overlay's upper directory, or from a tar.

use super::{Store, later};
use crate::error::Result;
use std::io::Read;
use std::path::Path;
use teu_oci::image::Descriptor;
use teu_oci::{ChainId, Digest};

/// How a directory becomes a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerOptions {
    /// Later modification times become this one (seconds since 1970, `SOURCE_DATE_EPOCH`).
    pub mtime_clamp: Option<i64>,
    /// The directory itself becomes the snapshot, by rename; otherwise it is left as it is and the
    /// snapshot is made when it is needed.
    pub take: bool,
}

/// A layer in the store, at its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// The hash of its plain tar.
    pub diff_id: Digest,
    /// Its place.
    pub chain_id: ChainId,
}

impl Store {
    /// Makes a layer of an overlay's upper directory: the same tree gives the same digest.
    ///
    /// With `take` the directory must be on the store's file system and unmounted; it is gone from
    /// its place afterwards. Its own mode and owner are the root directory's of the layer.
    pub fn commit_layer(
        &self,
        _upper: &Path,
        _parent: Option<&ChainId>,
        _options: LayerOptions,
    ) -> Result<Layer> {
        later()
    }

    /// Makes a layer of a tar (plain, gzip, zstd, bzip2, xz: recognised by its first bytes), which
    /// is stored plain, and unpacks it in the same pass.
    pub fn layer_from_tar(&self, _tar: &mut dyn Read, _parent: Option<&ChainId>) -> Result<Layer> {
        later()
    }
}
