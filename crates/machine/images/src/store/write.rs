//! Images made here: configuration, manifest, and over several of them an index.

use super::Store;
use super::image::Image;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use teu_oci::image::{Descriptor, ImageConfig, Index, Manifest};
use teu_oci::{Digest, Platform, Reference, media};

/// What an entry of an index says of the image it is about: BuildKit's words.
pub(crate) const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
pub(crate) const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// What documents say about themselves, in free text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Of every manifest.
    pub manifest: BTreeMap<String, String>,
    /// Of the index.
    pub index: BTreeMap<String, String>,
}

impl Store {
    /// Stores a configuration and a manifest for it over layers of this store, and gives it the names
    /// (an empty list: a dangling image); then all of it is on disk. With `None` it is in no table,
    /// and is there as long as this handle is.
    pub fn write_image(
        &self,
        config: &ImageConfig,
        layers: &[Descriptor],
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        let bytes = serde_json::to_vec(config)
            .map_err(|e| Error::document("the image configuration", e))?;
        self.write_image_bytes(&bytes, config, layers, names)
    }

    /// As [`Store::write_image`], with annotations of the manifest.
    pub fn write_annotated_image(
        &self,
        config: &ImageConfig,
        layers: &[Descriptor],
        annotations: &BTreeMap<String, String>,
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        let bytes = serde_json::to_vec(config)
            .map_err(|e| Error::document("the image configuration", e))?;
        let written = self.put_image(&bytes, config, layers, annotations)?;
        self.under_names(written, config, names)
    }

    /// As [`Store::write_image`], with a configuration whose bytes (and so the image's id) are
    /// given.
    pub(super) fn write_image_bytes(
        &self,
        bytes: &[u8],
        config: &ImageConfig,
        layers: &[Descriptor],
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        let written = self.put_image(bytes, config, layers, &BTreeMap::new())?;
        self.under_names(written, config, names)
    }

    fn under_names(
        &self,
        (descriptor, manifest): (Descriptor, Manifest),
        config: &ImageConfig,
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        if let Some(names) = names {
            self.give_names(&descriptor, names)?;
        }
        let names = self.names_of(&descriptor.digest)?;
        let chosen = descriptor.clone();
        Ok(self.assemble(descriptor, chosen, manifest, config.clone(), names))
    }

    /// Stores an image for each of several platforms and an index of them, which gets the names as
    /// in [`Store::write_image`]. Gives the index as this machine sees it.
    pub fn write_index(
        &self,
        parts: &[(ImageConfig, Vec<Descriptor>)],
        annotations: &Annotations,
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        let mut manifests = Vec::with_capacity(parts.len());
        for (config, layers) in parts {
            let bytes = serde_json::to_vec(config)
                .map_err(|e| Error::document("the image configuration", e))?;
            manifests.push(self.put_image(&bytes, config, layers, &annotations.manifest)?.0);
        }
        self.index_over(manifests, annotations, names)
    }

    /// Stores an index of manifests of this store, which gets the names as
    /// [`Store::write_image`] says; gives what of it is this machine's.
    pub fn index_over(
        &self,
        manifests: Vec<Descriptor>,
        annotations: &Annotations,
        names: Option<&[Reference]>,
    ) -> Result<Image> {
        let index = Index {
            schema_version: 2,
            media_type: Some(media::INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: annotations.index.clone(),
        };
        let text = serde_json::to_vec(&index).map_err(|e| Error::document("the index", e))?;
        let descriptor = self.put_blob(media::INDEX, &text)?;
        if let Some(names) = names {
            self.give_names(&descriptor, names)?;
        }
        let names = self.names_of(&descriptor.digest)?;
        self.load_image(&descriptor, names, None)
    }

    /// Stores statements about an image as BuildKit lays them out: a manifest whose layers they are,
    /// to stand beside the image in an index. Gives its entry there.
    pub fn write_attestations(
        &self,
        subject: &Descriptor,
        statements: Vec<Descriptor>,
    ) -> Result<Descriptor> {
        let digests: Vec<&Digest> = statements.iter().map(|statement| &statement.digest).collect();
        let config = serde_json::json!({
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        let config = self.put_blob(media::CONFIG, config.to_string().as_bytes())?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers: statements,
            subject: None,
            annotations: BTreeMap::new(),
        };
        let text = serde_json::to_vec(&manifest).map_err(|e| Error::document("a manifest", e))?;
        let mut entry = self.put_blob(media::MANIFEST, &text)?;
        let nowhere = "unknown".to_owned();
        entry.platform =
            Some(Platform { os: nowhere.clone(), ..Platform::linux(nowhere.as_str()) });
        entry.annotations = BTreeMap::from([
            (REFERENCE_TYPE.to_owned(), "attestation-manifest".to_owned()),
            (REFERENCE_DIGEST.to_owned(), subject.digest.to_string()),
        ]);
        Ok(entry)
    }

    /// Stores a configuration and its manifest.
    fn put_image(
        &self,
        bytes: &[u8],
        config: &ImageConfig,
        layers: &[Descriptor],
        annotations: &BTreeMap<String, String>,
    ) -> Result<(Descriptor, Manifest)> {
        let config_descriptor = self.put_blob(media::CONFIG, bytes)?;
        let diff_ids = config.rootfs.diff_ids.len();
        if diff_ids != layers.len() {
            let (image, layers) = (config_descriptor.digest, layers.len());
            return Err(Error::LayerCount { image, layers, diff_ids });
        }
        self.claim(layers.iter().map(|layer| &layer.digest))?;
        for layer in layers {
            if !self.has_blob(&layer.digest) {
                return Err(Error::Missing { digest: layer.digest.clone(), what: "a layer" });
            }
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: None,
            config: config_descriptor,
            layers: layers.to_vec(),
            subject: None,
            annotations: annotations.clone(),
        };
        let text = serde_json::to_vec(&manifest).map_err(|e| Error::document("the manifest", e))?;
        let mut descriptor = self.put_blob(media::MANIFEST, &text)?;
        let mut platform = Platform::linux(&config.architecture);
        platform.os.clone_from(&config.os);
        platform.variant.clone_from(&config.variant);
        descriptor.platform = Some(platform);
        Ok((descriptor, manifest))
    }
}
