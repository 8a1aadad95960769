//! A registry as a source and as a sink.

use super::image::{Blob, Found, Sink, Source};
use super::progress::State;
use super::trust::check;
use crate::error::{Error, Result};
use crate::remote::{Client, Document, Purpose, RemoteError, Repository};
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Reference, media};

/// Reads from a repository, or from the first of its mirrors that has the image.
#[derive(Debug)]
pub struct RegistrySource {
    client: Client,
    name: Reference,
    allows_foreign: bool,
    is_looked_at: bool,
    found: OnceLock<Spot>,
}

/// Where the image was found.
#[derive(Debug)]
struct Spot {
    repository: Repository,
    root: Document,
    /// The policy is content with it and all that it leads to; else each image must be by itself.
    is_covered: bool,
}

impl RegistrySource {
    /// Nothing is asked yet.
    pub fn new(client: &Client, name: &Reference, allows_foreign: bool) -> Self {
        let (client, name) = (client.clone(), name.clone());
        Self { client, name, allows_foreign, is_looked_at: false, found: OnceLock::new() }
    }

    /// To be shown to a person, and used for nothing: the policy is not asked.
    #[must_use]
    pub fn to_look_at(mut self) -> Self {
        self.is_looked_at = true;
        self
    }

    /// Where the image was found.
    pub fn repository(&self) -> Result<&Repository> {
        Ok(&self.find()?.repository)
    }

    fn find(&self) -> Result<&Spot> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let candidates = self.client.repositories(&self.name, Purpose::Read)?;
        let last = candidates.len().saturating_sub(1);
        let mut first_error = None;
        for (number, candidate) in candidates.into_iter().enumerate() {
            let tried = candidate.connect().and_then(|repository| {
                let document = repository.manifest(&repository.target())?;
                Ok((repository, document))
            });
            match tried {
                Ok((repository, root)) => {
                    let is_covered = self.is_covered(&repository, &root)?;
                    let found = Spot { repository, root, is_covered };
                    return Ok(self.found.get_or_init(|| found));
                }
                // A mirror that lacks it, or is down, is no reason to fail.
                Err(error) if number < last => {
                    first_error.get_or_insert(error);
                }
                // What the registry itself says counts, unless it could not be asked at all.
                Err(RemoteError::Transport { host, source }) => {
                    let own = RemoteError::Transport { host, source };
                    return Err(first_error.take().unwrap_or(own).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RemoteError::Blocked(self.name.registry.clone()).into())
    }

    /// Asks the policy, before anything but the manifest or index is fetched. An index that is not
    /// signed may hold images that are.
    fn is_covered(&self, repository: &Repository, root: &Document) -> Result<bool> {
        let Some(policy) = self.client.policy().filter(|_| !self.is_looked_at) else {
            return Ok(true);
        };
        match check(policy, repository, &root.descriptor.digest, &self.name) {
            Ok(()) => Ok(true),
            Err(Error::Remote(error))
                if media::is_index(&root.descriptor.media_type)
                    && matches!(*error, RemoteError::Policy { .. })
                    && policy.needed(&self.name).is_ok() =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Source for RegistrySource {
    fn root(&self) -> Result<Document> {
        Ok(self.find()?.root.clone())
    }

    fn document(&self, wanted: &Descriptor) -> Result<Document> {
        let found = self.find()?;
        if let Some(policy) = self.client.policy().filter(|_| !found.is_covered) {
            check(policy, &found.repository, &wanted.digest, &self.name)?;
        }
        let mut document = self.repository()?.manifest(wanted.digest.as_str())?;
        if document.descriptor.size != wanted.size {
            let (digest, expected) = (wanted.digest.clone(), wanted.size);
            return Err(Error::Size { digest, expected, found: document.descriptor.size });
        }
        if document.descriptor.media_type != wanted.media_type {
            return Err(Error::Confused {
                digest: wanted.digest.clone(),
                expected: wanted.media_type.chars().take(120).collect(),
                found: document.descriptor.media_type,
            });
        }
        document.descriptor = wanted.clone();
        Ok(document)
    }

    fn blob(&self, wanted: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let repository = self.repository()?;
        match repository.blob(wanted, offset) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if error.is_absent() && !wanted.urls.is_empty() => {
                if !self.allows_foreign {
                    return Err(RemoteError::Foreign(wanted.digest.clone()).into());
                }
                Ok(repository.foreign(wanted, offset)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        Ok(self.repository()?.referrers(digest)?)
    }

    fn referrer(&self, wanted: &Descriptor) -> Result<Document> {
        Ok(self.repository()?.manifest(wanted.digest.as_str())?)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Document>> {
        match self.repository()?.manifest(tag) {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn place(&self) -> Option<(String, String)> {
        let (host, name) = self.found.get()?.repository.place();
        Some((host.to_owned(), name.to_owned()))
    }
}

/// Writes to a repository.
#[derive(Debug)]
pub struct RegistrySink {
    repository: Repository,
}

impl RegistrySink {
    /// Connects to the registry itself, never to a mirror.
    pub fn new(client: &Client, name: &Reference) -> Result<Self> {
        Ok(Self { repository: client.repository(name, Purpose::Write)? })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }
}

impl Sink for RegistrySink {
    fn has_blob(&self, blob: &Descriptor, from: Option<&(String, String)>) -> Result<Found> {
        if self.repository.has_blob(&blob.digest)? {
            return Ok(Found::Exists);
        }
        let (host, own) = self.repository.place();
        if let Some((there, from)) = from
            && there == host
            && from != own
            && self.repository.mount(&blob.digest, from)?
        {
            return Ok(Found::Mounted(from.clone()));
        }
        Ok(Found::Absent)
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        let open = |offset| counted(blob, offset);
        self.repository.upload(blob.descriptor, &open)?;
        blob.progress.layer(&blob.descriptor.digest, State::Moved);
        Ok(())
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        let reference = match is_root {
            true => self.repository.target(),
            false => document.descriptor.digest.to_string(),
        };
        Ok(self.repository.put_manifest(&reference, document)?)
    }

    fn put_referrer(&self, document: &Document, _: &Digest, tag: Option<&str>) -> Result<()> {
        let reference = tag.unwrap_or_else(|| document.descriptor.digest.as_str());
        Ok(self.repository.put_manifest(reference, document)?)
    }

    fn holds_referrers(&self) -> bool {
        true
    }

    fn wants_compressed(&self) -> bool {
        true
    }
}

fn counted<'p>(blob: &'p Blob<'_>, offset: u64) -> Result<Box<dyn Read + Send + 'p>> {
    Ok(Box::new(Counting::new((blob.open)(offset)?, offset, blob)))
}

/// Between two notices of how far a blob is.
const NOTICE: Duration = Duration::from_millis(100);

/// A stream that tells how much of it has passed.
#[derive(Debug)]
pub struct Counting<'p, 'a, R> {
    inner: R,
    done: u64,
    told: Option<Instant>,
    blob: &'p Blob<'a>,
}

impl<'p, 'a, R: Read> Counting<'p, 'a, R> {
    /// Wraps a blob's stream that begins at an offset.
    pub fn new(inner: R, offset: u64, blob: &'p Blob<'a>) -> Self {
        Self { inner, done: offset, told: None, blob }
    }
}

impl<R: Read> Read for Counting<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.done += length as u64;
        if self.told.is_none_or(|told| told.elapsed() >= NOTICE) {
            if self.blob.progress.is_given_up() {
                return Err(Error::GivenUp.into());
            }
            self.told = Some(Instant::now());
            let (done, total) = (self.done, self.blob.descriptor.size);
            self.blob.progress.layer(&self.blob.descriptor.digest, State::Moving { done, total });
        }
        Ok(length)
    }
}
