//! The store as a sink of images: layers are hashed, kept and unpacked in one pass while they come.
//!
//! A layer's compressed bytes go to a partial blob as they arrive, and at the same time through the
//! decompressor into a snapshot being made. A name appears when all is there, as for `load`; what a
//! failed pull has completed stays until the next prune, so that the next pull need not fetch it.

use super::image::chain_ids;
use super::partial::Partial;
use super::snapshot::{Staged, verify_diff_id};
use super::temporary::Named;
use super::{Store, artifact};
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::blob::Hasher;
use crate::transfer::image::{Blob, Found, Sink, View};
use crate::transfer::progress::{Progress, State};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use teu_oci::image::{Descriptor, ImageConfig};
use teu_oci::media::{self, layer_compression};
use teu_oci::{ChainId, Digest, Reference};

/// Between two notices of how far a blob is.
const NOTICE: Duration = Duration::from_millis(100);

/// Takes one image, or all of an index, into a store.
#[derive(Debug)]
pub struct StoreSink<'a> {
    store: &'a Store,
    names: Vec<Reference>,
    progress: &'a dyn Progress,
    /// What is no image is kept as well.
    takes_artifacts: bool,
    /// The image that is unpacked, of those that come.
    current: Mutex<Option<Current>>,
    root: Mutex<Option<Descriptor>>,
}

#[derive(Debug)]
struct Current {
    manifest: Digest,
    layers: Vec<Descriptor>,
    diff_ids: Vec<Digest>,
    ids: Vec<ChainId>,
    staged: Vec<Option<Staged>>,
    /// One process unpacks an image; others wait and find it done.
    _unpacking: Option<Named>,
}

impl<'a> StoreSink<'a> {
    /// Will give the image these names.
    pub fn new(store: &'a Store, names: Vec<Reference>, progress: &'a dyn Progress) -> Self {
        store.sweep_partials(false);
        let (current, root) = (Mutex::new(None), Mutex::new(None));
        Self { store, names, progress, takes_artifacts: false, current, root }
    }

    /// Will also take what is no image, and cannot be run.
    #[must_use]
    pub fn with_artifacts(mut self) -> Self {
        self.takes_artifacts = true;
        self
    }

    /// The place of a layer in the image that is unpacked, if it is not unpacked yet.
    fn wanted(&self, blob: &Digest) -> Option<(usize, Digest)> {
        let guard = self.current.lock().ok()?;
        let current = guard.as_ref()?;
        let n = current.layers.iter().position(|layer| &layer.digest == blob)?;
        let is_done = self.store.is_usable(&current.ids[n]);
        (!is_done).then(|| (n, current.diff_ids[n].clone()))
    }

    fn is_unpacked(&self, blob: &Digest) -> bool {
        let guard = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        guard.as_ref().is_some_and(|current| {
            let n = current.layers.iter().position(|layer| &layer.digest == blob);
            n.is_some_and(|n| self.store.is_usable(&current.ids[n]))
        })
    }

    /// A layer that is kept and unpacked at once.
    fn unpack(&self, blob: &Blob<'_>, n: usize, diff_id: &Digest) -> Result<()> {
        let descriptor = blob.descriptor;
        let mut partial = self.store.partial(descriptor)?;
        let staged = loop {
            let had = partial.have();
            let mut arriving = Arriving::new(&mut partial, blob);
            let outcome = self.store.unpack_stream(&mut arriving, None, None).and_then(|flowed| {
                let complete = arriving.complete()?;
                // The flow hashes with sha256 only.
                let found = complete.unwrap_or(flowed.raw_digest);
                matches(descriptor, &found)?;
                verify_diff_id(diff_id, &flowed.diff_id)?;
                Ok(flowed.answer)
            });
            match outcome {
                Ok(staged) => break staged,
                Err(error) => self.give_up_or_again(&mut partial, had, error)?,
            }
        };
        partial.place(self.store, &descriptor.digest)?;
        let mut guard = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(current) = &mut *guard {
            current.staged[n] = Some(staged);
        }
        Ok(())
    }

    /// A blob that is kept as it is.
    fn keep(&self, blob: &Blob<'_>) -> Result<()> {
        let descriptor = blob.descriptor;
        let mut partial = self.store.partial(descriptor)?;
        loop {
            let had = partial.have();
            let mut arriving = Arriving::new(&mut partial, blob);
            let mut hasher = Hasher::like(&descriptor.digest);
            let mut buffer = vec![0; 256 << 10];
            let outcome = loop {
                match arriving.read(&mut buffer) {
                    Ok(0) => break matches(descriptor, &hasher.finish()),
                    Ok(length) => hasher.update(&buffer[..length]),
                    Err(error) => break Err(Error::stream("read the blob", error)),
                }
            };
            match outcome {
                Ok(()) => break,
                Err(error) => self.give_up_or_again(&mut partial, had, error)?,
            }
        }
        partial.place(self.store, &descriptor.digest)
    }

    /// After a cut connection, and when nobody waits any more, the bytes stay for the next time. Wrong bytes go, and where some of
    /// them were from an earlier time, all are fetched anew, once.
    fn give_up_or_again(&self, partial: &mut Partial, had: u64, error: Error) -> Result<()> {
        if matches!(error, Error::Remote(_) | Error::GivenUp) {
            return Err(error);
        }
        partial.restart()?;
        if had > 0 { Ok(()) } else { Err(error) }
    }

    /// Puts the layers in their places, lowest first.
    fn publish(&self, current: &mut Current) -> Result<()> {
        for n in 0..current.ids.len() {
            let (id, diff_id) = (&current.ids[n], &current.diff_ids[n]);
            let layer = &current.layers[n];
            if !self.store.is_usable(id) {
                let staged = match current.staged[n].take() {
                    Some(staged) => staged,
                    None => self.store.unpack_blob(layer, diff_id)?,
                };
                self.store.publish(staged, &current.ids[..n], id, diff_id)?;
            }
            self.progress.layer(&layer.digest, State::Ready);
        }
        Ok(())
    }
}

impl Sink for StoreSink<'_> {
    fn begin(&self, view: &View) -> Result<()> {
        if !view.is_wanted || (self.takes_artifacts && !artifact::is_image(&view.manifest)) {
            return Ok(());
        }
        let media_type = view.manifest.config.media_type.as_str();
        if ![media::CONFIG, media::DOCKER_CONFIG].contains(&media_type) {
            return Err(Error::MediaType {
                digest: view.manifest.config.digest.clone(),
                media_type: media_type.chars().take(120).collect(),
                wanted: "an image configuration (it is an artifact: teu copy docker://… NAME)",
            });
        }
        for layer in &view.manifest.layers {
            if layer_compression(&layer.media_type).is_none() {
                return Err(Error::MediaType {
                    digest: layer.digest.clone(),
                    media_type: layer.media_type.chars().take(120).collect(),
                    wanted: "a layer known here (tar, tar+gzip, tar+zstd)",
                });
            }
        }
        let config: ImageConfig = serde_json::from_slice(&view.config)
            .map_err(|e| Error::document("the image configuration", e))?;
        let (layers, diff_ids) = (view.manifest.layers.clone(), config.rootfs.diff_ids);
        if layers.len() != diff_ids.len() {
            let image = view.document.descriptor.digest.clone();
            let (layers, diff_ids) = (layers.len(), diff_ids.len());
            return Err(Error::LayerCount { image, layers, diff_ids });
        }
        let ids = chain_ids(&diff_ids);
        self.store
            .claim(ids.iter().map(ChainId::digest).chain(layers.iter().map(|l| &l.digest)))?;
        let unpacking = match ids.last() {
            Some(top) if !self.store.is_usable(top) => Some(self.store.lock_unpacking(top)?),
            _ => None,
        };
        let staged = layers.iter().map(|_| None).collect();
        let manifest = view.document.descriptor.digest.clone();
        let current = Current { manifest, layers, diff_ids, ids, staged, _unpacking: unpacking };
        *self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(current);
        Ok(())
    }

    fn has_blob(&self, blob: &Descriptor, _: Option<&(String, String)>) -> Result<Found> {
        self.store.claim([&blob.digest])?;
        let is_here = self.store.blob_size(&blob.digest) == Some(blob.size);
        // One that nothing was made of yet is not believed.
        let is_good =
            is_here && (self.is_unpacked(&blob.digest) || self.store.verify_blob(&blob.digest)?);
        Ok(if is_good { Found::Exists } else { Found::Absent })
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        self.store.claim([&blob.descriptor.digest])?;
        match self.wanted(&blob.descriptor.digest) {
            Some((n, diff_id)) => self.unpack(blob, n, &diff_id)?,
            None => self.keep(blob)?,
        }
        blob.progress.layer(&blob.descriptor.digest, State::Moved);
        Ok(())
    }

    fn end(&self, view: &View) -> Result<()> {
        let current = {
            let mut guard = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let is_this = guard
                .as_ref()
                .is_some_and(|c| c.manifest == view.document.descriptor.digest || view.is_wanted);
            if is_this { guard.take() } else { None }
        };
        match current {
            Some(mut current) => self.publish(&mut current),
            None => Ok(()),
        }
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        let wanted = &document.descriptor;
        let mut ingest = self.store.ingest_for(&wanted.digest)?;
        io::Write::write_all(&mut ingest, &document.bytes)
            .map_err(|e| Error::stream("write to the image store", e))?;
        ingest.commit_verified(wanted)?;
        if is_root {
            let mut root = self.root.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *root = Some(wanted.clone());
        }
        Ok(())
    }

    fn put_referrer(&self, document: &Document, subject: &Digest, tag: Option<&str>) -> Result<()> {
        self.store.attach(subject, document, tag)
    }

    fn holds_referrers(&self) -> bool {
        true
    }

    fn finish(&self) -> Result<()> {
        let root = self.root.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        match root {
            Some(root) => self.store.give_names(&root, &self.names),
            None => Ok(()),
        }
    }

    fn keeps_index(&self) -> bool {
        true
    }
}

fn matches(expected: &Descriptor, found: &Digest) -> Result<()> {
    if &expected.digest == found {
        return Ok(());
    }
    let (expected, found) = (expected.digest.clone(), found.clone());
    Err(Error::Mismatch { what: "a blob of the registry", expected, found })
}

/// A blob's bytes: those of an earlier time from the disk, then the rest as it comes.
struct Arriving<'p, 'a> {
    partial: &'p mut Partial,
    blob: &'p Blob<'a>,
    at: u64,
    had: u64,
    rest: Option<Box<dyn Read + Send + 'a>>,
    hasher: Option<Hasher>,
    told: Option<Instant>,
}

impl<'p, 'a> Arriving<'p, 'a> {
    fn new(partial: &'p mut Partial, blob: &'p Blob<'a>) -> Self {
        let had = partial.have();
        let is_odd = blob.descriptor.digest.algorithm() != "sha256";
        let hasher = is_odd.then(|| Hasher::like(&blob.descriptor.digest));
        Self { partial, blob, at: 0, had, rest: None, hasher, told: None }
    }

    /// Checks the size; gives the digest, if it is not one of sha256.
    fn complete(self) -> Result<Option<Digest>> {
        if self.at != self.blob.descriptor.size {
            let digest = self.blob.descriptor.digest.clone();
            let expected = self.blob.descriptor.size;
            return Err(Error::Size { digest, expected, found: self.at });
        }
        Ok(self.hasher.map(Hasher::finish))
    }

    /// Says how far it is; an error if nobody wants to hear it.
    fn tell(&mut self) -> Result<()> {
        if self.told.is_none_or(|told| told.elapsed() >= NOTICE) {
            if self.blob.progress.is_given_up() {
                return Err(Error::GivenUp);
            }
            self.told = Some(Instant::now());
            let (done, total) = (self.at, self.blob.descriptor.size);
            self.blob.progress.layer(&self.blob.descriptor.digest, State::Moving { done, total });
        }
        Ok(())
    }
}

impl Read for Arriving<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = if self.at < self.had {
            let left = usize::try_from(self.had - self.at).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            self.partial.file().read_at(&mut buffer[..wanted], self.at)?
        } else if self.at >= self.blob.descriptor.size && self.had > 0 {
            0
        } else {
            let rest = match &mut self.rest {
                Some(rest) => rest,
                empty => empty.insert((self.blob.open)(self.had)?),
            };
            let length = rest.read(buffer)?;
            self.partial.append(&buffer[..length])?;
            length
        };
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..length]);
        }
        self.at += length as u64;
        self.tell()?;
        Ok(length)
    }
}
