//! An archive or layout as a source of one image.
//!
//! An OCI layout gives its documents as they are. Docker's own archive has none: a schema 2 manifest
//! is written for it, over the layers as they lie there, and its configuration is the image's id.

use super::docker::Item;
use super::members::Members;
use super::oci::member;
use super::{INDEX, LAYOUT, MANIFEST};
use crate::compression::{peek, recognise};
use crate::error::{ArchiveFault, Error, Result};
use crate::remote::Document;
use crate::store::Store;
use crate::store::blob::{Hasher, digest_like};
use crate::store::index::INDEX_LIMIT_BYTES;
use crate::transfer::attached;
use crate::transfer::image::Source;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use teu_oci::image::{
    ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, Descriptor, ImageConfig, Index, Manifest,
};
use teu_oci::media::{self, Compression};
use teu_oci::{Digest, Reference};

/// One image of an archive.
pub struct ArchiveSource {
    members: Members,
    root: Descriptor,
    /// A document that the archive itself does not have.
    written: Option<Document>,
    /// What else the layout lists.
    listed: Vec<Descriptor>,
    /// Where blobs lie that are not named by their digest.
    places: HashMap<Digest, String>,
}

impl std::fmt::Debug for ArchiveSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveSource").field("root", &self.root).finish_non_exhaustive()
    }
}

impl ArchiveSource {
    /// Opens a tar (plain or compressed) or the directory of a layout. Without a name there must be
    /// just one image.
    pub fn open(store: &Store, path: &Path, name: Option<&str>) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let is_directory = file.metadata().map_err(|e| Error::io("look at", path, e))?.is_dir();
        match is_directory {
            true => Self::of(Members::of_directory(path), name),
            false => Self::open_file(store, &file, name),
        }
    }

    /// As [`ArchiveSource::open`], of a tar that is open already.
    pub fn open_file(store: &Store, file: &File, name: Option<&str>) -> Result<Self> {
        Self::of(Self::members(store, file)?, name)
    }

    fn members(store: &Store, file: &File) -> Result<Members> {
        use std::io::{Seek, SeekFrom};
        let read = |e| Error::stream("read the archive", e);
        let mut source = file;
        let first = peek(&mut source).map_err(read)?;
        source.seek(SeekFrom::Start(0)).map_err(read)?;
        match recognise(&first) {
            crate::compression::Format::Plain => Members::of_file(store, file),
            _ => {
                let decoder =
                    crate::compression::Decoder::new(source, store.limits()).map_err(read)?;
                Members::of_stream(store, decoder)
            }
        }
    }

    fn of(members: Members, name: Option<&str>) -> Result<Self> {
        if members.has(INDEX) && members.has(LAYOUT) {
            let bytes = members.read(INDEX, INDEX_LIMIT_BYTES.min(16 << 20))?;
            let index: Index =
                serde_json::from_slice(&bytes).map_err(|e| Error::document(INDEX, e))?;
            let root = chosen(&index, name)?;
            let (listed, places) = (index.manifests, HashMap::new());
            return Ok(Self { members, root, written: None, listed, places });
        }
        if !members.has(MANIFEST) {
            return Err(Error::Archive { reason: ArchiveFault::NoTable });
        }
        let bytes = members.read(MANIFEST, 4 << 20)?;
        let items: Vec<Item> =
            serde_json::from_slice(&bytes).map_err(|e| Error::document(MANIFEST, e))?;
        let fits = |item: &&Item| {
            name.is_none_or(|name| item.repo_tags.iter().flatten().any(|tag| is_same(tag, name)))
        };
        let fitting: Vec<&Item> = items.iter().filter(fits).collect();
        let [item] = fitting[..] else {
            let names = items.iter().filter_map(|item| item.repo_tags.clone()).flatten();
            return Err(not_one(fitting.len(), name, names.collect()));
        };
        Self::of_item(members, item)
    }

    /// Writes a manifest for an image that has none.
    fn of_item(members: Members, item: &Item) -> Result<Self> {
        let limits = crate::Limits::DEFAULT;
        let bytes = members.read(&item.config, limits.config_bytes)?;
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::document(format!("image configuration {:?}", item.config), e))?;
        let (layers, diff_ids) = (item.layers.len(), config.rootfs.diff_ids.len());
        let id = Digest::sha256(&bytes);
        if layers != diff_ids {
            return Err(Error::LayerCount { image: id, layers, diff_ids });
        }
        let mut places = HashMap::new();
        places.insert(id.clone(), item.config.clone());
        let mut descriptors = Vec::with_capacity(layers);
        for name in &item.layers {
            let descriptor = weighed(&members, name)?;
            places.insert(descriptor.digest.clone(), name.clone());
            descriptors.push(descriptor);
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::DOCKER_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::new(media::DOCKER_CONFIG, id, bytes.len() as u64),
            layers: descriptors,
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|e| Error::document("a manifest", e))?;
        let size = bytes.len() as u64;
        let root = Descriptor::new(media::DOCKER_MANIFEST, Digest::sha256(&bytes), size);
        let written = Some(Document { descriptor: root.clone(), bytes });
        Ok(Self { members, root, written, listed: Vec::new(), places })
    }
}

/// What a layer of Docker's archive is, read through once.
fn weighed(members: &Members, name: &str) -> Result<Descriptor> {
    let read = |e| Error::stream("read the archive", e);
    let mut source = members.open(name)?;
    let first = peek(&mut source).map_err(read)?;
    let media_type = match recognise(&first).of_layer() {
        Some(Compression::None) => media::DOCKER_LAYER,
        Some(Compression::Gzip) => media::DOCKER_LAYER_GZIP,
        // Docker's dialect has no word for zstd.
        Some(Compression::Zstd) => media::LAYER_ZSTD,
        None => {
            return Err(Error::Archive { reason: ArchiveFault::Member(name.to_owned()) });
        }
    };
    let mut hasher = Hasher::sha256();
    hasher.update(&first);
    let mut size = first.len() as u64;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer).map_err(read)? {
            0 => return Ok(Descriptor::new(media_type, hasher.finish(), size)),
            length => {
                hasher.update(&buffer[..length]);
                size += length as u64;
            }
        }
    }
}

/// The entry that a name means, or the only one.
fn chosen(index: &Index, name: Option<&str>) -> Result<Descriptor> {
    let names = |entry: &Descriptor| -> Vec<String> {
        let keys = [ANNOTATION_REF_NAME, ANNOTATION_IMAGE_NAME];
        keys.iter().filter_map(|key| entry.annotations.get(*key).cloned()).collect()
    };
    let mut fitting: Vec<&Descriptor> = index
        .manifests
        .iter()
        .filter(|entry| {
            name.map_or_else(
                || !is_about_another(entry),
                |name| names(entry).iter().any(|known| is_same(known, name)),
            )
        })
        .collect();
    // Several names of one image are one image.
    fitting.dedup_by(|a, b| a.digest == b.digest);
    let [entry] = fitting[..] else {
        let all = index.manifests.iter().flat_map(names).collect();
        return Err(not_one(fitting.len(), name, all));
    };
    let mut entry = entry.clone();
    entry.annotations.clear();
    Ok(entry)
}

/// An attestation or signature beside the image.
fn is_about_another(entry: &Descriptor) -> bool {
    let tag = entry.annotations.get(ANNOTATION_REF_NAME);
    match tag {
        Some(tag) => attached::subject_of(tag).is_some(),
        None => entry.artifact_type.is_some(),
    }
}

fn is_same(known: &str, wanted: &str) -> bool {
    let full = |text: &str| text.parse::<Reference>().map(|name| name.to_string()).ok();
    known == wanted || full(known).zip(full(wanted)).is_some_and(|(a, b)| a == b)
}

fn not_one(found: usize, name: Option<&str>, mut names: Vec<String>) -> Error {
    names.sort();
    names.dedup();
    names.truncate(20);
    match (found, name) {
        (0, None) => Error::Archive { reason: ArchiveFault::Empty },
        (0, Some(name)) => Error::Archive {
            reason: ArchiveFault::NoName { wanted: name.to_owned(), present: names },
        },
        _ => Error::Archive { reason: ArchiveFault::Several(names) },
    }
}

impl Source for ArchiveSource {
    fn root(&self) -> Result<Document> {
        self.document(&self.root)
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        if let Some(written) = self.written.as_ref().filter(|w| w.descriptor == *wanted) {
            return Ok(written.clone());
        }
        let limit = crate::Limits::DEFAULT.manifest_bytes;
        let bytes = self.members.read(&member(&wanted.digest), limit)?;
        let found = digest_like(Some(&wanted.digest), &bytes);
        if found != wanted.digest {
            let expected = wanted.digest.clone();
            return Err(Error::Mismatch { what: "a document of the archive", expected, found });
        }
        let mut descriptor = wanted.clone();
        descriptor.size = bytes.len() as u64;
        Ok(Document { descriptor, bytes })
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let own = member(&wanted.digest);
        let name = self.places.get(&wanted.digest).unwrap_or(&own);
        let mut source = self.members.open(name)?;
        io::copy(&mut (&mut source).take(offset), &mut io::sink())
            .map_err(|e| Error::stream("read the archive", e))?;
        Ok(source)
    }

    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let mut found = Vec::new();
        for entry in self.listed.iter().filter(|entry| entry.artifact_type.is_some()) {
            let document = self.document(entry)?;
            let manifest = crate::transfer::image::manifest(&document)?;
            if manifest.subject.is_some_and(|subject| subject.digest == *digest) {
                found.push(entry.clone());
            }
        }
        Ok(found)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Document>> {
        let is_tag = |entry: &&Descriptor| {
            entry.annotations.get(ANNOTATION_REF_NAME).is_some_and(|known| known == tag)
        };
        let found = self.listed.iter().find(is_tag);
        found.map(|entry| self.document(&crate::store::attached::bare(entry))).transpose()
    }

    fn has_document(&self, wanted: &Descriptor) -> bool {
        self.members.has(&member(&wanted.digest))
    }
}
