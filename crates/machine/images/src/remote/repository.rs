//! One repository of a registry: manifests, blobs, tags, referrers. Distribution-spec 1.1.
//!
//! Every document that is read is hashed against the digest it was asked for by, or against what the
//! registry says it is; a registry that contradicts itself is refused.

use super::blob::BlobStream;
use super::error::{RemoteError, Result};
use super::http::{Request, Response, host_of};
use super::link;
use super::session::{Session, absolute, escaped, status};
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Reference};

/// Bytes of a manifest or index.
pub const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;
/// Bytes of one page of a list.
const PAGE_LIMIT_BYTES: u64 = 8 << 20;
/// Pages of a list.
const PAGES_LIMIT: usize = 10_000;
/// Entries of a list.
const ENTRIES_LIMIT: usize = 1_000_000;
/// Entries that are asked for at once.
const PAGE_ENTRIES: usize = 1000;

/// Every kind of document that is understood.
const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json"
);

/// A document with what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes, which have that digest.
    pub bytes: Vec<u8>,
}

/// A repository, connected.
#[derive(Debug, Clone)]
pub struct Repository(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) session: Session,
    /// Its name at the server.
    pub(super) repository: String,
    /// The name a person gave.
    pub(super) name: Reference,
}

impl Repository {
    pub(super) fn new(session: Session, repository: String, name: Reference) -> Self {
        Self(Arc::new(Inner { session, repository, name }))
    }

    /// The name that was asked for.
    pub fn name(&self) -> &Reference {
        &self.0.name
    }

    /// The server's host and the repository's name there, for mounts.
    pub fn place(&self) -> (&str, &str) {
        (host_of(&self.0.session.base), &self.0.repository)
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.0.session.base, self.0.repository)
    }

    pub(super) fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.0.repository)
    }

    pub(super) fn what(&self, kind: &str, reference: &str) -> String {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let Inner { session, repository, .. } = &*self.0;
        format!("{kind} for {}/{repository}{separator}{reference}", session.registry)
    }

    /// What the name says: its digest, or else its tag.
    pub fn target(&self) -> String {
        let name = &self.0.name;
        match (&name.digest, &name.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => teu_oci::reference::DEFAULT_TAG.to_owned(),
        }
    }

    /// Reads a manifest or index by tag or digest.
    pub fn manifest(&self, reference: &str) -> Result<Document> {
        let url = self.url(&format!("manifests/{reference}"));
        let make = || Request::new("GET", url.clone()).header("accept", ACCEPT);
        let response = self.0.session.send(&self.scope("pull"), &make, None)?;
        if response.status != 200 {
            let what = self.what("manifest", reference);
            return Err(self.0.session.refusal(&what, "GET the manifest", response));
        }
        let media_type = media_type(&response);
        let stated = response.header("docker-content-digest").map(str::to_owned);
        let bytes = response.bytes("a manifest", MANIFEST_LIMIT_BYTES)?;
        self.check(reference, &stated, media_type, bytes)
    }

    /// Finds the type a document states, and checks its digest.
    fn check(
        &self,
        reference: &str,
        stated: &Option<String>,
        media_type: Option<String>,
        bytes: Vec<u8>,
    ) -> Result<Document> {
        let wrong = |reason: String| self.0.session.protocol("GET the manifest", reason);
        let wanted: Option<Digest> = match reference.parse() {
            Ok(digest) => Some(digest),
            Err(_) => match stated {
                Some(text) => Some(text.parse().map_err(|e| wrong(format!("{e}")))?),
                None => None,
            },
        };
        let digest = crate::store::blob::digest_like(wanted.as_ref(), &bytes);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(wrong(format!(
                "the manifest does not match its digest: expected {wanted}, got {digest}"
            )));
        }
        let media_type = match media_type {
            Some(media_type) => media_type,
            None => stated_type(&bytes)
                .ok_or_else(|| wrong("the manifest has no media type".to_owned()))?,
        };
        if media_type.starts_with("application/vnd.docker.distribution.manifest.v1") {
            let reason = "it is a Docker schema 1 manifest, which no tool writes any more";
            return Err(wrong(reason.to_owned()));
        }
        let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        Ok(Document { descriptor, bytes })
    }

    /// The digest of a tag, without the document; `None` if there is none.
    pub fn head_manifest(&self, reference: &str) -> Result<Option<Descriptor>> {
        let url = self.url(&format!("manifests/{reference}"));
        let make = || Request::new("HEAD", url.clone()).header("accept", ACCEPT);
        let response = self.0.session.send(&self.scope("pull"), &make, None)?;
        match response.status {
            200 => {
                let digest = response.header("docker-content-digest").and_then(|d| d.parse().ok());
                let (Some(digest), Some(size)) = (digest, response.length()) else {
                    return self.manifest(reference).map(|document| Some(document.descriptor));
                };
                let media_type = media_type(&response).unwrap_or_default();
                Ok(Some(Descriptor::new(&media_type, digest, size)))
            }
            404 => Ok(None),
            _ => {
                let what = self.what("manifest", reference);
                Err(self.0.session.refusal(&what, "HEAD the manifest", response))
            }
        }
    }

    /// Stores a manifest or index under a tag or its digest.
    pub fn put_manifest(&self, reference: &str, document: &Document) -> Result<()> {
        let url = self.url(&format!("manifests/{reference}"));
        let media_type = &document.descriptor.media_type;
        let make = || Request::new("PUT", url.clone()).header("content-type", media_type.clone());
        let scope = self.scope("pull,push");
        let response = self.0.session.send(&scope, &make, Some(&document.bytes))?;
        if !matches!(response.status, 200..=202) {
            let what = self.what("manifest", reference);
            return Err(self.0.session.refusal(&what, "PUT the manifest", response));
        }
        let stated = response.header("docker-content-digest").unwrap_or_default();
        if !stated.is_empty() && stated != document.descriptor.digest.as_str() {
            let digest = &document.descriptor.digest;
            let reason =
                format!("it took {digest} for {}", stated.chars().take(100).collect::<String>());
            return Err(self.0.session.protocol("PUT the manifest", reason));
        }
        // A registry that lists referrers says so.
        match response.header("oci-subject") {
            Some(_) => Ok(()),
            None => self.list_as_referrer(document),
        }
    }

    /// Removes a manifest by digest, or a tag where the registry can.
    pub fn delete_manifest(&self, reference: &str) -> Result<()> {
        let url = self.url(&format!("manifests/{reference}"));
        let make = || Request::new("DELETE", url.clone());
        let response = self.0.session.send(&self.scope("delete"), &make, None)?;
        match response.status {
            200 | 202 | 204 => Ok(()),
            _ => {
                let what = self.what("manifest", reference);
                Err(self.0.session.refusal(&what, "DELETE the manifest", response))
            }
        }
    }

    /// Opens a blob from an offset on. The stream survives cut connections; its bytes are for the
    /// caller to hash.
    pub fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobStream> {
        BlobStream::open(self.clone(), descriptor, offset)
    }

    /// A part of a blob: from one byte to before another one, both within it.
    pub fn blob_part(&self, descriptor: &Descriptor, part: Range<u64>) -> Result<BlobStream> {
        BlobStream::part(self.clone(), descriptor, part)
    }

    /// The bytes of a blob; `None` if there is none.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.head_blob(digest)? {
            None => Ok(None),
            Some(response) => match response.length() {
                Some(size) => Ok(Some(size)),
                None => {
                    let reason = format!("it does not say how many bytes {digest} has");
                    Err(self.0.session.protocol("HEAD the blob", reason))
                }
            },
        }
    }

    /// Says whether a blob is there.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        Ok(self.head_blob(digest)?.is_some())
    }

    fn head_blob(&self, digest: &Digest) -> Result<Option<Response>> {
        let url = self.url(&format!("blobs/{digest}"));
        let make = || Request::new("HEAD", url.clone());
        let response = self.0.session.send(&self.scope("pull"), &make, None)?;
        match response.status {
            200 => Ok(Some(response)),
            404 => Ok(None),
            _ => {
                let what = self.what("blob", digest.as_str());
                Err(self.0.session.refusal(&what, "HEAD the blob", response))
            }
        }
    }

    /// All tags, in the registry's order.
    pub fn tags(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let first = self.url(&format!("tags/list?n={PAGE_ENTRIES}"));
        let what = self.what("tags", "").trim_end_matches(':').to_owned();
        self.0.session.pages(&self.scope("pull"), &what, first, |bytes| {
            serde_json::from_slice(bytes).map(|page: Page| page.tags.unwrap_or_default())
        })
    }

    /// All repositories of the registry.
    pub fn catalog(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            repositories: Vec<String>,
        }
        let session = &self.0.session;
        let first = format!("{}/v2/_catalog?n={PAGE_ENTRIES}", session.base);
        let what = format!("catalog of {}", session.registry);
        session.pages("registry:catalog:*", &what, first, |bytes| {
            serde_json::from_slice(bytes).map(|page: Page| page.repositories)
        })
    }

    /// Docker Hub's search; `None` where the registry has none.
    pub fn search(&self, term: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let session = &self.0.session;
        let url = format!("{}/v1/search?q={}&n={limit}", session.base, escaped(term));
        let response = session.send("", &|| Request::new("GET", url.clone()), None)?;
        match response.status {
            200 => response.bytes("the search", PAGE_LIMIT_BYTES).map(Some),
            404 | 405 => Ok(None),
            _ => Err(session.refusal(&session.registry, "GET the search", response)),
        }
    }
}

impl Session {
    /// Reads a list page by page.
    fn pages(
        &self,
        scope: &str,
        what: &str,
        first: String,
        read: impl Fn(&[u8]) -> serde_json::Result<Vec<String>>,
    ) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let mut next = Some(first);
        for _ in 0..PAGES_LIMIT {
            let Some(url) = next else { return Ok(all) };
            let response = self.send(scope, &|| Request::new("GET", url.clone()), None)?;
            if response.status != 200 {
                return Err(self.refusal(what, "GET the list", response));
            }
            let link = response.header("link").and_then(link::next);
            next = link.and_then(|link| absolute(&self.base, link));
            // A next page elsewhere would be a registry's way to send us around.
            next = next.filter(|next| host_of(next) == host_of(&self.base) && *next != url);
            let bytes = response.bytes("a list", PAGE_LIMIT_BYTES)?;
            let page = read(&bytes).map_err(|e| self.protocol("GET the list", e.to_string()))?;
            all.extend(page);
            if all.len() > ENTRIES_LIMIT {
                break;
            }
        }
        let reason = format!("it has more than {ENTRIES_LIMIT} entries or {PAGES_LIMIT} pages");
        Err(self.protocol("GET the list", reason))
    }
}

pub(super) fn media_type(response: &Response) -> Option<String> {
    let header = response.header("content-type")?;
    let media_type = header.split(';').next().unwrap_or_default().trim();
    let is_telling =
        !matches!(media_type, "" | "application/json" | "text/plain" | "application/octet-stream");
    is_telling.then(|| media_type.to_owned())
}

/// `mediaType` of a document whose server does not say.
fn stated_type(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        media_type: Option<String>,
    }
    serde_json::from_slice::<Shape>(bytes).ok()?.media_type
}

/// The error of a stream that was not answered with what was hoped for.
pub(super) fn unexpected(verb: &str, response: Response) -> RemoteError {
    status(verb, response)
}
