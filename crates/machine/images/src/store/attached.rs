//! What says something about an image of this store: attestations, SBOMs, signatures.
//!
//! `referrers/<algorithm>-<hex>.json` is an index of the manifests that have this digest as their
//! subject, as a registry's referrers API would list them. One that cosign keeps under a tag that
//! stands for the digest (`sha256-….sig`) has that tag as its `org.opencontainers.image.ref.name`,
//! and is not listed as a referrer. Whoever keeps the subject keeps all of it, and it goes with it.

use super::index::INDEX_LIMIT_BYTES;
use super::lock::{Lock, Mode};
use super::{Store, temporary};
use crate::error::{Error, Result};
use crate::remote::Document;
use std::fs;
use std::io::{Read, Write as _};
use teu_oci::image::{ANNOTATION_REF_NAME, Descriptor, Index, Manifest};
use teu_oci::{Digest, media};

/// Manifests about one.
pub const REFERRERS_LIMIT: usize = 1000;
const FOLDER: &str = "referrers";

/// An artifact with one blob, to be attached to an image.
#[derive(Debug, Clone)]
pub struct NewArtifact<'a> {
    /// What kind of artifact.
    pub kind: &'a str,
    /// Its blob's media type.
    pub media_type: &'a str,
    /// Its blob.
    pub bytes: &'a [u8],
    /// Of the blob and of the manifest.
    pub annotations: std::collections::BTreeMap<String, String>,
}

impl Store {
    /// Everything that is attached to a digest, signatures under a tag included.
    pub fn attached(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let path = self.path(FOLDER).join(name(subject));
        let mut bytes = Vec::new();
        match fs::File::open(&path) {
            Ok(file) => file.take(INDEX_LIMIT_BYTES).read_to_end(&mut bytes),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => Err(source),
        }
        .map_err(|e| Error::io("read", &path, e))?;
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|e| Error::document(path.display().to_string(), e))?;
        Ok(index.manifests)
    }

    /// Stores an artifact about a manifest or index of this store; gives its descriptor.
    pub fn attach_new(&self, subject: &Descriptor, new: &NewArtifact<'_>) -> Result<Descriptor> {
        let mut blob = self.put_blob(new.media_type, new.bytes)?;
        blob.annotations.clone_from(&new.annotations);
        let config = self.put_blob(media::EMPTY, b"{}")?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: Some(new.kind.to_owned()),
            config,
            layers: vec![blob],
            subject: Some(bare(subject)),
            annotations: new.annotations.clone(),
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|e| Error::document("a manifest", e))?;
        let descriptor =
            Descriptor::new(media::MANIFEST, Digest::sha256(&bytes), bytes.len() as u64);
        let document = Document { descriptor, bytes };
        // What was said before of the same kind is said anew.
        let same = |old: &Descriptor| {
            old.artifact_type.as_deref() == Some(new.kind) && old.annotations == new.annotations
        };
        self.attach_instead(&subject.digest, &document, None, &same)?;
        Ok(document.descriptor)
    }

    /// Stores a manifest, whose blobs are here, as one about `subject`; under a tag of its own where
    /// it is known by that.
    pub fn attach(&self, subject: &Digest, document: &Document, tag: Option<&str>) -> Result<()> {
        // A tag leads to one manifest.
        let same = |old: &Descriptor| tag.is_some() && tag_of(old) == tag;
        self.attach_instead(subject, document, tag, &same)
    }

    fn attach_instead(
        &self,
        subject: &Digest,
        document: &Document,
        tag: Option<&str>,
        replaces: &dyn Fn(&Descriptor) -> bool,
    ) -> Result<()> {
        let mut ingest = self.ingest_for(&document.descriptor.digest)?;
        ingest
            .write_all(&document.bytes)
            .map_err(|e| Error::stream("write to the image store", e))?;
        ingest.commit_verified(&document.descriptor)?;
        self.claim([subject, &document.descriptor.digest])?;
        let _content = self.content_lock(Mode::Shared)?;
        if !self.has_blob(subject) {
            return Err(Error::Missing { digest: subject.clone(), what: "what it is about" });
        }
        self.sync()?;
        let _lock = Lock::wait(&self.path("lock"), Mode::Exclusive)?;
        let mut after = self.attached(subject)?;
        let entry = entry(document, tag);
        let is_it = |old: &Descriptor| old.digest == entry.digest && tag_of(old) == tag;
        after.retain(|old| !is_it(old) && !replaces(old));
        after.push(entry);
        if after.len() > REFERRERS_LIMIT {
            let limit = REFERRERS_LIMIT as u64;
            return Err(Error::Limit {
                what: "what is attached to an image",
                limit,
                unit: "manifests",
            });
        }
        self.write_attached(subject, after)
    }

    fn write_attached(&self, subject: &Digest, entries: Vec<Descriptor>) -> Result<()> {
        let folder = self.path(FOLDER);
        fs::create_dir_all(&folder).map_err(|e| Error::io("create directory", &folder, e))?;
        let document = crate::transfer::copy::index_over(entries, crate::transfer::Dialect::Oci)?;
        temporary::write_durably(&self.tmp(), &folder.join(name(subject)), &document.bytes)
    }

    /// Forgets what was attached to what is gone; to be called under the content lock.
    pub(super) fn forget_attached(&self) {
        for found in fs::read_dir(self.path(FOLDER)).into_iter().flatten().flatten() {
            let file = found.file_name();
            let subject = file.to_str().and_then(|name| name.strip_suffix(".json"));
            let subject: Option<Digest> =
                subject.and_then(|name| name.replacen('-', ":", 1).parse().ok());
            if subject.is_some_and(|subject| !self.has_blob(&subject)) {
                // What stays is forgotten the next time.
                let _ = fs::remove_file(found.path());
            }
        }
    }
}

/// Nothing but type, digest and size, as a `subject` has it.
pub(crate) fn bare(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), descriptor.size)
}

/// A manifest as a list of referrers has it.
pub(crate) fn entry(document: &Document, tag: Option<&str>) -> Descriptor {
    let mut entry = bare(&document.descriptor);
    if let Ok(manifest) = Manifest::parse(&document.bytes, &document.descriptor.media_type) {
        entry.artifact_type = Some(manifest.artifact_type.unwrap_or(manifest.config.media_type));
        entry.annotations = manifest.annotations;
    }
    entry.annotations.remove(ANNOTATION_REF_NAME);
    if let Some(tag) = tag {
        entry.annotations.insert(ANNOTATION_REF_NAME.to_owned(), tag.to_owned());
    }
    entry
}

/// The tag that one is known by.
pub(crate) fn tag_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(ANNOTATION_REF_NAME).map(String::as_str)
}

fn name(subject: &Digest) -> String {
    format!("{}-{}.json", subject.algorithm(), subject.hex())
}
