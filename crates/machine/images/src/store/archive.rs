//! Images in and out of archives: `save` and `load`.

use super::{Store, later};
use crate::error::Result;
use crate::store::name::Image;
use std::fs::File;
use std::io::{Read, Write};
use teu_oci::{Platform, Reference};

/// What an archive looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveFormat {
    /// As `docker save` of Docker 25 and later: `manifest.json` over an OCI layout.
    #[default]
    Docker,
    /// An OCI layout only.
    Oci,
}

/// One image that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The names the archive gave it; none: it has an id only.
    pub names: Vec<Reference>,
}

impl Store {
    /// Writes images as an archive. What is named by a text keeps that name in the archive; what is
    /// given by id has none.
    pub fn save(
        &self,
        _images: &[(Image, Vec<Reference>)],
        _format: SaveFormat,
        _out: &mut dyn Write,
    ) -> Result<()> {
        later()
    }

    /// Loads every image of a docker-archive or oci-archive, plain, gzip or zstd, from a stream.
    pub fn load(
        &self,
        _archive: &mut dyn Read,
        _platform: Option<&Platform>,
    ) -> Result<Vec<Loaded>> {
        later()
    }

    /// As [`Store::load`] from a file that can be read out of order: content the store has already
    /// is only verified, and layers are read in parallel.
    pub fn load_file(&self, archive: &File, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
        self.load(&mut { archive }, platform)
    }

    /// Loads from a directory that is an OCI image layout.
    pub fn load_dir(
        &self,
        _dir: &std::path::Path,
        _platform: Option<&Platform>,
    ) -> Result<Vec<Loaded>> {
        later()
    }
}
