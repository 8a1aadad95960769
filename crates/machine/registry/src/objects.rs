//! Object storage (S3 and what speaks its language, Azure, Google) beneath the registry: blobs are
//! objects, and a repository's record is a sequence of objects that are each written once.
//!
//! ```text
//! PREFIX/blobs/sha256/HEX         a blob; written when it has been verified
//! PREFIX/ledgers/NAME/00000000N   change N of a repository (NAME: `+` for `/`); created, never replaced
//! PREFIX/wholes/NAME/00000000N    all of it after change N; what came before can go
//! PREFIX/epochs/00000000N         the Nth registry that was started over this storage
//! ```
//!
//! Why the change is a conditional write (`If-None-Match: *`): there is one registry over a storage, and
//! the second one, started by mistake, must not write over what the first has acknowledged. Whoever
//! finds the next number taken by another stops writing. What arrives is on the local disk until its
//! digest is known ([`crate::sessions`]); a push that was acknowledged is wholly in the storage.
//!
//! Collection runs beside pushes: a digest is either being placed or being removed ([`Claims`]).

use crate::records::Note;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use teu_images::{Error, Hasher, Result};
use teu_oci::Digest;
use teu_web::Body;
use tokio::runtime::Handle;

mod body;
mod claims;
mod http;
mod log;
mod place;
mod settings;

pub use claims::{Claim, Claims};
pub use log::ObjectLog;
pub use settings::{StorageConfig, StorageError};

/// A signed address is good for so long.
const SIGNED_LIFE: Duration = Duration::from_secs(900);
/// Objects that are read or removed at a time.
const AT_ONCE: usize = 16;

/// An object storage, opened.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    prefix: Path,
    runtime: Handle,
    /// Which registry of this storage this is.
    epoch: String,
    /// Who places and who removes.
    pub claims: Claims,
}

impl Objects {
    /// Opens a storage and becomes its registry. Blocks; what it does later runs on this runtime.
    pub fn open(
        config: &StorageConfig,
        outside: &crate::upstreams::Outside,
        runtime: Handle,
    ) -> std::result::Result<Self, StorageError> {
        let settings::Opened { store, signer, prefix } = settings::open(config, outside)?;
        let signer = signer.filter(|_| config.redirect);
        let claims = Claims::default();
        let mut objects = Self { store, signer, prefix, runtime, epoch: String::new(), claims };
        objects.epoch = objects.begin_epoch().map_err(StorageError::Unusable)?;
        Ok(objects)
    }

    /// Runs to its end what only threads that may block wait for.
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn path(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.prefix.clone(), |path, part| path.join(*part))
    }

    fn blob_path(&self, digest: &Digest) -> Path {
        self.path(&["blobs", digest.algorithm(), digest.hex()])
    }

    /// Takes the next number; who takes it writes, and who had the one before no longer does.
    fn begin_epoch(&self) -> Result<String> {
        let who = crate::sessions::random_id();
        let mut next = self.numbers(&["epochs"])?.last().map_or(1, |last| last + 1);
        loop {
            let path = self.path(&["epochs", &number(next)]);
            if self.create(&path, who.clone().into())? {
                break;
            }
            next += 1;
        }
        for old in self.numbers(&["epochs"])?.into_iter().filter(|old| *old < next) {
            self.remove(&self.path(&["epochs", &number(old)]))?;
        }
        Ok(number(next))
    }

    /// Fails if another registry was started over this storage.
    pub fn check_epoch(&self) -> Result<()> {
        let newest = self.numbers(&["epochs"])?.pop().map(number);
        match newest.is_some_and(|newest| newest > self.epoch) {
            true => Err(taken_over()),
            false => Ok(()),
        }
    }

    /// The numbers that lie somewhere, in order. Blocks.
    fn numbers(&self, parts: &[&str]) -> Result<Vec<u64>> {
        let dir = self.path(parts);
        let listed = self.store.list(Some(&dir)).map_ok(|found| found.location);
        let paths: Vec<Path> =
            self.wait(listed.try_collect()).map_err(failed("list the object storage"))?;
        let numbers = paths.iter().filter_map(|path| path.filename()?.parse().ok());
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Writes an object that must not be there; says whether it was not. Blocks.
    fn create(&self, path: &Path, bytes: Bytes) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.wait(self.store.put_opts(path, bytes.clone().into(), options)) {
            Ok(_) => Ok(true),
            // It may be ours, written by a request whose answer was lost.
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(self.get(path)?.is_some_and(|found| found == bytes)),
            Err(error) => Err(failed("write to the object storage")(error)),
        }
    }

    fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let read = async { self.store.get(path).await?.bytes().await };
        match self.wait(read) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read from the object storage")(error)),
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.wait(self.store.delete(path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove from the object storage")(error)),
        }
    }

    /// The bytes of a blob that is there. Blocks.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        match self.wait(self.store.head(&self.blob_path(digest))) {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look into the object storage")(error)),
        }
    }

    /// A small blob, verified. Blocks.
    pub fn read_blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Vec<u8>> {
        let missing = || Error::Missing { digest: digest.clone(), what: "a blob" };
        if self.blob_size(digest)?.ok_or_else(missing)? > limit_bytes {
            return Err(Error::Limit { what: "a document", limit: limit_bytes, unit: "bytes" });
        }
        let bytes = self.get(&self.blob_path(digest))?.ok_or_else(missing)?;
        let mut hasher = Hasher::like(digest);
        hasher.update(&bytes);
        let found = hasher.finish();
        match found == *digest {
            true => Ok(bytes.into()),
            false => Err(Error::Corrupted { expected: digest.clone(), found }),
        }
    }

    /// A range of a blob, as it comes.
    pub async fn body(&self, digest: &Digest, range: Range<u64>) -> Result<Body> {
        if range.is_empty() {
            return Ok(Body::empty());
        }
        let length = range.end - range.start;
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&self.blob_path(digest), options).await;
        let found = found.map_err(failed("read from the object storage"))?;
        Ok(Body::boxed(body::ObjectBody::new(found.into_stream(), length)))
    }

    /// Where a client can fetch a blob itself, if that is wanted.
    pub async fn signed(&self, digest: &Digest) -> Result<Option<String>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let path = self.blob_path(digest);
        let signed = signer.signed_url(::http::Method::GET, &path, SIGNED_LIFE);
        Ok(Some(signed.await.map_err(failed("sign for the object storage"))?.to_string()))
    }

    /// Removes blobs that nobody needs by what `is_needed` says at that moment. Blocks.
    pub fn collect(
        &self,
        digests: impl IntoIterator<Item = Digest>,
        is_needed: impl Fn(&Digest) -> bool,
    ) -> Result<()> {
        self.check_epoch()?;
        for digest in digests {
            let Some(_removing) = self.claims.remove(&digest, || is_needed(&digest)) else {
                continue;
            };
            self.remove(&self.blob_path(&digest))?;
        }
        Ok(())
    }

    /// Blobs that came before this time: what a killed push has left is among them. Blocks.
    pub fn blobs_before(&self, seconds: u64) -> Result<Vec<Digest>> {
        let dir = self.path(&["blobs"]);
        let listed = self.store.list(Some(&dir)).try_collect::<Vec<_>>();
        let listed = self.wait(listed).map_err(failed("list the object storage"))?;
        let old = listed
            .into_iter()
            .filter(|found| u64::try_from(found.last_modified.timestamp()).unwrap_or(0) < seconds);
        Ok(old.filter_map(|found| digest_of(&found.location)).collect())
    }

    /// The names of all repositories' files. Blocks.
    pub fn ledger_names(&self) -> Result<HashSet<String>> {
        let mut names = HashSet::new();
        for kind in ["ledgers", "wholes"] {
            let listed = self.wait(self.store.list_with_delimiter(Some(&self.path(&[kind]))));
            let listed = listed.map_err(failed("list the object storage"))?;
            names.extend(
                listed.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned),
            );
        }
        Ok(names)
    }
}

/// One change, as it is stored.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Change {
    /// Who wrote it, so that nobody takes another's for its own.
    by: String,
    notes: Vec<Note>,
}

fn number(number: u64) -> String {
    format!("{number:012}")
}

fn digest_of(path: &Path) -> Option<Digest> {
    let mut parts = path.as_ref().rsplit('/');
    let (hex, algorithm) = (parts.next()?, parts.next()?);
    format!("{algorithm}:{hex}").parse().ok()
}

fn failed(verb: &'static str) -> impl Fn(object_store::Error) -> Error {
    move |error| Error::stream(verb, io::Error::other(error))
}

fn taken_over() -> Error {
    let message =
        "another registry was started over the same object storage; there can be only one";
    Error::stream("write to the object storage", io::Error::other(message))
}
