//! What is read from the machine's own images, where no repository has it.

use super::{Registry, reference_text};
use crate::local::View;
use crate::name::Name;
use crate::problem::Problem;
use crate::route::Reference;
use std::collections::{BTreeMap, BTreeSet};
use teu_oci::Digest;

impl Registry {
    /// Looks something up in the local images of a name; nothing where they are not served.
    async fn local<T: Send + 'static>(
        &self,
        name: &Name,
        look: impl FnOnce(&View) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        self.0.local.as_ref()?;
        let (registry, name) = (self.clone(), name.clone());
        let find = move || look(registry.0.local.as_ref()?.views().ok()?.get(&name)?);
        self.0.workers.run(find).await
    }

    /// The digest, media type and bytes of what a reference leads to.
    pub(super) async fn find_manifest(
        &self,
        name: &Name,
        reference: &Reference,
    ) -> Result<(Digest, String, u64), Problem> {
        let problem = match self.find_pushed(name, reference) {
            Ok(found) => return Ok(found),
            Err(problem) => problem,
        };
        let wanted = reference.clone();
        let find = move |view: &View| {
            let digest = match &wanted {
                Reference::Tag(tag) => view.tags.get(tag)?,
                Reference::Digest(digest) => digest,
            };
            let (media_type, size) = view.manifests.get(digest)?;
            Some((digest.clone(), media_type.clone(), *size))
        };
        self.local(name, find).await.ok_or(problem)
    }

    pub(super) fn find_pushed(
        &self,
        name: &Name,
        reference: &Reference,
    ) -> Result<(Digest, String, u64), Problem> {
        let repository = self.repository(name)?;
        let state = repository.read();
        let digest = match reference {
            Reference::Tag(tag) => state.tags.get(tag),
            Reference::Digest(digest) => Some(digest),
        };
        let found = digest.and_then(|digest| Some((digest, state.manifests.get(digest)?)));
        found
            .map(|(digest, record)| (digest.clone(), record.media_type.clone(), record.size))
            .ok_or_else(|| Problem::manifest_unknown(reference_text(reference)))
    }

    /// The bytes of a blob that can be read under a name.
    pub(super) async fn readable_blob(&self, name: &Name, digest: &Digest) -> Result<u64, Problem> {
        match self.blob_size(name, digest) {
            Ok(size) => Ok(size),
            Err(problem) => {
                let wanted = digest.clone();
                let find = move |view: &View| view.blobs.get(&wanted).copied();
                self.local(name, find).await.ok_or(problem)
            }
        }
    }

    /// The local tags of a name.
    pub(super) async fn local_tags(&self, name: &Name) -> Option<BTreeSet<String>> {
        self.local(name, |view| Some(view.tags.keys().cloned().collect())).await
    }

    /// The local tags of a name, and what they lead to.
    pub(super) async fn local_targets(&self, name: &Name) -> Option<BTreeMap<String, Digest>> {
        self.local(name, |view| Some(view.tags.clone())).await
    }

    /// How many local tags a name has, and the bytes of all that they need.
    pub(super) async fn local_size(&self, name: &Name) -> Option<(usize, u64)> {
        let sum = |view: &View| {
            let manifests = view.manifests.values().map(|(_, size)| *size);
            let blobs = view.blobs.values().copied();
            Some((view.tags.len(), manifests.chain(blobs).fold(0, u64::saturating_add)))
        };
        self.local(name, sum).await
    }

    /// The names of local repositories, or those of them that can give a blob.
    pub(super) async fn local_names(&self, with_blob: Option<&Digest>) -> BTreeSet<Name> {
        if self.0.local.is_none() {
            return BTreeSet::new();
        }
        let (registry, wanted) = (self.clone(), with_blob.cloned());
        let find = move || {
            let views = registry.0.local.as_ref()?.views().ok()?;
            let fits = |view: &View| wanted.as_ref().is_none_or(|d| view.blobs.contains_key(d));
            let names = views.iter().filter(|(_, view)| fits(view));
            Some(names.map(|(name, _)| name.clone()).collect())
        };
        self.0.workers.run(find).await.unwrap_or_default()
    }
}
