//! What every kind of storage has in common.

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::remote::Document;
use crate::store::blob::Hasher;
use std::io::{self, Read};
use teu_oci::Digest;
use teu_oci::image::{Descriptor, DocumentError, Index, Manifest};

/// Gives an image.
pub trait Source: Sync {
    /// The manifest or index that the name leads to.
    fn root(&self) -> Result<Document>;

    /// A manifest or index by digest.
    fn document(&self, wanted: &Descriptor) -> Result<Document>;

    /// The bytes of a blob from an offset on; hashed by whoever reads them.
    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>>;

    /// Says whether a manifest of an index is there; a store need not have all of them.
    fn has_document(&self, _: &Descriptor) -> bool {
        true
    }

    /// What says something about a manifest: those that have it as their subject.
    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>> {
        Ok(Vec::new())
    }

    /// One of them; nobody has to have signed it for itself.
    fn referrer(&self, wanted: &Descriptor) -> Result<Document> {
        self.document(wanted)
    }

    /// What lies beside the image under a tag that stands for its digest.
    fn tagged(&self, _: &str) -> Result<Option<Document>> {
        Ok(None)
    }

    /// What a document was before this source changed it.
    fn before(&self, document: &Descriptor) -> Descriptor {
        document.clone()
    }

    /// The registry's host and the repository there, for sinks of the same registry.
    fn place(&self) -> Option<(String, String)> {
        None
    }
}

/// One image on its way: its manifest and configuration.
#[derive(Debug, Clone)]
pub struct View {
    /// The manifest as it is stored.
    pub document: Document,
    /// The manifest, read.
    pub manifest: Manifest,
    /// The configuration's bytes.
    pub config: Vec<u8>,
    /// It is for this machine, and will be run here.
    pub is_wanted: bool,
}

/// A blob that is to be stored.
pub struct Blob<'a> {
    /// What it is.
    pub descriptor: &'a Descriptor,
    /// Gives its bytes from an offset on; those from the start are hashed on their way.
    pub open: crate::remote::upload::OpenAt<'a>,
    /// Told how far it is.
    pub progress: &'a dyn super::Progress,
}

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Blob").field(&self.descriptor.digest).finish()
    }
}

/// Takes an image.
pub trait Sink: Sync {
    /// Makes the place. Nothing is made before what can be refused has been: opening a sink only
    /// looks.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// An image comes: its layers next, one by one and in no order.
    fn begin(&self, _: &View) -> Result<()> {
        Ok(())
    }

    /// Says whether a blob is there already, or takes it from a neighbour.
    fn has_blob(&self, blob: &Descriptor, from: Option<&(String, String)>) -> Result<Found>;

    /// Takes a blob.
    fn put_blob(&self, blob: &Blob<'_>) -> Result<()>;

    /// All blobs of an image are there.
    fn end(&self, _: &View) -> Result<()> {
        Ok(())
    }

    /// Takes a manifest or index, after all that it leads to.
    fn put_document(&self, document: &Document, is_root: bool) -> Result<()>;

    /// Takes a manifest about another one, after all that it leads to; it is known by its subject,
    /// or by a tag.
    fn put_referrer(&self, _: &Document, _: &Digest, _: Option<&str>) -> Result<()> {
        Err(Error::NoReferrers)
    }

    /// It can hold what says something about an image.
    fn holds_referrers(&self) -> bool {
        false
    }

    /// Makes what came visible.
    fn finish(&self) -> Result<()> {
        Ok(())
    }

    /// The registry's own rules ask for compressed layers.
    fn wants_compressed(&self) -> bool {
        false
    }

    /// It holds a whole index though only one of its images comes.
    fn keeps_index(&self) -> bool {
        false
    }

    /// It can hold an index with several images.
    fn holds_index(&self) -> bool {
        true
    }
}

/// What a sink knows of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It must be sent.
    Absent,
    /// It is there.
    Exists,
    /// It is there now, from this repository.
    Mounted(String),
}

/// Reads a manifest, refusing confusion and excess.
pub fn manifest(document: &Document) -> Result<Manifest> {
    let manifest = Manifest::parse(&document.bytes, &document.descriptor.media_type)
        .map_err(|e| refused(&document.descriptor, e))?;
    if manifest.layers.len() > Limits::DEFAULT.layers {
        let limit = Limits::DEFAULT.layers as u64;
        return Err(Error::Limit { what: "an image", limit, unit: "layers" });
    }
    Ok(manifest)
}

/// Reads an index, refusing confusion and excess.
pub fn index(document: &Document) -> Result<Index> {
    let index = Index::parse(&document.bytes, &document.descriptor.media_type)
        .map_err(|e| refused(&document.descriptor, e))?;
    if index.manifests.len() > Limits::DEFAULT.index_entries {
        let limit = Limits::DEFAULT.index_entries as u64;
        return Err(Error::Limit { what: "an index", limit, unit: "entries" });
    }
    Ok(index)
}

fn refused(descriptor: &Descriptor, error: DocumentError) -> Error {
    match error {
        DocumentError::Json(source) => {
            Error::document(format!("{} {}", descriptor.media_type, descriptor.digest), source)
        }
        other => Error::Confused {
            digest: descriptor.digest.clone(),
            expected: descriptor.media_type.clone(),
            found: other.to_string(),
        },
    }
}

/// Reads a small blob whole, checked.
pub fn small_blob(source: &dyn Source, wanted: &Descriptor, what: &'static str) -> Result<Vec<u8>> {
    let limit = Limits::DEFAULT.config_bytes;
    if wanted.size > limit {
        return Err(Error::Limit { what, limit, unit: "bytes" });
    }
    let mut bytes = Vec::new();
    Verified::new(source.blob(wanted, 0)?, wanted)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::stream("read a document", e))?;
    Ok(bytes)
}

/// A stream that fails at its end if it was not what its descriptor says.
#[derive(Debug)]
pub struct Verified<R> {
    inner: R,
    expected: Digest,
    size: u64,
    read: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> Verified<R> {
    /// Wraps a blob's bytes from the first one on.
    pub fn new(inner: R, descriptor: &Descriptor) -> Self {
        let hasher = Some(Hasher::like(&descriptor.digest));
        let (expected, size) = (descriptor.digest.clone(), descriptor.size);
        Self { inner, expected, size, read: 0, hasher }
    }

    fn size_error(&self) -> io::Error {
        let (digest, expected, found) = (self.expected.clone(), self.size, self.read);
        Error::Size { digest, expected, found }.into()
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        if self.read > self.size || (length == 0 && !buffer.is_empty() && self.read < self.size) {
            return Err(self.size_error());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..length]);
        }
        // At the last byte already: who knows the size reads no further.
        if self.read == self.size
            && let Some(found) = self.hasher.take().map(Hasher::finish)
            && found != self.expected
        {
            let expected = self.expected.clone();
            return Err(Error::Mismatch { what: "the content", expected, found }.into());
        }
        Ok(length)
    }
}
