//! One image read from the store: descriptor → manifest → configuration, each checked on its way.

use super::{Store, snapshot};
use crate::error::{Error, Result};
use teu_oci::image::{Descriptor, DocumentError, ImageConfig, Index, Manifest};
use teu_oci::{ChainId, Digest, Platform, Reference, media};

/// One image, as read and verified.
#[derive(Debug, Clone)]
pub struct Image {
    /// What people call its id: the digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// What the names point at: the manifest, or the index it was chosen from.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its names, sorted; none of a dangling image.
    pub names: Vec<Reference>,
    /// Bytes of all its files, unpacked (of its blobs, where it was never unpacked).
    pub size_bytes: u64,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
}

impl Image {
    /// The first of its names as people type it, or its short id.
    pub fn label(&self) -> String {
        self.names.first().map_or_else(|| self.id.short().to_owned(), Reference::familiar)
    }

    /// The machine it is for.
    pub fn platform(&self) -> Platform {
        let mut platform = Platform::linux(&self.config.architecture);
        platform.os.clone_from(&self.config.os);
        platform.variant.clone_from(&self.config.variant);
        platform
    }

    /// The chain IDs of its layers, lowest first.
    pub fn chain_ids(&self) -> Vec<ChainId> {
        chain_ids(&self.config.rootfs.diff_ids)
    }
}

pub(super) fn chain_ids(diff_ids: &[Digest]) -> Vec<ChainId> {
    let mut ids: Vec<ChainId> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        ids.push(ChainId::extend(ids.last(), diff_id));
    }
    ids
}

/// One row of an image's history, newest first, as `docker history` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The image, on the newest row.
    pub id: Option<Digest>,
    /// RFC 3339.
    pub created: Option<String>,
    /// The instruction.
    pub created_by: String,
    /// Free text.
    pub comment: String,
    /// Bytes of the files of the step's layer.
    pub size_bytes: u64,
}

impl Store {
    /// How the image was made, newest step first.
    pub fn history(&self, image: &Image) -> Vec<HistoryRow> {
        let mut layers = image.chain_ids().into_iter().zip(&image.manifest.layers);
        let mut rows: Vec<HistoryRow> = Vec::new();
        for step in &image.config.history {
            let layer = if step.empty_layer { None } else { layers.next() };
            rows.push(HistoryRow {
                id: None,
                created: step.created.clone(),
                created_by: step.created_by.clone().unwrap_or_default(),
                comment: step.comment.clone().unwrap_or_default(),
                size_bytes: layer.map_or(0, |(chain, layer)| self.layer_size(&chain, layer)),
            });
        }
        // Layers that the history does not tell of.
        for (chain, layer) in layers {
            let size_bytes = self.layer_size(&chain, layer);
            let (created_by, comment) = (String::new(), String::new());
            rows.push(HistoryRow { id: None, created: None, created_by, comment, size_bytes });
        }
        rows.reverse();
        if let Some(newest) = rows.first_mut() {
            newest.id = Some(image.id.clone());
        }
        rows
    }

    fn layer_size(&self, chain: &ChainId, layer: &Descriptor) -> u64 {
        snapshot::read_record(self, chain).map_or(layer.size, |record| record.size_bytes)
    }

    /// Reads the image that a descriptor leads to, for the platform that is wanted.
    pub(super) fn load_image(
        &self,
        descriptor: &Descriptor,
        names: Vec<Reference>,
        wanted: Option<&Platform>,
    ) -> Result<Image> {
        let chosen = self.choose(descriptor, &names, wanted)?;
        let manifest = self.read_manifest(&chosen)?;
        let config = self.read_config(&manifest, &chosen.digest)?;
        let image = self.assemble(descriptor.clone(), chosen, manifest, config, names);
        if let Some(wanted) = wanted
            && !image.platform().satisfies(wanted)
        {
            let (name, present) = (image.label(), vec![image.platform()]);
            return Err(Error::NoPlatform { name, wanted: Box::new(wanted.clone()), present });
        }
        Ok(image)
    }

    pub(super) fn assemble(
        &self,
        descriptor: Descriptor,
        chosen: Descriptor,
        manifest: Manifest,
        config: ImageConfig,
        mut names: Vec<Reference>,
    ) -> Image {
        names.sort();
        let chains = chain_ids(&config.rootfs.diff_ids);
        let sizes = chains.iter().zip(&manifest.layers).map(|(chain, l)| self.layer_size(chain, l));
        Image {
            id: manifest.config.digest.clone(),
            manifest_digest: chosen.digest,
            size_bytes: sizes.fold(0, u64::saturating_add),
            created: config.created.clone(),
            descriptor,
            manifest,
            config,
            names,
        }
    }

    /// The manifest for a platform: the descriptor itself, or the fitting entry of its index.
    pub(super) fn choose(
        &self,
        descriptor: &Descriptor,
        names: &[Reference],
        wanted: Option<&Platform>,
    ) -> Result<Descriptor> {
        if media::is_manifest(&descriptor.media_type) {
            return Ok(descriptor.clone());
        }
        let index = self.read_index(descriptor)?;
        let host = Platform::host();
        let fits = |entry: &&Descriptor| {
            let platform = entry.platform.as_ref();
            platform.is_none_or(|p| p.satisfies(wanted.unwrap_or(&host)))
        };
        let manifests = index.manifests.iter().filter(|entry| is_image(entry));
        // One that is here before one that is not: an archive need not hold them all.
        let mut fitting: Vec<&Descriptor> = manifests.clone().filter(fits).collect();
        fitting.sort_by_key(|entry| (!self.has_blob(&entry.digest), entry.platform.is_none()));
        let chosen = match fitting.first().copied() {
            Some(first) if wanted.is_some() || self.has_blob(&first.digest) => Some(first),
            None if wanted.is_some() => None,
            first => manifests.clone().find(|entry| self.has_blob(&entry.digest)).or(first),
        };
        chosen.cloned().ok_or_else(|| Error::NoPlatform {
            name: names.first().map_or_else(|| descriptor.digest.to_string(), Reference::familiar),
            wanted: Box::new(wanted.unwrap_or(&host).clone()),
            present: index.manifests.iter().filter_map(|entry| entry.platform.clone()).collect(),
        })
    }

    pub(super) fn read_index(&self, descriptor: &Descriptor) -> Result<Index> {
        if !media::is_index(&descriptor.media_type) {
            return Err(Error::MediaType {
                digest: descriptor.digest.clone(),
                media_type: descriptor.media_type.chars().take(120).collect(),
                wanted: "an image manifest or index",
            });
        }
        let bytes = self.read_document(descriptor, self.limits().manifest_bytes, "an index")?;
        let index =
            Index::parse(&bytes, &descriptor.media_type).map_err(|e| confused(descriptor, e))?;
        if index.manifests.len() > self.limits().index_entries {
            let limit = self.limits().index_entries as u64;
            return Err(Error::Limit { what: "an index", limit, unit: "entries" });
        }
        Ok(index)
    }

    pub(super) fn read_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let bytes = self.read_document(descriptor, self.limits().manifest_bytes, "a manifest")?;
        let manifest =
            Manifest::parse(&bytes, &descriptor.media_type).map_err(|e| confused(descriptor, e))?;
        if manifest.layers.len() > self.limits().layers {
            let limit = self.limits().layers as u64;
            return Err(Error::Limit { what: "an image", limit, unit: "layers" });
        }
        Ok(manifest)
    }

    pub(super) fn read_config(&self, manifest: &Manifest, image: &Digest) -> Result<ImageConfig> {
        let descriptor = &manifest.config;
        if ![media::CONFIG, media::DOCKER_CONFIG].contains(&descriptor.media_type.as_str()) {
            return Err(Error::MediaType {
                digest: descriptor.digest.clone(),
                media_type: descriptor.media_type.chars().take(120).collect(),
                wanted: "an image configuration (is it an artifact?)",
            });
        }
        let bytes =
            self.read_document(descriptor, self.limits().config_bytes, "a configuration")?;
        let config: ImageConfig = serde_json::from_slice(&bytes).map_err(|e| {
            Error::document(format!("image configuration {}", descriptor.digest), e)
        })?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(Error::LayerCount {
                image: image.clone(),
                layers: manifest.layers.len(),
                diff_ids: config.rootfs.diff_ids.len(),
            });
        }
        Ok(config)
    }

    fn read_document(
        &self,
        wanted: &Descriptor,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>> {
        if wanted.size > limit {
            return Err(Error::Limit { what, limit, unit: "bytes" });
        }
        let bytes = self.read_blob(&wanted.digest, limit).map_err(|error| match error {
            Error::Missing { digest, .. } => Error::Missing { digest, what },
            other => other,
        })?;
        if bytes.len() as u64 != wanted.size {
            let (expected, found) = (wanted.size, bytes.len() as u64);
            return Err(Error::Size { digest: wanted.digest.clone(), expected, found });
        }
        Ok(bytes)
    }
}

/// Attestations are stored as manifests of an unknown platform; they are no images.
fn is_image(entry: &Descriptor) -> bool {
    media::is_manifest(&entry.media_type)
        && entry.platform.as_ref().is_none_or(|p| p.os != "unknown")
        && !entry.annotations.contains_key(super::write::REFERENCE_TYPE)
}

fn confused(descriptor: &Descriptor, error: DocumentError) -> Error {
    let what = || format!("{} {}", descriptor.media_type, descriptor.digest);
    match error {
        DocumentError::Json(source) => Error::document(what(), source),
        other => Error::Confused {
            digest: descriptor.digest.clone(),
            expected: descriptor.media_type.clone(),
            found: other.to_string(),
        },
    }
}
