//! The store as a source of images.

use super::{Store, attached};
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::transfer::RegistrySink;
use crate::transfer::image::Source;
use std::io::{Read, Seek, SeekFrom};
use teu_oci::image::{ANNOTATION_REF_NAME, Descriptor};
use teu_oci::{Digest, Platform, Reference, media};

/// Gives one image of a store, or all that its index leads to.
#[derive(Debug)]
pub struct StoreSource<'a> {
    store: &'a Store,
    /// What the name leads to; the root may be a part of it.
    named: Digest,
    root: Descriptor,
    names: Vec<Reference>,
    neighbour: Option<(String, String)>,
}

impl<'a> StoreSource<'a> {
    /// Finds the image. An index of which not all is here is given as the one image that is here,
    /// because nobody else could complete it.
    pub fn new(store: &'a Store, text: &str, platform: Option<&Platform>) -> Result<Self> {
        let (mut root, names) = store.find(text)?;
        let named = root.digest.clone();
        if let Ok(image) = store.load_image(&root, names.clone(), platform) {
            store.await_whole(&image)?;
        }
        let is_whole = store.is_whole(&root, 0);
        if media::is_index(&root.media_type) && (platform.is_some() || !is_whole) {
            root = store.choose(&root, &names, platform)?;
        }
        Ok(Self { store, named, root, names, neighbour: None })
    }

    /// The digest that the name leads to here.
    pub fn named(&self) -> &Digest {
        &self.named
    }

    /// The names of the image.
    pub fn names(&self) -> &[Reference] {
        &self.names
    }

    /// Another repository of the sink's registry that this image was pulled from or pushed to by
    /// its name: its layers may be mounted instead of sent.
    #[must_use]
    pub fn beside(mut self, name: &Reference, sink: &RegistrySink) -> Self {
        let (host, _) = sink.repository().place();
        let other = self
            .names
            .iter()
            .find(|other| other.registry == name.registry && other.repository != name.repository);
        self.neighbour = other.map(|other| (host.to_owned(), other.repository.clone()));
        self
    }
}

impl Store {
    /// Says whether everything is here that a descriptor leads to.
    fn is_whole(&self, from: &Descriptor, depth: usize) -> bool {
        if !self.has_blob(&from.digest) || depth > 4 {
            return false;
        }
        if media::is_index(&from.media_type) {
            let index = self.read_index(from);
            return index.is_ok_and(|i| i.manifests.iter().all(|e| self.is_whole(e, depth + 1)));
        }
        self.read_manifest(from).is_ok_and(|manifest| {
            let mut blobs = manifest.layers.iter().chain([&manifest.config]);
            blobs.all(|blob| self.has_blob(&blob.digest) || !blob.urls.is_empty())
        })
    }
}

impl Source for StoreSource<'_> {
    fn root(&self) -> Result<Document> {
        self.document(&self.root)
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        let bytes = self.store.read_blob(&wanted.digest, self.store.limits().manifest_bytes)?;
        let mut descriptor = wanted.clone();
        descriptor.size = bytes.len() as u64;
        Ok(Document { descriptor, bytes })
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.store.claim([&wanted.digest])?;
        let mut file = self.store.open_unverified(&wanted.digest)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| Error::stream("read from the image store", e))?;
        Ok(Box::new(file))
    }

    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let mut found = self.store.attached(digest)?;
        found.retain(|entry| !entry.annotations.contains_key(ANNOTATION_REF_NAME));
        Ok(found)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Document>> {
        let Some(subject) = crate::transfer::attached::subject_of(tag) else { return Ok(None) };
        let found = self.store.attached(&subject)?;
        let is_tag = |entry: &&Descriptor| {
            entry.annotations.get(ANNOTATION_REF_NAME).is_some_and(|known| known == tag)
        };
        found.iter().find(is_tag).map(|entry| self.document(&attached::bare(entry))).transpose()
    }

    fn place(&self) -> Option<(String, String)> {
        self.neighbour.clone()
    }

    fn has_document(&self, wanted: &Descriptor) -> bool {
        self.store.has_blob(&wanted.digest)
    }
}

/// Blobs of a store, and nothing that has a name.
#[derive(Debug)]
pub(crate) struct Blobs<'a>(pub(crate) &'a Store);

impl Source for Blobs<'_> {
    fn root(&self) -> Result<Document> {
        Err(Error::Missing { digest: Digest::sha256(b""), what: "a manifest" })
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        Err(Error::Missing { digest: wanted.digest.clone(), what: "a manifest" })
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        self.0.claim([&wanted.digest])?;
        let mut file = self.0.open_unverified(&wanted.digest)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| Error::stream("read from the image store", e))?;
        Ok(Box::new(file))
    }
}
