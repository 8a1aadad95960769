//! What says something about a manifest: signatures, SBOMs. Distribution-spec, "Referrers".
//!
//! A registry of version 1.1 lists them itself. For others the client keeps a list under a tag that
//! stands for the digest, which two clients at the same time may spoil for each other; the
//! specification knows no better.

use super::error::Result;
use super::http::Request;
use super::repository::{Document, MANIFEST_LIMIT_BYTES, Repository};
use std::collections::BTreeMap;
use teu_oci::image::{Descriptor, Index, Manifest};
use teu_oci::{Digest, media};

/// Entries of a list.
const REFERRERS_LIMIT: usize = 10_000;

/// The tag under which referrers are listed where there is no API for them.
pub fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

impl Repository {
    /// What says something about a manifest: by the API, or by the tag that stands for it.
    pub fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let url = self.url(&format!("referrers/{digest}"));
        let make = || Request::new("GET", url.clone()).header("accept", media::INDEX);
        let response = self.0.session.send(&self.scope("pull"), &make, None)?;
        let bytes = match response.status {
            200 => response.bytes("the referrers", MANIFEST_LIMIT_BYTES)?,
            404 | 400 | 405 => match self.manifest(&fallback_tag(digest)) {
                Ok(document) => document.bytes,
                Err(error) if error.is_absent() => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
            _ => {
                let what = self.what("referrers", digest.as_str());
                return Err(self.0.session.refusal(&what, "GET the referrers", response));
            }
        };
        Ok(self.list(&bytes)?.manifests)
    }

    fn list(&self, bytes: &[u8]) -> Result<Index> {
        let index = Index::parse(bytes, media::INDEX);
        index.map_err(|e| self.0.session.protocol("GET the referrers", e.to_string()))
    }

    /// Adds a manifest that was just stored to the list of its subject, for a registry that does
    /// not do so itself.
    pub(super) fn list_as_referrer(&self, document: &Document) -> Result<()> {
        let Ok(manifest) = Manifest::parse(&document.bytes, &document.descriptor.media_type) else {
            return Ok(());
        };
        let Some(subject) = manifest.subject else { return Ok(()) };
        let tag = fallback_tag(&subject.digest);
        let mut index = match self.manifest(&tag) {
            Ok(document) => self.list(&document.bytes)?,
            Err(error) if error.is_absent() => Index {
                schema_version: 2,
                media_type: Some(media::INDEX.to_owned()),
                artifact_type: None,
                manifests: Vec::new(),
                subject: None,
                annotations: BTreeMap::new(),
            },
            Err(error) => return Err(error),
        };
        let own = &document.descriptor;
        if index.manifests.iter().any(|entry| entry.digest == own.digest) {
            return Ok(());
        }
        if index.manifests.len() >= REFERRERS_LIMIT {
            let reason = format!("it lists more than {REFERRERS_LIMIT} referrers");
            return Err(self.0.session.protocol("GET the referrers", reason));
        }
        let mut entry = Descriptor::new(&own.media_type, own.digest.clone(), own.size);
        let kind = manifest.artifact_type.unwrap_or(manifest.config.media_type);
        entry.artifact_type = Some(kind);
        entry.annotations = manifest.annotations;
        index.manifests.push(entry);
        let bytes = serde_json::to_vec(&index)
            .map_err(|e| self.0.session.protocol("PUT the referrers", e.to_string()))?;
        let digest = Digest::sha256(&bytes);
        let descriptor = Descriptor::new(media::INDEX, digest, bytes.len() as u64);
        self.put_manifest(&tag, &Document { descriptor, bytes })
    }
}
