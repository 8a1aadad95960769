//! Docker's archive: `manifest.json` lists configurations, names and layers by member.

use super::layers::Source;
use super::members::Members;
use super::{Loaded, MANIFEST};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::image::Image;
use crate::store::name::grouped;
use serde::{Deserialize, Serialize};
use teu_oci::image::ImageConfig;
use teu_oci::{Digest, Platform, Reference};

/// One image of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Vec<String>,
}

impl Store {
    pub(super) fn load_docker(
        &self,
        members: &Members,
        platform: Option<&Platform>,
    ) -> Result<Vec<Loaded>> {
        let bytes = members.read(MANIFEST, self.limits().manifest_bytes)?;
        let items: Vec<Item> =
            serde_json::from_slice(&bytes).map_err(|e| Error::document(MANIFEST, e))?;
        if items.len() > self.limits().index_entries {
            let limit = self.limits().index_entries as u64;
            return Err(Error::Limit { what: "the archive", limit, unit: "images" });
        }
        items.iter().map(|item| self.load_item(members, item, platform)).collect()
    }

    fn load_item(
        &self,
        members: &Members,
        item: &Item,
        platform: Option<&Platform>,
    ) -> Result<Loaded> {
        let names = parse_names(item)?;
        let bytes = members.read(&item.config, self.limits().config_bytes)?;
        let id = Digest::sha256(&bytes);
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::document(format!("image configuration {:?}", item.config), e))?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != item.layers.len() {
            let (layers, diff_ids) = (item.layers.len(), diff_ids.len());
            return Err(Error::LayerCount { image: id, layers, diff_ids });
        }
        if diff_ids.len() > self.limits().layers {
            let limit = self.limits().layers as u64;
            return Err(Error::Limit { what: "an image", limit, unit: "layers" });
        }
        if let Some(wanted) = platform {
            let mut present = Platform::linux(&config.architecture);
            present.os.clone_from(&config.os);
            present.variant.clone_from(&config.variant);
            if !present.satisfies(wanted) {
                let name = names.first().map_or_else(|| id.to_string(), Reference::familiar);
                let wanted = Box::new(wanted.clone());
                return Err(Error::NoPlatform { name, wanted, present: vec![present] });
            }
        }
        if let Some(image) = self.same_image(&id)? {
            self.give_names(&image.descriptor, &names)?;
            let all = self.names_of(&image.descriptor.digest)?;
            return Ok(Loaded { image: Image { names: all, ..image }, names });
        }
        let sources: Vec<Source> = item
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(member, diff_id)| Source {
                member: member.clone(),
                expected: None,
                diff_id: diff_id.clone(),
            })
            .collect();
        let layers = self.load_layers(members, &sources)?;
        let image = self.write_image_bytes(&bytes, &config, &layers, Some(&names))?;
        Ok(Loaded { image, names })
    }

    /// An image of this id that the store has whole, perhaps under another manifest: its names are
    /// all that an archive can add.
    fn same_image(&self, id: &Digest) -> Result<Option<Image>> {
        for (descriptor, names) in grouped(&self.index()?) {
            let Ok(image) = self.load_image(&descriptor, names, None) else { continue };
            if &image.id != id {
                continue;
            }
            let blobs = image.manifest.layers.iter().map(|layer| &layer.digest);
            self.claim(blobs.clone().chain([
                &image.id,
                &image.manifest_digest,
                &descriptor.digest,
            ]))?;
            let mut is_whole = self.has_blob(&descriptor.digest);
            for blob in blobs {
                is_whole = is_whole && self.verify_blob(blob)?;
            }
            if is_whole
                && self
                    .chain_unsynced(&image.config.rootfs.diff_ids, &image.manifest.layers)
                    .is_ok()
            {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }
}

fn parse_names(item: &Item) -> Result<Vec<Reference>> {
    let tags = item.repo_tags.iter().flatten();
    tags.map(|tag| tag.parse().map_err(Error::from)).collect()
}
