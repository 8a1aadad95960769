//! Snapshots: layers unpacked once for each chain they end.
//!
//! A snapshot holds a layer's own files only; with those below it makes an overlay. It is a cache of
//! its blob: one that may be torn (it was never synced, and the machine has booted since) is thrown
//! away and made again.

use super::flow::{Flow, Flowed};
use super::image::{Image, chain_ids};
use super::session::boot_id;
use super::temporary::{self, Temporary};
use super::{Store, blob};
use crate::error::{Error, Result};
use crate::unpack::{UnpackOptions, Unpacker, Whiteouts, shed_inheritance};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use teu_oci::image::Descriptor;
use teu_oci::media::layer_compression;
use teu_oci::{ChainId, Digest};

/// A stack of unpacked layers, ready for overlayfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The topmost layer's identity; none of an empty image.
    pub id: Option<ChainId>,
    /// The directories, topmost first, as `lowerdir` wants them. Their root's mode and owner are
    /// the image's: a new upper directory takes them from the first (an overlay shows the upper's).
    pub lower: Vec<PathBuf>,
    /// Layers that still come are in this mount, and their paths lead through its descriptor.
    pub(super) held: Option<Held>,
}

impl Chain {
    /// Says whether some of the layers still come.
    pub fn is_coming(&self) -> bool {
        self.held.is_some()
    }
}

/// A mount that is nowhere, as long as somebody holds it.
#[derive(Debug, Clone)]
pub(super) struct Held(Arc<OwnedFd>);

impl Held {
    pub(super) fn new(mount: OwnedFd) -> Self {
        Self(Arc::new(mount))
    }

    /// Its root, for this process and those it forks.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Held {}

/// `layer.json` of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) diff_id: Digest,
    pub(super) parent: Option<ChainId>,
    /// Bytes of the layer's files.
    pub(super) size_bytes: u64,
    pub(super) entries: u64,
    /// The boot it was made in, until it is synced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot: Option<String>,
}

const RECORD: &str = "layer.json";
const FILES: &str = "fs";

/// The record of a chain's snapshot, if there is one.
pub(super) fn read_record(store: &Store, chain: &ChainId) -> Option<Record> {
    let bytes = fs::read(store.snapshot_path(chain).join(RECORD)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Says in the record that the snapshot is on disk.
pub(super) fn mark_synced(store: &Store, chain: &ChainId) -> Result<()> {
    let Some(mut record) = read_record(store, chain) else { return Ok(()) };
    record.boot = None;
    write_record(store, &store.snapshot_path(chain), &record)
}

fn write_record(store: &Store, snapshot: &Path, record: &Record) -> Result<()> {
    let bytes = serde_json::to_vec(record).map_err(|e| Error::document(RECORD, e))?;
    temporary::write(&store.tmp(), &snapshot.join(RECORD), &bytes)
}

/// A snapshot being made: a directory of `tmp` that holds `fs`.
#[derive(Debug)]
pub(super) struct Staged {
    temporary: Temporary,
    pub(super) unpacker: Unpacker,
}

impl Store {
    /// The image's layers as directories, unpacking what is missing, several at a time.
    pub fn chain(&self, image: &Image) -> Result<Chain> {
        let chain = self.chain_unsynced(&image.config.rootfs.diff_ids, &image.manifest.layers)?;
        self.sync()?;
        Ok(chain)
    }

    /// As [`Store::chain`], to be followed by something that syncs.
    pub(super) fn chain_unsynced(
        &self,
        diff_ids: &[Digest],
        layers: &[Descriptor],
    ) -> Result<Chain> {
        let ids = chain_ids(diff_ids);
        self.claim(ids.iter().map(ChainId::digest))?;
        if let Some(top) = ids.last()
            && !ids.iter().all(|id| self.is_usable(id))
        {
            let _unpacking = self.lock_unpacking(top)?;
            self.unpack_missing(&ids, diff_ids, layers)?;
        }
        Ok(self.as_chain(&ids))
    }

    /// The directories of layers that are known to be unpacked, or that still come.
    pub fn chain_of(&self, diff_ids: &[Digest]) -> Result<Chain> {
        let ids = chain_ids(diff_ids);
        self.claim(ids.iter().map(ChainId::digest))?;
        let absent = || ids.iter().find(|id| !self.is_usable(id));
        if absent().is_some()
            && let Some(chain) = self.coming_chain(&ids)
        {
            return Ok(chain);
        }
        // Whoever served it may have finished meanwhile.
        match absent() {
            Some(absent) => {
                Err(Error::Missing { digest: absent.digest().clone(), what: "a snapshot" })
            }
            None => Ok(self.as_chain(&ids)),
        }
    }

    /// As [`Store::chain`], without waiting for layers that still come.
    pub fn chain_now(&self, image: &Image) -> Result<Chain> {
        match self.chain_of(&image.config.rootfs.diff_ids) {
            Err(Error::Missing { .. }) => self.chain(image),
            other => other,
        }
    }

    /// Says whether the chain is unpacked, and protects it for this handle if it is.
    pub fn has_chain(&self, id: &ChainId) -> Result<bool> {
        self.claim([id.digest()])?;
        Ok(self.is_usable(id))
    }

    /// The diffIDs of an unpacked chain, lowest first.
    pub fn diff_ids_of(&self, id: &ChainId) -> Result<Vec<Digest>> {
        let mut diff_ids = Vec::new();
        let mut next = Some(id.clone());
        while let Some(chain) = next {
            let missing = || Error::Missing { digest: chain.digest().clone(), what: "a snapshot" };
            let record = read_record(self, &chain).ok_or_else(missing)?;
            diff_ids.push(record.diff_id);
            next = record.parent;
        }
        diff_ids.reverse();
        Ok(diff_ids)
    }

    fn as_chain(&self, ids: &[ChainId]) -> Chain {
        let lower = ids.iter().rev().map(|id| self.snapshot_path(id).join(FILES)).collect();
        Chain { id: ids.last().cloned(), lower, held: None }
    }

    /// A snapshot that is there and whole: synced once, or made since the machine booted.
    pub(super) fn is_usable(&self, id: &ChainId) -> bool {
        read_record(self, id).is_some_and(|r| r.boot.is_none_or(|boot| boot == boot_id()))
    }

    /// One process unpacks an image; others wait and find it done.
    pub(super) fn lock_unpacking(&self, top: &ChainId) -> Result<temporary::Named> {
        temporary::Named::wait(&self.tmp(), &format!("unpack-{}", top.hex()))
    }

    fn unpack_missing(
        &self,
        ids: &[ChainId],
        diff_ids: &[Digest],
        layers: &[Descriptor],
    ) -> Result<()> {
        let missing: Vec<usize> = (0..ids.len()).filter(|&n| !self.is_usable(&ids[n])).collect();
        let staged = self.in_parallel(&missing, |n| self.unpack_blob(&layers[n], &diff_ids[n]))?;
        for (n, staged) in missing.into_iter().zip(staged) {
            self.publish(staged, &ids[..n], &ids[n], &diff_ids[n])?;
        }
        Ok(())
    }

    /// Does the work for each number, several at a time; of several failures the first by number is
    /// told, whatever the threads did.
    pub(super) fn in_parallel<T: Send>(
        &self,
        numbers: &[usize],
        work: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let results: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::new());
        let queue = Mutex::new(numbers.iter().copied());
        let worker = || {
            loop {
                let next = queue.lock().ok().and_then(|mut queue| queue.next());
                let Some(n) = next else { return };
                let result = work(n);
                let has_failed = result.is_err();
                if let Ok(mut results) = results.lock() {
                    results.push((n, result));
                }
                if has_failed {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads().min(numbers.len()) {
                scope.spawn(worker);
            }
            worker();
        });
        let mut results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        results.sort_by_key(|(n, _)| *n);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn threads(&self) -> usize {
        match self.limits().parallel_layers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// Unpacks a stored layer, checking both of its hashes.
    pub(super) fn unpack_blob(&self, layer: &Descriptor, diff_id: &Digest) -> Result<Staged> {
        if layer_compression(&layer.media_type).is_none() {
            return Err(Error::MediaType {
                digest: layer.digest.clone(),
                media_type: layer.media_type.chars().take(120).collect(),
                wanted: "a layer known here (tar, tar+gzip, tar+zstd)",
            });
        }
        self.claim([&layer.digest])?;
        let mut file = self.open_unverified(&layer.digest).map_err(|error| match error {
            Error::Missing { digest, .. } => Error::Missing { digest, what: "a layer" },
            other => other,
        })?;
        let result = self.unpack_stream(&mut file, None, None);
        let sha512 = layer.digest.algorithm() == "sha512";
        let flowed = match result {
            Ok(flowed) => flowed,
            // Broken bytes break in many ways; say that they are broken, if they are.
            Err(error) => return Err(self.corruption(&layer.digest)?.unwrap_or(error)),
        };
        if !sha512 && flowed.raw_digest != layer.digest {
            let (expected, found) = (layer.digest.clone(), flowed.raw_digest);
            return Err(Error::Corrupted { expected, found });
        }
        if sha512 && let Some(error) = self.corruption(&layer.digest)? {
            return Err(error);
        }
        verify_diff_id(diff_id, &flowed.diff_id)?;
        Ok(flowed.answer)
    }

    /// The error that tells of a corrupted blob, if it is one.
    fn corruption(&self, digest: &Digest) -> Result<Option<Error>> {
        let mut file = self.open_unverified(digest)?;
        let mut hasher = blob::Hasher::like(digest);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let length = file
                .read(&mut buffer)
                .map_err(|e| Error::stream("read from the image store", e))?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
        }
        let (expected, found) = (digest.clone(), hasher.finish());
        Ok((expected != found).then_some(Error::Corrupted { expected, found }))
    }

    /// Unpacks a layer from a stream into a directory of `tmp`, keeping its bytes where asked.
    pub(super) fn unpack_stream(
        &self,
        source: &mut (dyn Read + Send),
        raw: Option<blob::Ingest>,
        plain: Option<blob::Ingest>,
    ) -> Result<Flowed<Staged>> {
        let temporary = Temporary::directory(&self.tmp(), "snapshot")?;
        let path = temporary.path().join(FILES);
        let root = make_root(&path)?;
        let limits = *self.limits();
        let options =
            UnpackOptions { limits, whiteouts: Whiteouts::Overlay, ..UnpackOptions::default() };
        let mut unpacker = Unpacker::new(root.as_fd(), &options)?;
        self.set_dirty();
        Flow { source, raw, plain, limits }.run(move |tar| {
            unpacker.run(tar)?;
            Ok(Staged { temporary, unpacker })
        })
    }

    /// Completes a snapshot over the layers below it and puts it in its place.
    pub(super) fn publish(
        &self,
        staged: Staged,
        below: &[ChainId],
        id: &ChainId,
        diff_id: &Digest,
    ) -> Result<()> {
        self.publish_checked(staged, (below, id), diff_id, &|_| Ok(()))
    }

    /// As [`Store::publish`], if somebody is content with the files.
    pub(super) fn publish_checked(
        &self,
        staged: Staged,
        (below, id): (&[ChainId], &ChainId),
        diff_id: &Digest,
        check: &dyn Fn(&Path) -> Result<()>,
    ) -> Result<()> {
        let Staged { temporary, unpacker } = staged;
        let layers = if unpacker.needs_layers() { self.open_layers(below)? } else { Vec::new() };
        let unpacked = unpacker.finish(&layers)?;
        check(&temporary.path().join(FILES))?;
        let record = Record {
            diff_id: diff_id.clone(),
            parent: below.last().cloned(),
            size_bytes: unpacked.bytes,
            entries: unpacked.entries,
            boot: Some(boot_id()),
        };
        self.place_snapshot(temporary, id, &record)
    }

    fn place_snapshot(&self, temporary: Temporary, id: &ChainId, record: &Record) -> Result<()> {
        write_record(self, temporary.path(), record)?;
        self.claim([id.digest()])?;
        self.set_dirty();
        let place = self.snapshot_path(id);
        if place.exists() && !self.is_usable(id) {
            // Torn by a crash of the machine, or emptied by hand.
            let away = Temporary::directory(&self.tmp(), "torn")?;
            away.receive(&place, "snapshot")?;
        }
        match temporary.take_to(&place) {
            Ok(()) => {
                let mut unsynced = self.0.unsynced.lock().unwrap_or_else(|p| p.into_inner());
                unsynced.push(id.clone());
                Ok(())
            }
            // Somebody else was faster; theirs is the same.
            Err(_) if self.is_usable(id) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory that is complete, such as an overlay's upper, into a snapshot.
    pub(super) fn adopt(&self, directory: &Path, id: &ChainId, record: &Record) -> Result<()> {
        let temporary = Temporary::directory(&self.tmp(), "snapshot")?;
        fs::rename(directory, temporary.path().join(FILES))
            .map_err(|e| Error::io("take as a snapshot", directory, e))?;
        self.place_snapshot(temporary, id, record)
    }

    /// Opens unpacked layers, given lowest first, topmost first.
    pub(super) fn open_layers(&self, ids: &[ChainId]) -> Result<Vec<OwnedFd>> {
        ids.iter()
            .rev()
            .map(|id| {
                let path = self.snapshot_path(id).join(FILES);
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::open(&path, flags, Mode::empty())
                    .map_err(|e| Error::io("open", path, e))
            })
            .collect()
    }
}

pub(super) fn verify_diff_id(expected: &Digest, found: &Digest) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let what = "the content of a layer (its diffID)";
    Err(Error::Mismatch { what, expected: expected.clone(), found: found.clone() })
}

fn make_root(path: &Path) -> Result<OwnedFd> {
    fs::create_dir(path).map_err(|e| Error::io("create directory", path, e))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("open", path, e))?;
    shed_inheritance(root.as_fd())?;
    Ok(root)
}
