//! `index.json`: the table of names.
//!
//! An entry's `org.opencontainers.image.ref.name` is the familiar name (`busybox:latest`), which is
//! what `skopeo` and `podman` compare with `oci:DIR:busybox:latest`; `io.containerd.image.name` is
//! the full one. An entry without a name is a dangling image. Readers need no lock: the file is
//! replaced whole.

use super::lock::{Lock, Mode};
use super::{Store, published, temporary};
use crate::error::{Error, Result};
use std::fs;
use std::io::Read;
use teu_oci::image::{ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, Descriptor, Index};
use teu_oci::{Reference, media};

/// Bytes of `index.json`, ours or of a layout that is loaded.
pub(super) const INDEX_LIMIT_BYTES: u64 = 64 << 20;

/// The name an entry gives to its image.
pub(super) fn name_of(entry: &Descriptor) -> Option<Reference> {
    let named = |key: &str| entry.annotations.get(key)?.parse::<Reference>().ok();
    // Some writers put only a tag there; `latest` alone names no image.
    let is_tag = entry.annotations.get(ANNOTATION_REF_NAME).is_some_and(|name| name == "latest");
    named(ANNOTATION_IMAGE_NAME).or_else(|| if is_tag { None } else { named(ANNOTATION_REF_NAME) })
}

/// The same entry under another name, or under none; what a registry has of the old name is not
/// said of the new one.
pub(super) fn with_name(entry: &Descriptor, name: Option<&Reference>) -> Descriptor {
    let mut entry = entry.clone();
    entry.annotations.remove(ANNOTATION_IMAGE_NAME);
    entry.annotations.remove(ANNOTATION_REF_NAME);
    entry.annotations.remove(published::ANNOTATION);
    if let Some(name) = name {
        entry.annotations.insert(ANNOTATION_REF_NAME.to_owned(), name.familiar());
        entry.annotations.insert(ANNOTATION_IMAGE_NAME.to_owned(), name.to_string());
    }
    entry
}

/// Sets a name to lead to `target`. An image that loses its last name stays as dangling.
pub(super) fn set_name(index: &mut Index, name: &Reference, target: &Descriptor) {
    let lost = take_name(index, name);
    // The dangling entry of an image goes when it gets a name.
    index.manifests.retain(|e| e.digest != target.digest || name_of(e).is_some());
    index.manifests.push(with_name(target, Some(name)));
    keep_dangling(index, lost);
}

/// Takes a name out; gives the entries it was on.
pub(super) fn take_name(index: &mut Index, name: &Reference) -> Vec<Descriptor> {
    let (gone, kept) = std::mem::take(&mut index.manifests)
        .into_iter()
        .partition(|e| name_of(e).as_ref() == Some(name));
    index.manifests = kept;
    gone
}

/// Puts entries back without a name, unless another entry has the same content.
pub(super) fn keep_dangling(index: &mut Index, entries: Vec<Descriptor>) {
    for entry in entries {
        if !index.manifests.iter().any(|e| e.digest == entry.digest) {
            index.manifests.push(with_name(&entry, None));
        }
    }
}

fn empty() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    }
}

impl Store {
    /// The table as it is now.
    pub(super) fn index(&self) -> Result<Index> {
        let path = self.path("index.json");
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(INDEX_LIMIT_BYTES).read_to_end(&mut bytes))
            .map_err(|e| Error::io("read", &path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| Error::document(path.display().to_string(), e))
    }

    /// Changes the table; what `change` needs must be claimed before. Returns when it is on disk,
    /// the content it leads to first.
    pub(super) fn update_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T>,
    ) -> Result<T> {
        self.sync()?;
        let _lock = Lock::wait(&self.path("lock"), Mode::Exclusive)?;
        let before = self.index()?;
        let mut after = before.clone();
        let answer = change(&mut after)?;
        if after != before {
            self.replace_index(&after)?;
        }
        Ok(answer)
    }

    pub(super) fn create_index(&self) -> Result<()> {
        let _lock = Lock::wait(&self.path("lock"), Mode::Exclusive)?;
        if self.path("index.json").exists() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&empty()).map_err(|e| Error::document("index.json", e))?;
        temporary::write(&self.tmp(), &self.path("index.json"), &bytes)
    }

    fn replace_index(&self, index: &Index) -> Result<()> {
        let bytes = serde_json::to_vec(index).map_err(|e| Error::document("index.json", e))?;
        temporary::write_durably(&self.tmp(), &self.path("index.json"), &bytes)
    }
}
