//! What is kept, and by whom: names, leases and running commands, followed to the last byte.

use super::Store;
use super::image::chain_ids;
use super::name::grouped;
use super::snapshot::read_record;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use teu_oci::image::{Descriptor, Index, Manifest};
use teu_oci::{ChainId, Digest, Reference, media};

/// What keeps some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// An image with these names (none: dangling).
    Image(Digest, Vec<Reference>),
    /// A lease.
    Lease(String),
    /// A command that is running.
    Running(u32),
}

/// Blobs and snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) blobs: HashSet<Digest>,
    pub(super) chains: HashSet<ChainId>,
}

impl Marks {
    /// Digests of which it is not known what they are.
    pub(super) fn of(digests: Vec<Digest>) -> Self {
        let chains = digests.iter().cloned().map(ChainId::from_digest).collect();
        Self { blobs: digests.into_iter().collect(), chains }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.blobs.extend(other.blobs.iter().cloned());
        self.chains.extend(other.chains.iter().cloned());
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest) || self.chains.contains(&ChainId::from_digest(digest.clone()))
    }
}

impl Store {
    /// What each image, lease and running command keeps.
    pub(super) fn keepers(&self) -> Result<Vec<(Keeper, Marks)>> {
        let mut keepers = Vec::new();
        for (descriptor, names) in grouped(&self.index()?) {
            let mut marks = Marks::default();
            let id = self.mark_descriptor(&descriptor, &mut marks, 0);
            keepers.push((Keeper::Image(id.unwrap_or(descriptor.digest), names), marks));
        }
        for lease in self.leases()? {
            let mut marks = Marks::default();
            for digest in lease.digests()? {
                self.mark_any(&digest, &mut marks);
            }
            keepers.push((Keeper::Lease(lease.name().to_owned()), marks));
        }
        for name in self.ledger_names()? {
            let mut marks = Marks::default();
            for digest in self.ledger_digests(&name)? {
                // A ledger names every blob it needs: what a manifest of it led to is done.
                if !marks.blobs.contains(&digest) {
                    self.mark_any(&digest, &mut marks);
                }
            }
            keepers.push((Keeper::Lease(name), marks));
        }
        for (pid, digests) in self.live_claims()? {
            let mut marks = Marks::default();
            for digest in digests {
                self.mark_any(&digest, &mut marks);
            }
            keepers.push((Keeper::Running(pid), marks));
        }
        Ok(keepers)
    }

    /// All that is kept by anybody.
    pub(super) fn marks(&self) -> Result<Marks> {
        let mut all = Marks::default();
        for (_, marks) in self.keepers()? {
            all.extend(&marks);
        }
        Ok(all)
    }

    /// Marks all that a descriptor leads to; gives the id of the image, if it is one. What cannot be
    /// read leads nowhere.
    pub(super) fn mark_descriptor(
        &self,
        from: &Descriptor,
        marks: &mut Marks,
        depth: usize,
    ) -> Option<Digest> {
        marks.blobs.insert(from.digest.clone());
        self.mark_attached(&from.digest, marks, depth);
        if media::is_index(&from.media_type) && depth < DEPTH {
            let index = self.read_index(from).ok()?;
            let ids: Vec<Option<Digest>> = index
                .manifests
                .iter()
                .filter(|entry| self.has_blob(&entry.digest))
                .map(|entry| self.mark_descriptor(entry, marks, depth + 1))
                .collect();
            let chosen = self.choose(from, &[], None).ok()?;
            let place = index.manifests.iter().filter(|e| self.has_blob(&e.digest));
            return place.zip(ids).find(|(e, _)| e.digest == chosen.digest).and_then(|(_, id)| id);
        }
        if !media::is_manifest(&from.media_type) {
            return None;
        }
        let manifest = self.read_manifest(from).ok()?;
        marks.blobs.extend(manifest.layers.iter().map(|layer| layer.digest.clone()));
        marks.blobs.insert(manifest.config.digest.clone());
        if let Ok(config) = self.read_config(&manifest, &from.digest) {
            marks.chains.extend(chain_ids(&config.rootfs.diff_ids));
        }
        Some(manifest.config.digest)
    }

    /// Marks what says something about a manifest; what cannot be read says nothing.
    fn mark_attached(&self, subject: &Digest, marks: &mut Marks, depth: usize) {
        if depth < DEPTH {
            for entry in self.attached(subject).unwrap_or_default() {
                self.mark_descriptor(&entry, marks, depth + 1);
            }
        }
    }

    /// Marks a digest whatever it is: a chain with its parents, a manifest or index with all it
    /// leads to, or a blob.
    pub(super) fn mark_any(&self, digest: &Digest, marks: &mut Marks) {
        let mut next = Some(ChainId::from_digest(digest.clone()));
        while let Some(chain) = next {
            next = read_record(self, &chain).and_then(|record| record.parent);
            if !marks.chains.insert(chain) {
                break;
            }
        }
        marks.blobs.insert(digest.clone());
        let is_small =
            self.blob_size(digest).is_some_and(|size| size <= self.limits().manifest_bytes);
        if !is_small || !self.begins_like_json(digest) {
            return;
        }
        let Ok(bytes) = self.read_blob(digest, self.limits().manifest_bytes) else { return };
        let size = bytes.len() as u64;
        for media_type in [media::MANIFEST, media::DOCKER_MANIFEST] {
            if Manifest::parse(&bytes, media_type).is_ok() {
                self.mark_descriptor(&Descriptor::new(media_type, digest.clone(), size), marks, 0);
            }
        }
        for media_type in [media::INDEX, media::DOCKER_LIST] {
            if Index::parse(&bytes, media_type).is_ok() {
                self.mark_descriptor(&Descriptor::new(media_type, digest.clone(), size), marks, 0);
            }
        }
    }

    fn begins_like_json(&self, digest: &Digest) -> bool {
        let mut first = [0; 1];
        self.open_unverified(digest).is_ok_and(|mut file| {
            matches!(file.read(&mut first), Ok(1)) && matches!(first[0], b'{' | b' ' | b'\n')
        })
    }

    /// All blobs and snapshots that lie in the store, with their paths. Names that are no digests
    /// are nobody's business here.
    pub(super) fn content(&self) -> Result<Vec<(Content, PathBuf)>> {
        let mut all = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for (name, path) in names(self.path("blobs").join(algorithm))? {
                if let Ok(digest) = format!("{algorithm}:{name}").parse() {
                    all.push((Content::Blob(digest), path));
                }
            }
        }
        for (name, path) in names(self.path("snapshots"))? {
            if let Ok(chain) = format!("sha256:{name}").parse() {
                all.push((Content::Snapshot(chain), path));
            }
        }
        Ok(all)
    }
}

/// Something that can be collected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Blob(Digest),
    Snapshot(ChainId),
}

impl Content {
    pub(super) fn is_kept(&self, marks: &Marks) -> bool {
        match self {
            Self::Blob(digest) => marks.blobs.contains(digest),
            Self::Snapshot(chain) => marks.chains.contains(chain),
        }
    }
}

/// Indexes within indexes.
const DEPTH: usize = 4;

fn names(dir: PathBuf) -> Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::io("list", &dir, source)),
    };
    Ok(entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect())
}
