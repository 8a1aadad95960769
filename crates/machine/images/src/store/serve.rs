//! The store seen from outside: names, and all that a name leads to, for who serves it to others.

use super::{Store, index};
use crate::error::Result;
use std::time::SystemTime;
use teu_oci::image::Descriptor;
use teu_oci::{Reference, media};

/// Indexes within indexes.
const DEPTH: usize = 4;

impl Store {
    /// All names and what they lead to.
    pub fn named(&self) -> Result<Vec<(Reference, Descriptor)>> {
        let index = self.index()?;
        let named = index.manifests.into_iter();
        Ok(named.filter_map(|entry| Some((index::name_of(&entry)?, entry))).collect())
    }

    /// When the table of names was last replaced.
    pub fn names_changed(&self) -> Option<SystemTime> {
        self.path("index.json").metadata().and_then(|found| found.modified()).ok()
    }

    /// What a descriptor leads to, itself first, as far as it is here: manifests with their media
    /// type, and blobs.
    pub fn reachable(&self, from: &Descriptor) -> Vec<Descriptor> {
        let mut found = Vec::new();
        self.reach(from, &mut found, 0);
        found
    }

    fn reach(&self, from: &Descriptor, found: &mut Vec<Descriptor>, depth: usize) {
        if !self.has_blob(&from.digest) || found.iter().any(|known| known.digest == from.digest) {
            return;
        }
        let plain = Descriptor::new(&from.media_type, from.digest.clone(), from.size);
        found.push(plain);
        // What cannot be read leads nowhere.
        if media::is_index(&from.media_type) && depth < DEPTH {
            for entry in self.read_index(from).map(|index| index.manifests).unwrap_or_default() {
                self.reach(&entry, found, depth + 1);
            }
        } else if media::is_manifest(&from.media_type)
            && let Ok(manifest) = self.read_manifest(from)
        {
            self.reach(&manifest.config, found, DEPTH);
            for layer in &manifest.layers {
                self.reach(layer, found, DEPTH);
            }
        }
    }
}
