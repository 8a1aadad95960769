//! One fetch of a blob, which all who want the blob meanwhile share.
//!
//! It goes on to its end though everybody who asked has gone: what has come so far is worth more than
//! it costs to end it, and the next who asks finds it here. What a killed process had fetched is
//! hashed again and not fetched again.

use super::super::{Registry, now};
use crate::name::Name;
use crate::problem::Problem;
use crate::records::Note;
use crate::upstreams::{Failure, Foreign};
use http::StatusCode;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use teu_images::{Fetch, Hasher};
use teu_oci::Digest;
use teu_oci::image::Descriptor;
use tokio::sync::watch;

/// Bytes that are read from the upstream at once.
const BUFFER_BYTES: usize = 256 << 10;

/// How far a blob has come.
#[derive(Debug, Clone)]
pub(in super::super) enum Progress {
    /// The upstream is being asked.
    Asked,
    /// It comes.
    Comes {
        /// Where it is written.
        file: Arc<File>,
        /// The bytes it will have.
        size: u64,
        /// The bytes that are there and were hashed.
        written: u64,
    },
    /// It is a blob of the repository.
    Here,
    /// It will not come.
    Failed(Failure),
}

/// Whoever waits for it.
pub(super) type Flight = watch::Receiver<Progress>;

/// All that are under way.
pub(in super::super) type Flights = Mutex<HashMap<(Name, Digest), Flight>>;

pub(super) fn broken() -> Problem {
    let message = "the fetch from the upstream broke off";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
}

impl Registry {
    /// Joins the fetch of a blob, or begins it.
    pub(super) fn flight(&self, foreign: &Foreign, name: &Name, digest: &Digest) -> Flight {
        let key = (name.clone(), digest.clone());
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return flight.clone();
        }
        let (told, flight) = watch::channel(Progress::Asked);
        flights.insert(key.clone(), flight.clone());
        let (registry, foreign) = (self.clone(), foreign.clone());
        tokio::spawn(async move {
            let told = Arc::new(told);
            let (wanted, teller) = (key.clone(), told.clone());
            let fetch = move |registry: &Registry, foreign: &Foreign| {
                registry.fetch_blob(foreign, (&wanted.0, &wanted.1), &teller)
            };
            let end = registry.ask_upstream(&foreign, fetch).await;
            // Who comes after this finds the blob, or begins anew.
            registry.0.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            let end = end.map_or_else(Progress::Failed, |()| Progress::Here);
            told.send_replace(end);
        });
        flight
    }

    /// Fetches a blob into the repository. Blocks.
    fn fetch_blob(
        &self,
        foreign: &Foreign,
        (name, digest): (&Name, &Digest),
        told: &watch::Sender<Progress>,
    ) -> Result<(), Failure> {
        let repository = self.0.records.get_or_create(name)?;
        if self.blob_size(name, digest).is_ok() {
            return Ok(());
        }
        let size = foreign.blob_size(name, digest)?;
        let limit = self.0.options.blob_bytes;
        if size > limit {
            let message = format!("{digest} has {size} bytes, and {limit} are the most");
            let status = StatusCode::BAD_GATEWAY;
            return Err(Failure::Own(Problem::new(status, "SIZE_INVALID", message)));
        }
        let wanted = Descriptor::new("application/octet-stream", digest.clone(), size);
        let mut fetch = self.0.store.fetch(&wanted)?;
        let note = Note::Blob { digest: digest.clone(), size, at: now() };
        if self.0.depot.blob_size(digest)? == Some(size) {
            // Another repository has it, and the upstream says that this one has it, too.
            repository.change(note)?;
            fetch.discard()?;
        } else {
            let found = self.receive_blob(foreign, (name, &wanted), (&mut fetch, told))?;
            if found != *digest {
                fetch.discard()?;
                let message = format!("{} sent {found} for {digest}", foreign.upstream.registry());
                let status = StatusCode::BAD_GATEWAY;
                return Err(Failure::Own(Problem::new(status, "DIGEST_INVALID", message)));
            }
            repository.take(fetch.seal(digest), note)?;
            self.set_verified(digest);
        }
        self.0.aged.notify_one();
        Ok(())
    }

    /// Fetches what is missing, telling how far it is; gives the digest of what is there then.
    fn receive_blob(
        &self,
        foreign: &Foreign,
        (name, wanted): (&Name, &Descriptor),
        (fetch, told): (&mut Fetch, &watch::Sender<Progress>),
    ) -> Result<Digest, Failure> {
        let upstream = &foreign.upstream;
        let (file, size) = (fetch.file()?, wanted.size);
        let tell = |written| {
            told.send_replace(Progress::Comes { file: file.clone(), size, written });
        };
        tell(0);
        let mut hasher = Hasher::like(&wanted.digest);
        let had = fetch.have_bytes();
        hash_again(&file, had, &mut hasher)?;
        tell(had);
        let repository = upstream.repository(name, &foreign.there)?;
        let stream = repository.blob(wanted, had);
        let mut stream = stream.map_err(|error| upstream.failed(error))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Gone(unreadable(upstream.registry(), &error))),
            };
            let piece = &buffer[..length];
            fetch.append(piece).map_err(|source| {
                let verb = "write to the image store";
                Failure::from(teu_images::Error::Stream { verb, source })
            })?;
            hasher.update(piece);
            self.0.metrics.fetched_bytes.fetch_add(length as u64, Ordering::Relaxed);
            tell(fetch.have_bytes());
        }
        Ok(hasher.finish())
    }
}

fn unreadable(registry: &str, error: &io::Error) -> Problem {
    let message = format!("{registry} stopped amid a blob: {error}");
    Problem::new(StatusCode::BAD_GATEWAY, "UNAVAILABLE", message)
}

fn hash_again(file: &File, bytes: u64, hasher: &mut Hasher) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = 0;
    while at < bytes {
        let most = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let length = file.read_at(&mut buffer[..most], at).and_then(|length| match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => Ok(length),
        });
        let length = length.map_err(|source| {
            let verb = "read what has come of a blob";
            Failure::from(teu_images::Error::Stream { verb, source })
        })?;
        hasher.update(&buffer[..length]);
        at += length as u64;
    }
    Ok(())
}
