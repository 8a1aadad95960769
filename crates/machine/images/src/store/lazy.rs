//! An image that can be used before its layers are here, and the process that makes it so.
//!
//! [`Lazily::begin`] fetches manifest, configuration and the layers' tables of contents, and gives the
//! image its name. [`Serving::run`] then serves the files to whoever asks for the mount, fetches
//! everything in the background, unpacks it as any pull would, and gives the mount up once every
//! layer is an ordinary snapshot. Whoever needs the whole image ([`Store::chain`]) waits for that by
//! the lock that unpacking has always had.
//!
//! Invariant: what is not a snapshot in the end was never more than a mount: a process that is killed
//! leaves an image whose layers are missing, which the next command fetches.

use super::blob::Hasher;
use super::flow::Flowed;
use super::image::chain_ids;
use super::snapshot::{Chain, Held, Staged, verify_diff_id};
use super::temporary::{Named, Temporary};
use super::{Image, Store};
use crate::error::{Error, Result};
use crate::lazy::coming::{Coming, Follow};
use crate::lazy::files::{Files, LayerFiles};
use crate::lazy::nodes::Node;
use crate::remote::{Client, Document};
use crate::transfer::copy::choose;
use crate::transfer::image::{Source, manifest, small_blob};
use crate::transfer::{RegistrySource, threads};
use door::Door;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use teu_fuse::Server;
use teu_oci::image::{Descriptor, ImageConfig};
use teu_oci::{ChainId, Digest, Platform, Reference, media};

mod check;
mod door;
mod implicit;
mod table;

/// Answers to the kernel at the same time: each may wait for the network.
const SERVERS: usize = 16;
/// Pieces that the background fetches at the same time.
const FETCHERS: usize = 3;
/// Layers that are unpacked at the same time.
const UNPACKERS: usize = 2;

/// What became of a lazy pull.
#[derive(Debug)]
pub enum Lazily {
    /// Nothing is missing, or somebody serves it already.
    Here(Box<Descriptor>),
    /// It can only be pulled as usual, for this reason.
    Not(String),
    /// It is to be served.
    Serving(Box<Serving>),
}

/// How far an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// All of it is here.
    Whole,
    /// Somebody serves it, and fetches the rest.
    Coming,
    /// Layers are missing, and nobody fetches them.
    Broken,
}

/// An image to be served.
#[derive(Debug)]
pub struct Serving {
    store: Store,
    files: Arc<Files>,
    /// Of each layer of the image.
    diff_ids: Vec<Digest>,
    ids: Vec<ChainId>,
    /// Places of the layers in `files` among all layers of the image.
    places: Vec<usize>,
    blobs: Vec<Temporary>,
    /// What the name leads to.
    pub descriptor: Descriptor,
    _unpacking: Named,
}

/// An image as the registry has it.
struct Found {
    root: Document,
    chosen: Document,
    config: Vec<u8>,
    layers: Vec<Descriptor>,
    diff_ids: Vec<Digest>,
    ids: Vec<ChainId>,
}

impl Lazily {
    /// Looks at an image of a registry, and gives it its name here if it can be served.
    pub fn begin(
        store: &Store,
        client: &Client,
        name: &Reference,
        platform: &Platform,
    ) -> Result<Self> {
        let source = RegistrySource::new(client, name, false);
        let found = match look(&source, name, platform)? {
            Ok(found) => found,
            Err(reason) => return Ok(Self::Not(reason)),
        };
        let Some(top) = found.ids.last() else { return Ok(Self::Not("it has no layers".into())) };
        store.claim(found.ids.iter().map(ChainId::digest))?;
        store.claim(found.layers.iter().map(|layer| &layer.digest))?;
        let is_here = || found.ids.iter().all(|id| store.is_usable(id));
        if is_here() || door::knock(store, top).is_some() {
            return store.name_found(&found, name).map(|found| Self::Here(Box::new(found)));
        }
        let unpacking = store.lock_unpacking(top)?;
        if is_here() {
            return store.name_found(&found, name).map(|found| Self::Here(Box::new(found)));
        }
        let mut layers = Vec::new();
        let mut places = Vec::new();
        for (n, layer) in found.layers.iter().enumerate() {
            if store.is_usable(&found.ids[n]) {
                continue;
            }
            match table::open(source.repository()?, layer, store.limits())? {
                Ok(nodes) => layers.push(nodes),
                Err(fault) => {
                    return Ok(Self::Not(format!("layer {}: {fault}", layer.digest.short())));
                }
            }
            places.push(n);
        }
        store.fill_implicit(&mut layers, &places, &found.ids)?;
        let mut blobs = Vec::new();
        let mut served = Vec::new();
        for (nodes, &n) in layers.into_iter().zip(&places) {
            let (blob, files) =
                store.layer_files(&source, &found.layers[n], (nodes, &found.ids[n]))?;
            blobs.push(blob);
            served.push(files);
        }
        let descriptor = store.name_found(&found, name)?;
        Ok(Self::Serving(Box::new(Serving {
            store: store.clone(),
            files: Arc::new(Files::new(served)),
            diff_ids: found.diff_ids,
            ids: found.ids,
            places,
            blobs,
            descriptor,
            _unpacking: unpacking,
        })))
    }
}

/// Everything but layers; the text says why it cannot be lazy.
fn look(
    source: &RegistrySource,
    name: &Reference,
    platform: &Platform,
) -> Result<Result<Found, String>> {
    let root = source.root()?;
    let chosen = match media::is_index(&root.descriptor.media_type) {
        false => root.clone(),
        true => source.document(&choose(&root, platform, &name.familiar())?)?,
    };
    let manifest = manifest(&chosen)?;
    if !super::artifact::is_image(&manifest) {
        return Ok(Err("it is no image".to_owned()));
    }
    let config = small_blob(source, &manifest.config, "a configuration")?;
    let parsed: ImageConfig = serde_json::from_slice(&config)
        .map_err(|e| Error::document("the image configuration", e))?;
    let (layers, diff_ids) = (manifest.layers, parsed.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        let image = chosen.descriptor.digest;
        let (layers, diff_ids) = (layers.len(), diff_ids.len());
        return Err(Error::LayerCount { image, layers, diff_ids });
    }
    let ids = chain_ids(&diff_ids);
    Ok(Ok(Found { root, chosen, config, layers, diff_ids, ids }))
}

impl Store {
    /// Stores the documents of an image whose layers are still to come, and gives it its name.
    fn name_found(&self, found: &Found, name: &Reference) -> Result<Descriptor> {
        self.put_blob(media::CONFIG, &found.config)?;
        for document in [&found.chosen, &found.root] {
            let mut ingest = self.ingest_for(&document.descriptor.digest)?;
            std::io::Write::write_all(&mut ingest, &document.bytes)
                .map_err(|e| Error::stream("write to the image store", e))?;
            ingest.commit_verified(&document.descriptor)?;
        }
        let digest = &found.root.descriptor.digest;
        self.give_names(&found.root.descriptor, std::slice::from_ref(name))?;
        self.remember_published(name, digest, digest)?;
        Ok(found.root.descriptor.clone())
    }

    fn layer_files(
        &self,
        source: &RegistrySource,
        layer: &Descriptor,
        (nodes, id): (Vec<Node>, &ChainId),
    ) -> Result<(Temporary, LayerFiles)> {
        let temporary = Temporary::file(&self.tmp(), "lazy")?;
        let file = temporary.as_file().try_clone();
        let file = file.map_err(|e| Error::io("open", temporary.path(), e))?;
        let blob = Coming::new(layer.clone(), source.repository()?.clone(), file);
        let (name, unpacked) = (id.hex().as_bytes().to_vec(), OnceLock::new());
        Ok((temporary, LayerFiles { name, nodes, blob, unpacked }))
    }

    /// How far an image is.
    pub fn readiness(&self, image: &Image) -> Readiness {
        let ids = image.chain_ids();
        let is_here = || {
            let mut layers = ids.iter().zip(&image.manifest.layers);
            layers.all(|(id, layer)| self.is_usable(id) || self.has_blob(&layer.digest))
        };
        match ids.last() {
            _ if is_here() => Readiness::Whole,
            Some(top) if door::knock(self, top).is_some() => Readiness::Coming,
            // Finished meanwhile, perhaps.
            _ if is_here() => Readiness::Whole,
            _ => Readiness::Broken,
        }
    }

    /// Waits until an image that still comes is whole, or nobody fetches it any more.
    pub fn await_whole(&self, image: &Image) -> Result<()> {
        if let (Readiness::Coming, Some(top)) = (self.readiness(image), image.chain_ids().last()) {
            drop(self.lock_unpacking(top)?);
        }
        Ok(())
    }

    /// Why the last lazy pull of an image failed, if it did.
    pub fn lazy_failure(&self, image: &Image) -> Option<String> {
        door::failure(self, image.chain_ids().last()?)
    }

    /// Says whether somebody serves what ends in this chain.
    pub(super) fn is_coming(&self, top: &ChainId) -> bool {
        door::knock(self, top).is_some()
    }

    /// The directories of layers of which some still come: those in the mount of whoever serves them.
    pub(super) fn coming_chain(&self, ids: &[ChainId]) -> Option<Chain> {
        let mount = Held::new(door::knock(self, ids.last()?)?);
        let lower = ids.iter().rev().map(|id| match self.is_usable(id) {
            true => self.snapshot_path(id).join("fs"),
            false => mount.path().join(id.hex()),
        });
        Some(Chain { id: ids.last().cloned(), lower: lower.collect(), held: Some(mount) })
    }
}

impl Serving {
    /// Serves until the image is whole and the last container that uses the mount has gone.
    /// `ready` is called as soon as the image can be used.
    pub fn run(self, ready: impl FnOnce()) -> Result<()> {
        let (server, mount) =
            Server::new("teu").map_err(|e| Error::stream("mount with FUSE", e))?;
        let (server, files) = (Arc::new(server), self.files.clone());
        let answering = std::thread::spawn(move || server.serve(&*files, SERVERS));
        let top = self.ids.last().cloned();
        let top = top.ok_or_else(|| Error::stream("serve", std::io::Error::other("no layers")))?;
        probe(&mount, &self.files.layers()[0].name, &self.store.path("snapshots"))?;
        let door = Arc::new(Door::open(&self.store, &top)?);
        let mount = Arc::new(mount);
        let (own_door, own_mount) = (door.clone(), mount.clone());
        let porter = std::thread::spawn(move || own_door.serve(own_mount.as_fd()));
        ready();
        let outcome = self.complete();
        if let Err(error) = &outcome {
            door.fail(&error.to_string());
        }
        door.close();
        let _ = porter.join();
        outcome?;
        drop((self, mount, door));
        // Ends when nobody has the mount any more.
        let _ = answering.join();
        Ok(())
    }

    /// Fetches and unpacks everything, and puts it in its place.
    fn complete(&self) -> Result<()> {
        let layers = self.files.layers();
        let failure = Mutex::new(None);
        let give_up = |error: Error| {
            for layer in layers {
                layer.blob.fail();
            }
            let mut failure = failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            failure.get_or_insert(error);
        };
        let staged: Vec<OnceLock<Staged>> = layers.iter().map(|_| OnceLock::new()).collect();
        std::thread::scope(|scope| {
            for _ in 0..FETCHERS {
                scope.spawn(|| {
                    if let Err(error) = self.fetch() {
                        give_up(error);
                    }
                });
            }
            let unpacked = threads::each(layers.len(), UNPACKERS, |n| {
                let made = self.unpack(n)?;
                let _ = staged[n].set(made);
                Ok(())
            });
            if let Err(error) = unpacked {
                give_up(error);
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_else(|p| p.into_inner()) {
            return Err(error);
        }
        for (n, staged) in staged.into_iter().enumerate() {
            if let Some(staged) = staged.into_inner() {
                self.publish(n, staged)?;
            }
        }
        self.store.sync()
    }

    fn fetch(&self) -> Result<()> {
        for layer in self.files.layers() {
            while layer.blob.background(&self.files.traffic)? {}
        }
        Ok(())
    }

    /// A layer as it comes, hashed as a pull does.
    fn unpack(&self, n: usize) -> Result<Staged> {
        let blob = &self.files.layers()[n].blob;
        let mut follow = Follow::new(blob);
        let Flowed { answer, raw_digest, diff_id, .. } =
            self.store.unpack_stream(&mut follow, None, None)?;
        let expected = &blob.descriptor.digest;
        let found = match expected.algorithm() {
            "sha256" => raw_digest,
            _ => hash(blob)?,
        };
        if *expected != found {
            let expected = expected.clone();
            return Err(Error::Mismatch { what: "a blob of the registry", expected, found });
        }
        verify_diff_id(&self.diff_ids[self.places[n]], &diff_id)?;
        Ok(answer)
    }

    /// Puts a layer in its place, if it is what its table said; readers have it from there.
    fn publish(&self, n: usize, staged: Staged) -> Result<()> {
        let layer = &self.files.layers()[n];
        let place = self.places[n];
        let id = &self.ids[place];
        let digest = &layer.blob.descriptor.digest;
        self.store.publish_checked(
            staged,
            (&self.ids[..place], id),
            &self.diff_ids[place],
            &|directory| check::compare(digest, &layer.nodes, directory),
        )?;
        self.store.claim([digest])?;
        self.store.set_dirty();
        self.blobs[n].link_to(&self.store.blob_path(digest))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = self.store.snapshot_path(id).join("fs");
        let opened = rustix::fs::open(&path, flags, Mode::empty());
        let _ = layer.unpacked.set(opened.map_err(|e| Error::io("open", &path, e))?);
        Ok(())
    }
}

fn hash(blob: &Coming) -> Result<Digest> {
    let mut hasher = Hasher::like(&blob.descriptor.digest);
    let mut buffer = vec![0; 1 << 20];
    let mut follow = Follow::new(blob);
    loop {
        let length = std::io::Read::read(&mut follow, &mut buffer);
        match length.map_err(|e| Error::stream("read a layer that comes", e))? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Says whether this kernel joins layers that are mounted nowhere (Linux 6.15).
fn probe(mount: &OwnedFd, layer: &[u8], other: &Path) -> Result<()> {
    use rustix::mount::{FsOpenFlags, fsconfig_create, fsconfig_set_string, fsopen};
    let held = std::os::fd::AsRawFd::as_raw_fd(mount);
    let layer = format!("/proc/self/fd/{held}/{}", String::from_utf8_lossy(layer));
    let tried = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).and_then(|context| {
        fsconfig_set_string(&context, "lowerdir+", layer.as_str())?;
        // Without an upper directory there must be two.
        fsconfig_set_string(&context, "lowerdir+", other)?;
        fsconfig_create(&context)
    });
    tried.map_err(|e| Error::stream("join layers that are mounted nowhere (Linux 6.15)", e))
}
