//! Where the bytes are and what keeps them, counted as `du` counts.

use super::Store;
use super::lock::Mode;
use super::mark::{Content, Marks};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use teu_oci::{Digest, Reference};

pub use super::mark::Keeper;

/// What one image takes.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// Its id.
    pub id: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// When it was made.
    pub created: Option<String>,
    /// Bytes on disk of all it refers to.
    pub total_bytes: u64,
    /// Of these, bytes that other images or leases keep too.
    pub shared_bytes: u64,
    /// Bytes that come back when it goes.
    pub unique_bytes: u64,
}

/// What one lease keeps.
#[derive(Debug, Clone)]
pub struct LeaseUsage {
    /// Its name.
    pub name: String,
    /// Bytes on disk of all it refers to.
    pub total_bytes: u64,
    /// Bytes that nothing else keeps.
    pub unique_bytes: u64,
}

/// The whole store.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Each image.
    pub images: Vec<ImageUsage>,
    /// Each lease.
    pub leases: Vec<LeaseUsage>,
    /// Everything under the store's directory, as `du -s` says.
    pub total_bytes: u64,
    /// Bytes that `prune` would give back with no image removed.
    pub unreferenced_bytes: u64,
}

impl Store {
    /// Counts every byte of the store.
    pub fn usage(&self) -> Result<Usage> {
        let _lock = self.content_lock(Mode::Shared)?;
        let keepers = self.keepers()?;
        // Files with several names are counted once, where they are met first, as `du` does.
        let mut seen = HashSet::new();
        let mut sizes: HashMap<Content, u64> = HashMap::new();
        for (content, path) in self.content()? {
            sizes.insert(content, disk_bytes(&path, &mut seen)?);
        }
        let total_bytes = disk_bytes(self.dir(), &mut HashSet::new())?;
        let mut users: HashMap<&Content, usize> = HashMap::new();
        for (_, marks) in &keepers {
            for content in sizes.keys().filter(|content| content.is_kept(marks)) {
                *users.entry(content).or_default() += 1;
            }
        }
        let sum = |marks: &Marks, fits: &dyn Fn(usize) -> bool| -> u64 {
            let kept = sizes.iter().filter(|(content, _)| content.is_kept(marks));
            kept.filter(|(content, _)| fits(users.get(content).copied().unwrap_or(0)))
                .map(|(_, bytes)| bytes)
                .sum()
        };
        let mut usage = Usage { total_bytes, ..Usage::default() };
        let all = |_: usize| true;
        let alone = |users: usize| users <= 1;
        for (keeper, marks) in &keepers {
            let (total, unique) = (sum(marks, &all), sum(marks, &alone));
            match keeper {
                Keeper::Image(id, names) => usage.images.push(ImageUsage {
                    id: id.clone(),
                    names: names.clone(),
                    created: self.created(id),
                    total_bytes: total,
                    shared_bytes: total - unique,
                    unique_bytes: unique,
                }),
                Keeper::Lease(name) => usage.leases.push(LeaseUsage {
                    name: name.clone(),
                    total_bytes: total,
                    unique_bytes: unique,
                }),
                Keeper::Running(_) => {}
            }
        }
        let kept = |content: &Content| users.contains_key(content);
        let loose = sizes.iter().filter(|(content, _)| !kept(content)).map(|(_, bytes)| bytes);
        usage.unreferenced_bytes = loose.sum();
        Ok(usage)
    }

    fn created(&self, id: &Digest) -> Option<String> {
        let bytes = self.read_blob(id, self.limits().config_bytes).ok()?;
        let config: teu_oci::image::ImageConfig = serde_json::from_slice(&bytes).ok()?;
        config.created
    }

    /// What keeps a blob or snapshot; empty: the next prune takes it.
    pub fn why(&self, digest: &Digest) -> Result<Vec<Keeper>> {
        let _lock = self.content_lock(Mode::Shared)?;
        let keepers = self.keepers()?.into_iter();
        Ok(keepers.filter(|(_, marks)| marks.has(digest)).map(|(keeper, _)| keeper).collect())
    }
}

/// Bytes that a tree takes on disk. `seen` holds the files of several names that were counted.
pub(super) fn disk_bytes(path: &Path, seen: &mut HashSet<(u64, u64)>) -> Result<u64> {
    let mut bytes = 0;
    let mut open: Vec<PathBuf> = vec![path.to_path_buf()];
    while let Some(path) = open.pop() {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            // A store in use changes while it is counted.
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::io("look at", path, source)),
        };
        if !found.is_dir() && found.nlink() > 1 && !seen.insert((found.dev(), found.ino())) {
            continue;
        }
        bytes += found.blocks() * 512;
        if found.is_dir() {
            match fs::read_dir(&path) {
                Ok(entries) => open.extend(entries.flatten().map(|entry| entry.path())),
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::io("list", path, source)),
            }
        }
    }
    Ok(bytes)
}

/// Bytes of a directory or file by itself.
pub(super) fn own_bytes(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |found| found.blocks() * 512)
}
