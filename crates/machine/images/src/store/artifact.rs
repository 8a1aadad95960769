//! Artifacts: what has a manifest and a name in this store, and is no image.
//!
//! A manifest whose configuration is no image's, or whose layers are not, is kept as it came: it
//! can be shown, copied, pushed and removed, and cannot be run.

use super::Store;
use super::name::grouped;
use crate::error::Result;
use teu_oci::Reference;
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::media::{self, layer_compression};

/// One of them.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What the names lead to.
    pub descriptor: Descriptor,
    /// Its names.
    pub names: Vec<Reference>,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Artifact {
    /// What kind it says it is.
    pub fn kind(&self) -> &str {
        self.manifest.artifact_type.as_deref().unwrap_or(&self.manifest.config.media_type)
    }

    /// Bytes of its blobs.
    pub fn size_bytes(&self) -> u64 {
        self.manifest.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add)
    }
}

/// Says whether a manifest is an image that could be unpacked.
pub(crate) fn is_image(manifest: &Manifest) -> bool {
    [media::CONFIG, media::DOCKER_CONFIG].contains(&manifest.config.media_type.as_str())
        && manifest.layers.iter().all(|layer| layer_compression(&layer.media_type).is_some())
}

impl Store {
    /// All artifacts that have a name.
    pub fn artifacts(&self) -> Result<Vec<Artifact>> {
        let groups = grouped(&self.index()?).into_iter();
        Ok(groups.filter_map(|(descriptor, names)| self.as_artifact(descriptor, names)).collect())
    }

    /// The artifact of this name or digest; none, if it is an image.
    pub fn artifact(&self, text: &str) -> Result<Option<Artifact>> {
        let (descriptor, names) = self.find(text)?;
        Ok(self.as_artifact(descriptor, names))
    }

    pub(super) fn as_artifact(
        &self,
        descriptor: Descriptor,
        mut names: Vec<Reference>,
    ) -> Option<Artifact> {
        if !media::is_manifest(&descriptor.media_type) {
            return None;
        }
        let manifest = self.read_manifest(&descriptor).ok().filter(|found| !is_image(found))?;
        names.sort();
        Some(Artifact { descriptor, names, manifest })
    }
}
