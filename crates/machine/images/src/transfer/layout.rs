//! Archives and OCI layouts as sinks: `oci:`, `oci-archive:`, `docker-archive:`.
//!
//! A layout is a directory that others may use at the same time: blobs appear by rename, `index.json`
//! last. An archive appears at its place when it is whole; Docker's has an
//! OCI layout around its own table, so that nothing of the image is lost.

use super::image::{Blob, Found, Sink, View};
use super::progress::State;
use super::registry::Counting;
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::attached;
use crate::tar::{Builder, Kind, WriteEntry};
use crate::whole::WholeFile;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use teu_oci::image::{ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, Descriptor, Index};
use teu_oci::{Digest, Reference, media};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Bytes of a layout's `index.json`.
const INDEX_LIMIT_BYTES: u64 = 16 << 20;

/// An entry of `index.json`. A name that is no reference stays as it is.
fn entry(document: &Document, name: Option<&str>) -> Descriptor {
    let mut entry = document.descriptor.clone();
    entry.annotations.remove(ANNOTATION_REF_NAME);
    entry.annotations.remove(ANNOTATION_IMAGE_NAME);
    if let Some(name) = name {
        entry.annotations.insert(ANNOTATION_REF_NAME.to_owned(), name.to_owned());
        if let Some(full) = name.parse::<Reference>().ok().filter(|_| name.contains([':', '/'])) {
            entry.annotations.insert(ANNOTATION_IMAGE_NAME.to_owned(), full.to_string());
        }
    }
    entry
}

fn empty() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    }
}

fn json(what: &str, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::document(what, e))
}

/// Lists what says something about images: without a name, or under a tag that stands for a digest.
fn add_referrers(index: &mut Index, referrers: &[Descriptor]) {
    let name = |entry: &Descriptor| entry.annotations.get(ANNOTATION_REF_NAME).cloned();
    for entry in referrers {
        let is_same = |old: &Descriptor| match name(entry) {
            Some(tag) => name(old) == Some(tag),
            None => name(old).is_none() && old.digest == entry.digest,
        };
        index.manifests.retain(|old| !is_same(old));
        index.manifests.push(entry.clone());
    }
}

/// Writes a directory.
#[derive(Debug)]
pub struct LayoutSink {
    dir: PathBuf,
    name: Option<String>,
    root: Mutex<Option<Document>>,
    referrers: Mutex<Vec<Descriptor>>,
}

impl LayoutSink {
    /// Will make the directory, or add to the layout that is there.
    pub fn new(dir: &Path, name: Option<&str>) -> Self {
        let name = name.map(str::to_owned);
        let (root, referrers) = (Mutex::new(None), Mutex::default());
        Self { dir: dir.to_path_buf(), name, root, referrers }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    fn write(&self, digest: &Digest, source: &mut dyn Read) -> Result<()> {
        let place = self.path(digest);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io("create directory", parent, e))?;
        }
        write_whole(&place, source)
    }
}

/// Writes a file whole.
pub(super) fn write_whole(place: &Path, source: &mut dyn Read) -> Result<()> {
    let written = WholeFile::create(place).and_then(|mut file| {
        std::io::copy(source, &mut file)?;
        file.file().sync_data()?;
        file.put()
    });
    written.map_err(|source| match Error::stream("write", source) {
        Error::Stream { source, .. } => Error::io("write", place, source),
        own => own,
    })
}

impl Sink for LayoutSink {
    fn prepare(&self) -> Result<()> {
        let dir = &self.dir;
        fs::create_dir_all(dir.join("blobs/sha256"))
            .map_err(|e| Error::io("create directory", dir, e))?;
        let layout = dir.join("oci-layout");
        match layout.exists() {
            true => Ok(()),
            false => fs::write(&layout, LAYOUT).map_err(|e| Error::io("write", layout, e)),
        }
    }

    fn has_blob(&self, blob: &Descriptor, _: Option<&(String, String)>) -> Result<Found> {
        let size = self.path(&blob.digest).metadata().map(|found| found.len()).ok();
        Ok(if size == Some(blob.size) { Found::Exists } else { Found::Absent })
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        let mut source = Counting::new((blob.open)(0)?, 0, blob);
        self.write(&blob.descriptor.digest, &mut source)?;
        blob.progress.layer(&blob.descriptor.digest, State::Moved);
        Ok(())
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        self.write(&document.descriptor.digest, &mut document.bytes.as_slice())?;
        if is_root {
            *self.root.lock().unwrap_or_else(|p| p.into_inner()) = Some(document.clone());
        }
        Ok(())
    }

    fn put_referrer(&self, document: &Document, _: &Digest, tag: Option<&str>) -> Result<()> {
        self.put_document(document, false)?;
        let entry = attached::entry(document, tag);
        self.referrers.lock().unwrap_or_else(|p| p.into_inner()).push(entry);
        Ok(())
    }

    fn holds_referrers(&self) -> bool {
        true
    }

    fn finish(&self) -> Result<()> {
        let root = self.root.lock().unwrap_or_else(|p| p.into_inner()).take();
        let Some(root) = root else { return Ok(()) };
        let path = self.dir.join("index.json");
        let mut index = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(INDEX_LIMIT_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(|e| Error::io("read", &path, e))?;
                serde_json::from_slice(&bytes)
                    .map_err(|e| Error::document(path.display().to_string(), e))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => empty(),
            Err(error) => return Err(Error::io("read", path, error)),
        };
        let entry = entry(&root, self.name.as_deref());
        let name = |entry: &Descriptor| entry.annotations.get(ANNOTATION_REF_NAME).cloned();
        index.manifests.retain(|old| {
            name(old) != name(&entry) || (name(&entry).is_none() && old.digest != entry.digest)
        });
        index.manifests.push(entry);
        let referrers = self.referrers.lock().unwrap_or_else(|p| p.into_inner());
        add_referrers(&mut index, &referrers);
        write_whole(&path, &mut json("index.json", &index)?.as_slice())
    }
}

/// What an archive's table of content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// An OCI layout.
    Oci,
    /// `manifest.json`, and an OCI layout.
    Docker,
}

/// Writes a tar.
#[derive(Debug)]
pub struct ArchiveSink {
    kind: ArchiveKind,
    place: PathBuf,
    name: Option<String>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    tar: Option<Builder<BufWriter<WholeFile>>>,
    seen: HashSet<Digest>,
    view: Option<View>,
    root: Option<Document>,
    referrers: Vec<Descriptor>,
}

impl ArchiveSink {
    /// Begins an archive that will be at its place.
    pub fn new(kind: ArchiveKind, place: &Path, name: Option<&str>) -> Result<Self> {
        let file = WholeFile::create(place).map_err(|e| Error::io("create", place, e))?;
        let mut tar = Builder::new(BufWriter::with_capacity(1 << 20, file));
        append(&mut tar, "oci-layout", LAYOUT.as_bytes())?;
        for directory in ["blobs/", "blobs/sha256/"] {
            let entry = WriteEntry::new(directory.as_bytes(), Kind::Directory, 0o755, 0);
            tar.start(&entry).map_err(written)?;
        }
        let inner = Inner {
            tar: Some(tar),
            seen: HashSet::new(),
            view: None,
            root: None,
            referrers: Vec::new(),
        };
        let (place, name) = (place.to_path_buf(), name.map(str::to_owned));
        Ok(Self { kind, place, name, inner: Mutex::new(inner) })
    }

    fn add(&self, descriptor: &Descriptor, source: &mut dyn Read) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !inner.seen.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        let Some(tar) = &mut inner.tar else { return Ok(()) };
        let name = member(&descriptor.digest);
        let entry = WriteEntry::new(name.as_bytes(), Kind::File, 0o644, descriptor.size);
        tar.start(&entry).map_err(written)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let length = source.read(&mut buffer).map_err(|e| Error::stream("read the blob", e))?;
            if length == 0 {
                return Ok(());
            }
            tar.content(&buffer[..length]).map_err(written)?;
        }
    }
}

fn written(error: std::io::Error) -> Error {
    Error::stream("write the archive", error)
}

fn member(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn append(tar: &mut Builder<BufWriter<WholeFile>>, name: &str, bytes: &[u8]) -> Result<()> {
    let entry = WriteEntry::new(name.as_bytes(), Kind::File, 0o644, bytes.len() as u64);
    tar.append(&entry, bytes).map_err(written)
}

/// Docker's table, for one image.
fn table(view: &View, name: Option<&str>) -> serde_json::Value {
    let familiar = name.and_then(|name| name.parse::<Reference>().ok()).map(|r| r.familiar());
    let layers: Vec<String> = view.manifest.layers.iter().map(|l| member(&l.digest)).collect();
    serde_json::json!([{
        "Config": member(&view.manifest.config.digest),
        "RepoTags": familiar.map(|name| vec![name]),
        "Layers": layers,
    }])
}

impl Sink for ArchiveSink {
    fn has_blob(&self, blob: &Descriptor, _: Option<&(String, String)>) -> Result<Found> {
        let inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(if inner.seen.contains(&blob.digest) { Found::Exists } else { Found::Absent })
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        let mut source = Counting::new((blob.open)(0)?, 0, blob);
        self.add(blob.descriptor, &mut source)?;
        blob.progress.layer(&blob.descriptor.digest, State::Moved);
        Ok(())
    }

    fn end(&self, view: &View) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        inner.view = Some(view.clone());
        Ok(())
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        self.add(&document.descriptor, &mut document.bytes.as_slice())?;
        if is_root {
            let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            inner.root = Some(document.clone());
        }
        Ok(())
    }

    fn put_referrer(&self, document: &Document, _: &Digest, tag: Option<&str>) -> Result<()> {
        self.put_document(document, false)?;
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        inner.referrers.push(attached::entry(document, tag));
        Ok(())
    }

    fn holds_referrers(&self) -> bool {
        self.kind == ArchiveKind::Oci
    }

    fn finish(&self) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (Some(mut tar), Some(root)) = (inner.tar.take(), inner.root.take()) else {
            return Ok(());
        };
        let mut index = empty();
        index.manifests.push(entry(&root, self.name.as_deref()));
        add_referrers(&mut index, &inner.referrers);
        append(&mut tar, "index.json", &json("index.json", &index)?)?;
        if let (ArchiveKind::Docker, Some(view)) = (self.kind, &inner.view) {
            let table = json("manifest.json", &table(view, self.name.as_deref()))?;
            append(&mut tar, "manifest.json", &table)?;
        }
        let out = tar.finish().map_err(written)?;
        let whole = out.into_inner().map_err(|error| written(error.into_error()))?;
        whole.file().sync_data().map_err(written)?;
        whole.put().map_err(|e| Error::io("put in place", &self.place, e))
    }

    fn holds_index(&self) -> bool {
        self.kind == ArchiveKind::Oci
    }
}
