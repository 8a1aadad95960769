//! `--cache-from`: steps that other machines have done.
//!
//! The lists come when the build begins, a layer only when its step is wanted. A cache that is not
//! there, or cannot be read, costs time and no build.

use super::document::{CacheConfig, Entry, MEDIA_TYPE, Record, entries};
use crate::error::Cause;
use crate::request::{CacheSource, Environment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::ClientSource;
use std::collections::HashMap;
use std::fmt;
use std::io;
use teu_images::transfer::Source;
use teu_images::transfer::image::{Verified, index, manifest, small_blob};
use teu_images::{ArchiveSource, Error, Layer, Store};
use teu_oci::image::{Descriptor, ImageConfig};
use teu_oci::{ChainId, media};

mod client;

/// Images within an index whose inline caches are read.
const IMAGE_LIMIT: usize = 32;

/// A cache that can be taken from.
pub struct Import<'a> {
    source: Box<dyn Source + Send + 'a>,
    entries: HashMap<String, Entry>,
    /// As messages show it.
    name: String,
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a cache cannot be used.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

impl<'a> Import<'a> {
    /// Reads what a cache has.
    pub fn open(from: &CacheSource, environment: &Environment<'a>) -> Result<Self, Problem> {
        let source: Box<dyn Source + Send + 'a> = match from {
            CacheSource::Registry(name) => {
                let outside = environment.outside;
                outside.ok_or("this build has no way to a registry")?.source(name)?
            }
            CacheSource::Local { directory, tag } => {
                Box::new(ArchiveSource::open(environment.images, directory, Some(tag))?)
            }
            CacheSource::Client { store, digest } => {
                let vault = environment.vault.ok_or("this build has no client")?;
                Box::new(ClientSource { vault, store: store.clone(), root: digest.clone() })
            }
        };
        let entries = read(&*source)?;
        Ok(Self { source, entries, name: from.shown() })
    }

    /// As messages show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.entries.len()
    }

    /// A step, if it has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Fetches a step's layer and unpacks it over its parent, which is unpacked already.
    pub fn fetch(
        &self,
        entry: &Entry,
        images: &Store,
        parent: Option<&ChainId>,
    ) -> Result<Layer, Cause> {
        let descriptor = &entry.descriptor;
        if media::layer_compression(&descriptor.media_type).is_none() {
            let error = Error::MediaType {
                digest: descriptor.digest.clone(),
                media_type: descriptor.media_type.chars().take(120).collect(),
                wanted: "a layer known here (tar, tar+gzip, tar+zstd)",
            };
            return Err(error.into());
        }
        let mut stream = Verified::new(self.source.blob(descriptor, 0)?, descriptor);
        let layer = images.layer_from_tar(&mut stream, parent)?;
        // To the last byte, so that all of them have been hashed.
        io::copy(&mut stream, &mut io::sink())
            .map_err(|source| Cause::io("read", self.name.as_str(), source))?;
        if layer.diff_id != entry.diff_id {
            let (expected, found) = (entry.diff_id.clone(), layer.diff_id);
            return Err(
                Error::Mismatch { what: "a layer of a build cache", expected, found }.into()
            );
        }
        Ok(layer)
    }
}

/// Every step that a source's document leads to: a cache by itself, as a manifest or (older) as an
/// index of blobs; or images with a cache inline.
fn read(source: &dyn Source) -> Result<HashMap<String, Entry>, Problem> {
    let root = source.root()?;
    let mut found = HashMap::new();
    if !media::is_index(&root.descriptor.media_type) {
        of_manifest(source, &root, &mut found)?;
        return Ok(found);
    }
    let listed = index(&root)?.manifests;
    if let Some(config) = listed.iter().find(|entry| entry.media_type == MEDIA_TYPE) {
        of_config(source, config, &listed, &mut found)?;
        return Ok(found);
    }
    let images = listed.iter().filter(|entry| media::is_manifest(&entry.media_type));
    for entry in images.take(IMAGE_LIMIT) {
        of_manifest(source, &source.document(entry)?, &mut found)?;
    }
    Ok(found)
}

fn of_manifest(
    source: &dyn Source,
    document: &teu_images::remote::Document,
    found: &mut HashMap<String, Entry>,
) -> Result<(), Problem> {
    let manifest = manifest(document)?;
    if manifest.config.media_type == MEDIA_TYPE {
        return of_config(source, &manifest.config, &manifest.layers, found);
    }
    if ![media::CONFIG, media::DOCKER_CONFIG].contains(&manifest.config.media_type.as_str()) {
        return Ok(());
    }
    let bytes = small_blob(source, &manifest.config, "a configuration")?;
    let config: ImageConfig = serde_json::from_slice(&bytes)?;
    let Some(text) = &config.inline_cache else { return Ok(()) };
    let records: Vec<Record> = serde_json::from_slice(&STANDARD.decode(text)?)?;
    let diff_ids = config.rootfs.diff_ids;
    let layer =
        |place: usize| Some((manifest.layers.get(place)?.clone(), diff_ids.get(place)?.clone()));
    found.extend(entries(records, layer));
    Ok(())
}

fn of_config(
    source: &dyn Source,
    config: &Descriptor,
    listed: &[Descriptor],
    found: &mut HashMap<String, Entry>,
) -> Result<(), Problem> {
    let bytes = small_blob(source, config, "a cache's document")?;
    let config: CacheConfig = serde_json::from_slice(&bytes)?;
    found.extend(entries(config.records.clone(), |place| config.layer(place, listed)));
    Ok(())
}
