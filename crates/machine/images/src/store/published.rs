//! What registries have of this store's images: the digest that a name was pulled or pushed as.
//!
//! It need not be the local one: layers that were built here are compressed on their way out, and
//! that makes another manifest. It is kept as an annotation of the name's entry in `index.json`, so
//! it goes when the name goes or leads elsewhere, and never follows an image to another name.

use super::image::Image;
use super::{Store, index};
use crate::error::Result;
use std::collections::BTreeMap;
use teu_oci::image::{Descriptor, Index};
use teu_oci::{Digest, Reference};

/// The annotation.
pub(super) const ANNOTATION: &str = "dev.teu.image.published";

/// The digest that an entry's name has in its registry.
pub(super) fn digest_of(entry: &Descriptor) -> Option<Digest> {
    entry.annotations.get(ANNOTATION)?.parse().ok()
}

/// What is known of all names at one time.
#[derive(Debug, Clone, Default)]
pub struct Published(BTreeMap<Reference, Digest>);

impl Published {
    fn of(index: &Index) -> Self {
        let known = index.manifests.iter().filter_map(|entry| {
            let name = index::name_of(entry)?;
            let digest = name.digest.clone().or_else(|| digest_of(entry))?;
            Some((name, digest))
        });
        Self(known.collect())
    }

    /// What the registry has under this name; none where it was never pulled nor pushed.
    pub fn digest(&self, name: &Reference) -> Option<&Digest> {
        self.0.get(name)
    }

    /// `repository@digest` of each of an image's names that a registry has, sorted.
    pub fn repo_digests(&self, image: &Image) -> Vec<String> {
        let known = image
            .names
            .iter()
            .filter_map(|name| Some(format!("{}@{}", name.familiar_name(), self.digest(name)?)));
        let mut digests: Vec<String> = known.collect();
        digests.sort();
        digests.dedup();
        digests
    }
}

impl Store {
    /// Reads what registries have.
    pub fn published(&self) -> Result<Published> {
        Ok(Published::of(&self.index()?))
    }

    /// Keeps what a name was pulled or pushed as, if it still leads to `local`.
    pub(crate) fn remember_published(
        &self,
        name: &Reference,
        local: &Digest,
        digest: &Digest,
    ) -> Result<()> {
        if name.digest.is_some() {
            return Ok(());
        }
        self.update_index(|index| {
            for entry in &mut index.manifests {
                if &entry.digest == local && index::name_of(entry).as_ref() == Some(name) {
                    entry.annotations.insert(ANNOTATION.to_owned(), digest.to_string());
                }
            }
            Ok(())
        })
    }

    /// Forgets that a repository has an image as `digest`; says whether it was known.
    pub(super) fn forget_published(&self, repository: &Reference, digest: &Digest) -> Result<bool> {
        self.update_index(|index| {
            let mut was_known = false;
            for entry in &mut index.manifests {
                let name = index::name_of(entry);
                if name.is_some_and(|name| name.digest.is_none() && is_same(&name, repository))
                    && digest_of(entry).as_ref() == Some(digest)
                {
                    entry.annotations.remove(ANNOTATION);
                    was_known = true;
                }
            }
            Ok(was_known)
        })
    }
}

/// Two names of one repository.
pub(super) fn is_same(one: &Reference, other: &Reference) -> bool {
    one.registry == other.registry && one.repository == other.repository
}
