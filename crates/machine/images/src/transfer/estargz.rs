//! Images whose layers are to be read lazily: a source like another, whose layers are eStargz.
//!
//! A table of contents is part of the layer's tar, so diffIDs change, and the configuration and the
//! image's id with them; it is another image, with the same files. Layers that have a table already,
//! and those that can have none, stay as they are.

use super::copy::{Selection, choose};
use super::image::{Blob, Source, index, manifest, small_blob};
use super::progress::{Progress, State};
use super::threads;
use crate::compression::Decoder;
use crate::error::{Error, Result};
use crate::lazy::{TOC_DIGEST, UNCOMPRESSED_SIZE, writer};
use crate::remote::Document;
use crate::store::Store;
use crate::store::artifact::is_image;
use crate::store::blob::Ingest;
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::{Mutex, OnceLock};
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::media::{self, layer_compression};
use teu_oci::{Digest, Platform};

const LEVEL: u32 = 6;
const KIND: &str = "estargz";

/// The source.
#[derive(Debug)]
pub struct Estargz<'a> {
    inner: &'a dyn Source,
    store: &'a Store,
    progress: &'a dyn Progress,
    selection: Selection,
    level: u32,
    root: OnceLock<Document>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// Documents that were written, and what each was before.
    documents: BTreeMap<Digest, (Vec<u8>, Descriptor)>,
    /// Configurations.
    configs: BTreeMap<Digest, Vec<u8>>,
    /// Layers: what each was before, and its bytes while they are needed.
    layers: BTreeMap<Digest, (Descriptor, Option<Ingest>)>,
}

impl std::fmt::Debug for dyn Source + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// A layer as it is now: its descriptor, and its diffID if that is another one.
type Packed = (Descriptor, Option<Digest>);

impl<'a> Estargz<'a> {
    /// Packs what is asked for, when it is asked for.
    pub fn new(
        inner: &'a dyn Source,
        selection: &Selection,
        (store, level): (&'a Store, Option<u32>),
        progress: &'a dyn Progress,
    ) -> Self {
        let (selection, level) = (selection.clone(), level.unwrap_or(LEVEL));
        let (root, made) = (OnceLock::new(), Mutex::default());
        Self { inner, store, progress, selection, level, root, made }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn convert(&self, document: &Document) -> Result<Document> {
        if !media::is_index(&document.descriptor.media_type) {
            return self.image(document);
        }
        match &self.selection {
            Selection::One(platform) => self.one(document, platform),
            Selection::All => self.all(document),
        }
    }

    fn one(&self, root: &Document, platform: &Platform) -> Result<Document> {
        let chosen = choose(root, platform, root.descriptor.digest.as_str())?;
        self.image(&self.inner.document(&chosen)?)
    }

    fn all(&self, root: &Document) -> Result<Document> {
        let mut index = index(root)?;
        let mut changed: Vec<(Digest, Digest)> = Vec::new();
        for entry in &mut index.manifests {
            if media::is_index(&entry.media_type) {
                continue;
            }
            let after = self.image(&self.inner.document(entry)?)?.descriptor;
            changed.push((entry.digest.clone(), after.digest.clone()));
            (entry.digest, entry.size, entry.media_type) =
                (after.digest, after.size, after.media_type);
        }
        // Attestations beside an image name it.
        for entry in &mut index.manifests {
            for value in entry.annotations.values_mut() {
                let found = changed.iter().find(|(before, _)| before.as_str() == value);
                if let Some((_, after)) = found {
                    after.as_str().clone_into(value);
                }
            }
        }
        index.media_type = Some(media::INDEX.to_owned());
        self.written(root, media::INDEX, &index)
    }

    fn image(&self, document: &Document) -> Result<Document> {
        let mut manifest = manifest(document)?;
        if !is_image(&manifest) {
            return Ok(document.clone());
        }
        let packed: Mutex<BTreeMap<usize, Packed>> = Mutex::default();
        threads::each(manifest.layers.len(), super::copy::PARALLEL_LAYERS, |n| {
            let after = self.layer(&manifest.layers[n])?;
            if let Ok(mut packed) = packed.lock() {
                packed.insert(n, after);
            }
            Ok(())
        })?;
        let packed = packed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if packed.values().all(|(_, diff_id)| diff_id.is_none()) {
            return Ok(document.clone());
        }
        let config = small_blob(self.inner, &manifest.config, "a configuration")?;
        let config = with_diff_ids(&config, &packed)?;
        for (n, (descriptor, _)) in packed {
            manifest.layers[n] = descriptor;
        }
        let digest = Digest::sha256(&config);
        manifest.config = Descriptor::new(media::CONFIG, digest.clone(), config.len() as u64);
        manifest.media_type = Some(media::MANIFEST.to_owned());
        oci_types(&mut manifest);
        self.made().configs.insert(digest, config);
        self.written(document, media::MANIFEST, &manifest)
    }

    fn written(
        &self,
        before: &Document,
        media_type: &str,
        value: &impl serde::Serialize,
    ) -> Result<Document> {
        let bytes = serde_json::to_vec(value).map_err(|e| Error::document("a manifest", e))?;
        let mut descriptor =
            Descriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64);
        descriptor.platform.clone_from(&before.descriptor.platform);
        let digest = descriptor.digest.clone();
        self.made().documents.insert(digest, (bytes.clone(), before.descriptor.clone()));
        Ok(Document { descriptor, bytes })
    }

    /// Packs a layer, or remembers what it became.
    fn layer(&self, layer: &Descriptor) -> Result<Packed> {
        let stays = (layer.clone(), None);
        if layer.annotations.contains_key(TOC_DIGEST)
            || layer_compression(&layer.media_type).is_none()
            || !layer.urls.is_empty()
        {
            return Ok(stays);
        }
        let kinds = (format!("{KIND}{}", self.level), format!("{KIND}{}-plain", self.level));
        let known = |kind: &str| self.store.packed(&layer.digest, kind);
        if let (Some(packed), Some(plain)) = (known(&kinds.0), known(&kinds.1)) {
            self.made().layers.insert(packed.digest.clone(), (layer.clone(), None));
            return Ok((packed, Some(plain.digest)));
        }
        let Some((packed, plain, file)) = self.pack(layer)? else { return Ok(stays) };
        self.store.remember_packed(&layer.digest, &kinds.0, &packed)?;
        self.store.remember_packed(&layer.digest, &kinds.1, &plain)?;
        self.made().layers.insert(packed.digest.clone(), (layer.clone(), Some(file)));
        Ok((packed, Some(plain.digest)))
    }

    fn pack(&self, layer: &Descriptor) -> Result<Option<(Descriptor, Descriptor, Ingest)>> {
        self.progress.layer(&layer.digest, State::Packing);
        let open = |offset| self.inner.blob(layer, offset);
        let blob = Blob { descriptor: layer, open: &open, progress: self.progress };
        let source = super::image::Verified::new((blob.open)(0)?, layer);
        let decoder = Decoder::new(source, self.store.limits());
        let plain = decoder.map_err(|e| Error::stream("read the layer", e))?;
        let mut ingest = self.store.ingest()?;
        let mut plain = BufReader::with_capacity(256 << 10, plain);
        let written = writer::write(&mut plain, &mut ingest, self.level, self.store.limits())?;
        let Some(written) = written else { return Ok(None) };
        let (digest, size) = ingest.so_far();
        let mut packed = Descriptor::new(media::LAYER_GZIP, digest, size);
        packed.annotations.clone_from(&layer.annotations);
        packed.annotations.insert(TOC_DIGEST.to_owned(), written.toc.to_string());
        let size = written.plain_bytes.to_string();
        packed.annotations.insert(UNCOMPRESSED_SIZE.to_owned(), size);
        let plain = Descriptor::new(media::LAYER, written.diff_id, written.plain_bytes);
        Ok(Some((packed, plain, ingest)))
    }

    /// The bytes of a layer that was packed now, or is packed once more.
    fn packed_bytes(&self, wanted: &Digest, before: &Descriptor) -> Result<std::fs::File> {
        if let Some((_, Some(file))) = self.made().layers.get(wanted) {
            return file.reopen();
        }
        let again = self.pack(before)?.filter(|(packed, ..)| packed.digest == *wanted);
        let Some((.., file)) = again else {
            return Err(Error::Missing { digest: wanted.clone(), what: "a packed layer" });
        };
        let opened = file.reopen()?;
        self.made().layers.insert(wanted.clone(), (before.clone(), Some(file)));
        Ok(opened)
    }
}

/// The configuration with other diffIDs, and nothing else changed.
fn with_diff_ids(config: &[u8], packed: &BTreeMap<usize, Packed>) -> Result<Vec<u8>> {
    let wrong = |e| Error::document("the image configuration", e);
    let mut value: serde_json::Value = serde_json::from_slice(config).map_err(wrong)?;
    let diff_ids = value.pointer_mut("/rootfs/diff_ids").and_then(serde_json::Value::as_array_mut);
    for (n, slot) in diff_ids.into_iter().flatten().enumerate() {
        if let Some((_, Some(diff_id))) = packed.get(&n) {
            *slot = diff_id.as_str().into();
        }
    }
    serde_json::to_vec(&value).map_err(wrong)
}

/// Layers that stayed have the types of the manifest's dialect.
fn oci_types(manifest: &mut Manifest) {
    for layer in &mut manifest.layers {
        let oci = match layer.media_type.as_str() {
            media::DOCKER_LAYER => media::LAYER,
            media::DOCKER_LAYER_GZIP => media::LAYER_GZIP,
            _ => continue,
        };
        oci.clone_into(&mut layer.media_type);
    }
}

impl Source for Estargz<'_> {
    fn root(&self) -> Result<Document> {
        if let Some(root) = self.root.get() {
            return Ok(root.clone());
        }
        let root = self.convert(&self.inner.root()?)?;
        Ok(self.root.get_or_init(|| root).clone())
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        if let Some((bytes, _)) = self.made().documents.get(&wanted.digest) {
            return Ok(Document { descriptor: wanted.clone(), bytes: bytes.clone() });
        }
        self.inner.document(wanted)
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let config = self.made().configs.get(&wanted.digest).cloned();
        if let Some(config) = config {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(config.len());
            return Ok(Box::new(std::io::Cursor::new(config[start..].to_vec())));
        }
        let before = self.made().layers.get(&wanted.digest).map(|(before, _)| before.clone());
        let Some(before) = before else { return self.inner.blob(wanted, offset) };
        let mut file = self.packed_bytes(&wanted.digest, &before)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| Error::stream("read the packed layer", e))?;
        Ok(Box::new(file))
    }

    fn has_document(&self, wanted: &Descriptor) -> bool {
        self.made().documents.contains_key(&wanted.digest) || self.inner.has_document(wanted)
    }

    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        self.inner.referrers(digest)
    }

    fn referrer(&self, wanted: &Descriptor) -> Result<Document> {
        self.inner.referrer(wanted)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Document>> {
        self.inner.tagged(tag)
    }

    fn before(&self, document: &Descriptor) -> Descriptor {
        let made = self.made();
        made.documents.get(&document.digest).map_or(document, |(_, before)| before).clone()
    }

    fn place(&self) -> Option<(String, String)> {
        self.inner.place()
    }
}
