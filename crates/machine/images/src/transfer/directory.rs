//! `dir:`, skopeo's plain directory: `manifest.json`, blobs by their hex digits, other manifests of an
//! index as `<hex>.manifest.json`, and a file `version`.

use super::image::{Blob, Found, Sink, Source};
use super::layout::write_whole;
use super::progress::State;
use super::registry::Counting;
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::blob::digest_like;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, media};

const VERSION: &str = "Directory Transport Version: 1.1\n";

/// One image in a directory.
#[derive(Debug)]
pub struct DirectorySource {
    dir: PathBuf,
}

impl DirectorySource {
    /// Nothing is read yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// A file of the directory; links are not followed, they could lead anywhere.
    fn open(&self, name: &str) -> Result<File> {
        let path = self.dir.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::empty()).map(File::from);
        file.map_err(|e| Error::io("open", path, e))
    }

    fn read(&self, name: &str, wanted: Option<&Digest>) -> Result<Document> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let limit = crate::Limits::DEFAULT.manifest_bytes;
        let mut bytes = Vec::new();
        self.open(name)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read", self.dir.join(name), e))?;
        if bytes.len() as u64 > limit {
            return Err(Error::Limit { what: "a manifest", limit, unit: "bytes" });
        }
        let digest = digest_like(wanted, &bytes);
        if let Some(expected) = wanted.filter(|wanted| **wanted != digest) {
            let expected = expected.clone();
            return Err(Error::Mismatch { what: "a manifest", expected, found: digest });
        }
        let shape: Shape = serde_json::from_slice(&bytes).map_err(|e| Error::document(name, e))?;
        // The format has no place for a type; OCI's documents need not state theirs.
        let media_type = shape.media_type.unwrap_or_else(|| match shape.manifests {
            Some(_) => media::INDEX.to_owned(),
            None => media::MANIFEST.to_owned(),
        });
        let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        Ok(Document { descriptor, bytes })
    }
}

impl Source for DirectorySource {
    fn root(&self) -> Result<Document> {
        self.read("manifest.json", None)
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        let name = format!("{}.manifest.json", wanted.digest.hex());
        let mut document = self.read(&name, Some(&wanted.digest))?;
        document.descriptor = wanted.clone();
        Ok(document)
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let mut file = self.open(wanted.digest.hex())?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::stream("read the blob", e))?;
        Ok(Box::new(file))
    }
}

/// Writes a directory.
#[derive(Debug)]
pub struct DirectorySink {
    dir: PathBuf,
}

impl DirectorySink {
    /// Will write there; a directory that holds something else is refused.
    pub fn new(dir: &Path) -> Result<Self> {
        match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("list", dir, error)),
            Ok(mut entries) => {
                if entries.next().is_some() && !dir.join("version").exists() {
                    let source = std::io::Error::from(ErrorKind::DirectoryNotEmpty);
                    return Err(Error::io("use as dir:", dir, source));
                }
            }
        }
        Ok(Self { dir: dir.to_path_buf() })
    }
}

impl Sink for DirectorySink {
    fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.dir).map_err(|e| Error::io("create directory", &self.dir, e))?;
        let version = self.dir.join("version");
        fs::write(&version, VERSION).map_err(|e| Error::io("write", version, e))
    }

    fn has_blob(&self, blob: &Descriptor, _: Option<&(String, String)>) -> Result<Found> {
        let size = self.dir.join(blob.digest.hex()).metadata().map(|found| found.len()).ok();
        Ok(if size == Some(blob.size) { Found::Exists } else { Found::Absent })
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        let mut source = Counting::new((blob.open)(0)?, 0, blob);
        write_whole(&self.dir.join(blob.descriptor.digest.hex()), &mut source)?;
        blob.progress.layer(&blob.descriptor.digest, State::Moved);
        Ok(())
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        let name = match is_root {
            true => "manifest.json".to_owned(),
            false => format!("{}.manifest.json", document.descriptor.digest.hex()),
        };
        write_whole(&self.dir.join(name), &mut document.bytes.as_slice())
    }
}
