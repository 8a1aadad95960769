//! Names, ids and what they lead to.

use super::{Store, later};
use crate::error::Result;
use teu_oci::image::{Descriptor, ImageConfig, Manifest};
use teu_oci::{Digest, Platform, Reference};

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

impl Store {
    /// Finds an image for this machine by familiar name, full name, digest (of configuration,
    /// manifest or index, with or without `sha256:`), `name@digest`, or unique prefix of an id.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        self.resolve_platform(text, None)
    }

    /// As [`Store::resolve`], for the platform that is asked for.
    pub fn resolve_platform(&self, _text: &str, _platform: Option<&Platform>) -> Result<Image> {
        later()
    }

    /// All images, newest first, dangling ones included.
    pub fn list(&self) -> Result<Vec<Image>> {
        later()
    }

    /// Gives the image one more name; an image that loses the name stays, dangling if it was its
    /// last.
    pub fn tag(&self, _image: &Image, _name: &Reference) -> Result<()> {
        later()
    }

    /// Takes a name away without deleting anything; an image without names stays as dangling.
    /// Says whether the name existed. For the meaning of `rmi` see [`Store::remove`].
    pub fn untag(&self, _name: &Reference) -> Result<bool> {
        later()
    }

    /// Stores a configuration and a manifest for it over layers of this store, gives it the names
    /// (none: a dangling image), and returns when all of it is on disk.
    pub fn write_image(
        &self,
        _config: &ImageConfig,
        _layers: &[Descriptor],
        _names: &[Reference],
    ) -> Result<Image> {
        later()
    }
}
