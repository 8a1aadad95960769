//! An OCI layout: `index.json` leads to manifests, and these to everything else by digest.

use super::layers::{Source, verify};
use super::members::Members;
use super::{INDEX, LAYOUT, Loaded};
use crate::error::{ArchiveFault, Error, Result};
use crate::store::Store;
use crate::store::blob::Hasher;
use crate::store::image::Image;
use crate::store::index::INDEX_LIMIT_BYTES;
use crate::store::name::grouped;
use std::io::Read;
use teu_oci::image::{Descriptor, Index, Layout, Manifest};
use teu_oci::{Digest, Platform, Reference, media};

impl Store {
    pub(super) fn load_oci(
        &self,
        members: &Members,
        platform: Option<&Platform>,
    ) -> Result<Vec<Loaded>> {
        let layout: Layout = serde_json::from_slice(&members.read(LAYOUT, 1 << 10)?)
            .map_err(|e| Error::document(LAYOUT, e))?;
        if !layout.image_layout_version.starts_with("1.") {
            let version = layout.image_layout_version.chars().take(40).collect();
            return Err(Error::Archive { reason: ArchiveFault::Version(version) });
        }
        let bytes = members.read(INDEX, INDEX_LIMIT_BYTES.min(16 << 20))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| Error::document(INDEX, e))?;
        if index.manifests.len() > self.limits().index_entries {
            let limit = self.limits().index_entries as u64;
            return Err(Error::Limit { what: "the archive", limit, unit: "images" });
        }
        let mut loaded = Vec::new();
        for (descriptor, mut names) in grouped(&index) {
            names.sort();
            self.copy_document(members, &descriptor)?;
            loaded.push(self.load_entry(members, &descriptor, &names, platform)?);
        }
        // Only now: either every image of the archive has its names, or none.
        for one in &mut loaded {
            self.give_names(&one.image.descriptor, &one.names)?;
            one.image.names = self.names_of(&one.image.descriptor.digest)?;
        }
        Ok(loaded)
    }

    fn load_entry(
        &self,
        members: &Members,
        descriptor: &Descriptor,
        names: &[Reference],
        platform: Option<&Platform>,
    ) -> Result<Loaded> {
        if media::is_index(&descriptor.media_type) {
            self.copy_index(members, descriptor, 0)?;
        }
        let chosen = self.choose(descriptor, names, platform)?;
        let image = self.load_manifest(members, descriptor, &chosen, names, platform)?;
        Ok(Loaded { image, names: names.to_vec() })
    }

    /// Copies what an index leads to, as far as the archive has it.
    fn copy_index(&self, members: &Members, descriptor: &Descriptor, depth: usize) -> Result<()> {
        let index = self.read_index(descriptor)?;
        for entry in &index.manifests {
            if !members.has(&member(&entry.digest)) {
                continue;
            }
            self.copy_document(members, entry)?;
            if media::is_index(&entry.media_type) && depth < INDEX_DEPTH {
                self.copy_index(members, entry, depth + 1)?;
            } else if media::is_manifest(&entry.media_type) {
                let manifest = self.read_manifest(entry)?;
                self.copy_blob(members, &manifest.config)?;
                for layer in &manifest.layers {
                    self.copy_blob(members, layer)?;
                }
            }
        }
        Ok(())
    }

    fn load_manifest(
        &self,
        members: &Members,
        descriptor: &Descriptor,
        chosen: &Descriptor,
        names: &[Reference],
        platform: Option<&Platform>,
    ) -> Result<Image> {
        let manifest: Manifest = self.read_manifest(chosen)?;
        self.copy_blob(members, &manifest.config)?;
        let config = self.read_config(&manifest, &chosen.digest)?;
        let sources: Vec<Source> = manifest
            .layers
            .iter()
            .zip(&config.rootfs.diff_ids)
            .map(|(layer, diff_id)| Source {
                member: member(&layer.digest),
                expected: Some(layer.clone()),
                diff_id: diff_id.clone(),
            })
            .collect();
        self.load_layers(members, &sources)?;
        self.load_image(descriptor, names.to_vec(), platform)
    }

    /// Copies a manifest or index.
    fn copy_document(&self, members: &Members, descriptor: &Descriptor) -> Result<()> {
        if descriptor.size > self.limits().manifest_bytes {
            let limit = self.limits().manifest_bytes;
            return Err(Error::Limit { what: "a manifest", limit, unit: "bytes" });
        }
        self.copy_blob(members, descriptor)
    }

    fn copy_blob(&self, members: &Members, descriptor: &Descriptor) -> Result<()> {
        self.claim([&descriptor.digest])?;
        let is_here = self.blob_size(&descriptor.digest) == Some(descriptor.size);
        if is_here && self.verify_blob(&descriptor.digest)? {
            return Ok(());
        }
        let name = member(&descriptor.digest);
        let mut source = members.open(&name)?.take(descriptor.size.saturating_add(1));
        let mut ingest = self.ingest()?;
        let mut hasher = Hasher::like(&descriptor.digest);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let length =
                source.read(&mut buffer).map_err(|e| Error::stream("read the archive", e))?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            ingest
                .write_unhashed(&buffer[..length])
                .map_err(|e| Error::stream("write to the image store", e))?;
        }
        let found = hasher.finish();
        verify(descriptor, &found, ingest.written_bytes())?;
        ingest.place_as(&descriptor.media_type, &found)?;
        Ok(())
    }
}

/// Indexes within indexes.
const INDEX_DEPTH: usize = 4;

/// Where a layout keeps a blob.
pub(super) fn member(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}
