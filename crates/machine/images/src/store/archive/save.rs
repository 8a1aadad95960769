//! `save`: images as one tar, with everything needed to load them elsewhere.

use super::docker::Item;
use super::oci::member;
use super::{INDEX, LAYOUT, MANIFEST};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::image::Image;
use crate::store::index::with_name;
use crate::tar::{Builder, Kind, WriteEntry};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use teu_oci::image::{Descriptor, Index};
use teu_oci::{Digest, Reference, media};

/// What an archive looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveFormat {
    /// As `docker save` of Docker 25 and later: `manifest.json` over an OCI layout.
    #[default]
    Docker,
    /// An OCI layout only.
    Oci,
}

impl Store {
    /// Writes images as an archive, each under the names that are given with it (none: by id only).
    /// The same images and names give the same bytes.
    pub fn save(
        &self,
        images: &[(Image, Vec<Reference>)],
        format: SaveFormat,
        out: &mut dyn Write,
    ) -> Result<()> {
        let written = |e| Error::stream("write the archive", e);
        let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
        let mut entries: Vec<Descriptor> = Vec::new();
        for (image, names) in images {
            self.await_whole(image)?;
            self.collect_blobs(&image.descriptor, &mut blobs)?;
            if names.is_empty() {
                entries.push(with_name(&image.descriptor, None));
            }
            entries.extend(names.iter().map(|name| with_name(&image.descriptor, Some(name))));
        }
        let mut tar = Builder::new(out);
        let directory = |path: &'static [u8]| WriteEntry::new(path, Kind::Directory, 0o755, 0);
        let file =
            |path, bytes: &[u8]| WriteEntry::new(path, Kind::File, 0o644, bytes.len() as u64);
        // Tables first: a reader of a stream then knows what it will see.
        let layout = crate::store::LAYOUT.as_bytes();
        tar.append(&file(LAYOUT.as_bytes(), layout), layout).map_err(written)?;
        let index = to_json(INDEX, &index_of(entries))?;
        tar.append(&file(INDEX.as_bytes(), &index), &index).map_err(written)?;
        if format == SaveFormat::Docker {
            let items: Vec<Item> = images.iter().map(item).collect();
            let manifest = to_json(MANIFEST, &items)?;
            tar.append(&file(MANIFEST.as_bytes(), &manifest), &manifest).map_err(written)?;
        }
        tar.start(&directory(b"blobs/")).map_err(written)?;
        tar.start(&directory(b"blobs/sha256/")).map_err(written)?;
        for (digest, size) in &blobs {
            self.save_blob(&mut tar, digest, *size)?;
        }
        tar.finish().map_err(written)?;
        Ok(())
    }

    fn save_blob(
        &self,
        tar: &mut Builder<&mut dyn Write>,
        digest: &Digest,
        size: u64,
    ) -> Result<()> {
        let written = |e| Error::stream("write the archive", e);
        let name = member(digest);
        tar.start(&WriteEntry::new(name.as_bytes(), Kind::File, 0o644, size)).map_err(written)?;
        let mut blob = self.open_blob(digest)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let length = blob
                .read(&mut buffer)
                .map_err(|e| Error::stream("read from the image store", e))?;
            if length == 0 {
                return Ok(());
            }
            tar.content(&buffer[..length]).map_err(written)?;
        }
    }

    /// Everything a descriptor leads to that is here.
    fn collect_blobs(&self, from: &Descriptor, blobs: &mut BTreeMap<Digest, u64>) -> Result<()> {
        if media::is_index(&from.media_type) {
            for entry in self.read_index(from)?.manifests {
                if self.has_blob(&entry.digest) {
                    self.collect_blobs(&entry, blobs)?;
                }
            }
        } else if media::is_manifest(&from.media_type) {
            let manifest = self.read_manifest(from)?;
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                self.add_blob(&blob.digest, blobs)?;
            }
        }
        self.add_blob(&from.digest, blobs)
    }

    fn add_blob(&self, digest: &Digest, blobs: &mut BTreeMap<Digest, u64>) -> Result<()> {
        let missing = || Error::Missing { digest: digest.clone(), what: "a blob of the image" };
        blobs.insert(digest.clone(), self.blob_size(digest).ok_or_else(missing)?);
        Ok(())
    }
}

fn index_of(manifests: Vec<Descriptor>) -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        artifact_type: None,
        manifests,
        subject: None,
        annotations: BTreeMap::new(),
    }
}

fn item((image, names): &(Image, Vec<Reference>)) -> Item {
    let tags: Vec<String> =
        names.iter().filter(|name| name.tag.is_some()).map(Reference::familiar).collect();
    Item {
        config: member(&image.id),
        repo_tags: (!tags.is_empty()).then_some(tags),
        layers: image.manifest.layers.iter().map(|layer| member(&layer.digest)).collect(),
    }
}

fn to_json(what: &str, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::document(what, e))
}
