//! A cache in a directory of the client: each piece is asked for when it is wanted, and comes as a
//! file. What comes is checked by its digest like anything else.

use crate::request::Vault;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use teu_images::remote::Document;
use teu_images::transfer::Source;
use teu_images::{Error, Limits, Result};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, media};

/// Asks the client.
pub(super) struct ClientSource<'a> {
    pub(super) vault: &'a (dyn Vault + Sync),
    pub(super) store: String,
    pub(super) root: Digest,
}

impl ClientSource<'_> {
    fn open(&self, digest: &Digest) -> Result<File> {
        let asked = self.vault.content(&self.store, digest);
        let path = asked.map_err(|problem| {
            Error::stream("ask the client for its cache", std::io::Error::other(problem))
        })?;
        let missing = || Error::Missing { digest: digest.clone(), what: "content of the cache" };
        let path = path.ok_or_else(missing)?;
        File::open(&path).map_err(|e| Error::io("open", &path, e))
    }

    fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let limit = Limits::DEFAULT.manifest_bytes;
        let mut bytes = Vec::new();
        let read = self.open(digest)?.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|e| Error::stream("read the client's cache", e))?;
        if bytes.len() as u64 > limit {
            return Err(Error::Limit { what: "a manifest", limit, unit: "bytes" });
        }
        let found = Digest::sha256(&bytes);
        match found == *digest {
            true => Ok(bytes),
            false => {
                let expected = digest.clone();
                Err(Error::Mismatch { what: "a manifest of the cache", expected, found })
            }
        }
    }
}

impl Source for ClientSource<'_> {
    fn root(&self) -> Result<Document> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let bytes = self.read(&self.root)?;
        let shape: Shape =
            serde_json::from_slice(&bytes).map_err(|e| Error::document("a cache's manifest", e))?;
        // A store knows no types; documents need not state theirs.
        let media_type = shape.media_type.unwrap_or_else(|| match shape.manifests {
            Some(_) => media::INDEX.to_owned(),
            None => media::MANIFEST.to_owned(),
        });
        let descriptor = Descriptor::new(&media_type, self.root.clone(), bytes.len() as u64);
        Ok(Document { descriptor, bytes })
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        Ok(Document { descriptor: wanted.clone(), bytes: self.read(&wanted.digest)? })
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let mut file = self.open(&wanted.digest)?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| Error::stream("read the client's cache", e))?;
        Ok(Box::new(file))
    }
}
