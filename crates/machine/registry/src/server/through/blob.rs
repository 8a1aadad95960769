//! Blobs of upstreams: sent while they come, to all who ask for them at the same time.

use super::super::blobs::blob_head;
use super::super::{Answer, Ask, Registry};
use super::count;
use super::flight::{Flight, Progress};
use crate::name::Name;
use crate::problem::Problem;
use crate::upstreams::{Failure, Foreign};
use bytes::Bytes;
use http::Method;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use teu_oci::Digest;
use teu_web::{Body, Sender};
use tokio::sync::watch;

/// Bytes of a piece that is sent.
const PIECE_BYTES: u64 = 256 << 10;
/// Pieces that are read ahead of the client.
const PIECES_AHEAD: usize = 2;

impl Registry {
    pub(super) async fn through_blob(
        &self,
        ask: &Ask,
        foreign: &Foreign,
        (name, digest): (&Name, Digest),
    ) -> Answer {
        if self.blob_size(name, &digest).is_ok() {
            count(&self.0.metrics.cache_hits);
            self.used(name, &digest).await;
            return self.get_blob(ask, name, digest).await;
        }
        if let Some(problem) = foreign.upstream.absent(name, digest.as_str()) {
            return Err(problem);
        }
        if ask.method == Method::HEAD {
            let (here, wanted) = (name.clone(), digest.clone());
            let look = move |_: &Registry, foreign: &Foreign| foreign.blob_size(&here, &wanted);
            let size = self.ask_upstream(foreign, look).await;
            let size = size.map_err(|failure| tell(foreign, (name, &digest), failure))?;
            return Ok(blob_head(ask, &digest, size)?.0);
        }
        let mut flight = self.flight(foreign, name, &digest);
        let (file, size) = match begun(&mut flight).await {
            Ok(Begun::Comes(file, size)) => (file, size),
            // It was here already, or came at once.
            Ok(Begun::Here) => return self.get_blob(ask, name, digest).await,
            Err(failure) => return Err(tell(foreign, (name, &digest), failure)),
        };
        let (mut response, range) = blob_head(ask, &digest, size)?;
        if let Some(range) = range {
            let length = range.end - range.start;
            let (sender, body) = Body::channel_of(PIECES_AHEAD, length);
            tokio::spawn(pour(self.clone(), flight, (file, size, range), sender));
            *response.body_mut() = body;
        }
        Ok(response)
    }
}

fn tell(foreign: &Foreign, (name, digest): (&Name, &Digest), failure: Failure) -> Problem {
    if let Failure::Absent(problem) = &failure {
        foreign.upstream.set_absent(name, digest.as_str(), problem.clone());
    }
    failure.into_problem()
}

impl Foreign {
    /// The bytes of a blob there. Blocks.
    pub(super) fn blob_size(&self, name: &Name, digest: &Digest) -> Result<u64, Failure> {
        let repository = self.upstream.repository(name, &self.there)?;
        let size = repository.blob_size(digest).map_err(|error| self.upstream.failed(error))?;
        size.ok_or_else(|| Failure::Absent(Problem::blob_unknown(digest)))
    }
}

enum Begun {
    Comes(Arc<File>, u64),
    Here,
}

async fn begun(flight: &mut Flight) -> Result<Begun, Failure> {
    let known = flight.wait_for(|progress| !matches!(progress, Progress::Asked)).await;
    match known.as_deref() {
        Ok(Progress::Comes { file, size, .. }) => Ok(Begun::Comes(file.clone(), *size)),
        Ok(Progress::Here) => Ok(Begun::Here),
        Ok(Progress::Failed(failure)) => Err(failure.clone()),
        Ok(Progress::Asked) | Err(_) => Err(Failure::Own(super::flight::broken())),
    }
}

/// Sends what comes. The last byte goes out when all of them were found to be right.
async fn pour(
    registry: Registry,
    mut flight: watch::Receiver<Progress>,
    (file, size, range): (Arc<File>, u64, Range<u64>),
    sender: Sender,
) {
    let mut at = range.start;
    while at < range.end {
        let until = tokio::select! {
            until = available(&mut flight, at, size) => until,
            () = sender.closed() => return,
        };
        let until = match until {
            Ok(until) => until.min(range.end).min(at + PIECE_BYTES),
            Err(problem) => return sender.abort(io::Error::other(problem.message().to_owned())),
        };
        let (file, from) = (file.clone(), at);
        let read = move || read_range(&file, from..until);
        match registry.0.workers.run(read).await {
            Ok(bytes) => {
                if sender.send(bytes).await.is_err() {
                    return;
                }
            }
            Err(error) => return sender.abort(error),
        }
        at = until;
    }
}

/// How far it can be sent, once that is further than this.
async fn available(
    flight: &mut watch::Receiver<Progress>,
    at: u64,
    size: u64,
) -> Result<u64, Problem> {
    let reach = |progress: &Progress| match progress {
        Progress::Comes { written, .. } => (*written).min(size.saturating_sub(1)),
        Progress::Here => size,
        _ => 0,
    };
    let is_news = |p: &Progress| reach(p) > at || matches!(p, Progress::Failed(_));
    match flight.wait_for(is_news).await.as_deref() {
        Ok(Progress::Failed(failure)) => Err(failure.clone().into_problem()),
        Ok(progress) => Ok(reach(progress)),
        Err(_) => Err(super::flight::broken()),
    }
}

fn read_range(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).unwrap_or_default();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}
