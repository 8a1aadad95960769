//! Images in and out of archives: `save` and `load`.
//!
//! Two formats are read: an OCI layout (`index.json`) and Docker's own (`manifest.json`), in a tar
//! or, for the first, in a directory. An archive is as hostile as a layer: its members are looked up
//! in a table by name and never become paths, every blob is hashed, and no image gets a name before
//! all of it is there. What a failed load has stored is taken back.

use super::Store;
use super::image::Image;
use crate::compression::{Decoder, Format, peek, recognise};
use crate::error::{ArchiveFault, Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use teu_oci::{Platform, Reference};

mod docker;
mod layers;
mod members;
mod oci;
mod save;
pub mod source;

pub use save::SaveFormat;

use members::Members;

/// One image that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The names the archive gave it; none: it has an id only.
    pub names: Vec<Reference>,
}

/// The tables of content that an archive may have.
const MANIFEST: &str = "manifest.json";
const INDEX: &str = "index.json";
const LAYOUT: &str = "oci-layout";

impl Store {
    /// Loads every image of a docker-archive or oci-archive, plain or compressed, from a stream.
    pub fn load(
        &self,
        archive: &mut (dyn Read + Send),
        platform: Option<&Platform>,
    ) -> Result<Vec<Loaded>> {
        let decoder = Decoder::new(archive, self.limits())
            .map_err(|e| Error::stream("read the archive", e))?;
        self.attempt(|store| {
            let members = Members::of_stream(store, decoder)?;
            store.load_members(&members, platform)
        })
    }

    /// As [`Store::load`] from a file that can be read out of order: content the store has already
    /// is only verified, and layers are read in parallel, hashed and unpacked in the same pass.
    pub fn load_file(&self, archive: &File, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
        let mut source = archive;
        let is_regular = archive.metadata().is_ok_and(|found| found.is_file());
        if !is_regular {
            return self.load(&mut source, platform);
        }
        let read = |e| Error::stream("read the archive", e);
        let start = source.stream_position().map_err(read)?;
        let first = peek(&mut source).map_err(read)?;
        source.seek(SeekFrom::Start(start)).map_err(read)?;
        if recognise(&first) != Format::Plain || start != 0 {
            return self.load(&mut source, platform);
        }
        let members = Members::of_file(self, archive)?;
        self.attempt(|store| store.load_members(&members, platform))
    }

    /// Loads from a directory that is an OCI image layout.
    pub fn load_dir(&self, dir: &Path, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
        let members = Members::of_directory(dir);
        self.attempt(|store| store.load_members(&members, platform))
    }

    fn load_members(&self, members: &Members, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
        let loaded = if members.has(INDEX) && members.has(LAYOUT) {
            self.load_oci(members, platform)?
        } else if members.has(MANIFEST) {
            self.load_docker(members, platform)?
        } else {
            return Err(Error::Archive { reason: ArchiveFault::NoTable });
        };
        if loaded.is_empty() {
            return Err(Error::Archive { reason: ArchiveFault::Empty });
        }
        Ok(loaded)
    }
}
