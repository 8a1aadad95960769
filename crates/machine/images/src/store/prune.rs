//! Collection: what no name, lease or running command keeps goes.
//!
//! Marking and taking away happen under the exclusive content lock, and are quick: what goes is only
//! renamed into `tmp`. Its bytes are removed afterwards, by whoever is left to do it.

use super::lock::Mode;
use super::mark::{Content, Marks};
use super::remove::{InUse, Removed, is_in_use};
use super::temporary::Temporary;
use super::{Store, index, usage};
use crate::error::Result;
use crate::store::image::Image;
use crate::time::parse_rfc3339;
use std::collections::HashSet;

/// Which images go before the content is collected.
#[derive(Debug, Clone, Default)]
pub struct PruneFilter {
    /// Also images with names (`-a`), unless in use.
    pub all: bool,
    /// Only images made before this time (seconds since 1970).
    pub until: Option<i64>,
    /// Only images with this label, or label and value (`label=`); several must all fit.
    pub labels: Vec<(String, Option<String>)>,
    /// Only images without it (`label!=`).
    pub without_labels: Vec<(String, Option<String>)>,
}

/// What a collection gave back.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// Names and images that went, in order.
    pub removed: Vec<Removed>,
    /// Bytes given back to the disk.
    pub freed_bytes: u64,
}

impl PruneFilter {
    fn fits(&self, image: &Image) -> bool {
        let labels = &image.config.config.labels;
        let has = |(key, value): &(String, Option<String>)| {
            labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        // An image that does not say when it was made was made long ago.
        let made = image.created.as_deref().and_then(parse_rfc3339).unwrap_or(i64::MIN);
        (self.all || image.names.is_empty())
            && self.until.is_none_or(|until| made < until)
            && self.labels.iter().all(has)
            && !self.without_labels.iter().any(has)
    }
}

impl Store {
    /// Removes images that the filter fits and no container uses, then collects all content that
    /// nothing keeps.
    pub fn prune(&self, filter: &PruneFilter, in_use: InUse<'_>) -> Result<Pruned> {
        let mut removed = Vec::new();
        for image in self.list()? {
            if !filter.fits(&image) || is_in_use(in_use, &image.id) {
                continue;
            }
            removed.extend(image.names.iter().cloned().map(Removed::Untagged));
            self.update_index(|index| {
                index.manifests.retain(|entry| {
                    let name = index::name_of(entry);
                    // A name that was given meanwhile stays.
                    entry.digest != image.descriptor.digest
                        || name.is_some_and(|name| !image.names.contains(&name))
                });
                Ok(())
            })?;
            removed.push(Removed::Deleted(image.id));
        }
        let collected = self.collect()?;
        removed.extend(collected.removed);
        Ok(Pruned { removed, freed_bytes: collected.freed_bytes })
    }

    /// Collects content that nothing keeps, and removes no image.
    pub fn collect(&self) -> Result<Pruned> {
        let half_bytes = self.sweep_partials(true);
        self.forget_packed();
        let mut pruned = self.collect_among(None)?;
        pruned.freed_bytes += half_bytes;
        Ok(pruned)
    }

    /// Collects these blobs, as far as nothing keeps them.
    pub fn collect_blobs_among(&self, digests: Vec<teu_oci::Digest>) -> Result<Pruned> {
        self.collect_among(Some(&Marks::of(digests)))
    }

    /// Collects what nothing keeps, of the candidates or of everything.
    pub(super) fn collect_among(&self, candidates: Option<&Marks>) -> Result<Pruned> {
        let away = Temporary::directory(&self.tmp(), "collected")?;
        let mut pruned = Pruned::default();
        {
            let _lock = self.content_lock(Mode::Exclusive)?;
            let kept = self.marks()?;
            for (number, (content, path)) in self.content()?.into_iter().enumerate() {
                let is_candidate = candidates.is_none_or(|among| content.is_kept(among));
                if is_candidate && !content.is_kept(&kept) {
                    if !away.receive(&path, &number.to_string())? {
                        continue;
                    }
                    if let Content::Snapshot(chain) = content {
                        pruned.removed.push(Removed::Deleted(chain.digest().clone()));
                    }
                }
            }
            self.forget_attached();
        }
        pruned.freed_bytes = usage::disk_bytes(away.path(), &mut HashSet::new())?
            .saturating_sub(usage::own_bytes(away.path()));
        Ok(pruned)
    }
}
