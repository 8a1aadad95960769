//! Uploads: begun, continued, ended; blobs mounted from another repository. Distribution-spec,
//! "Pushing blobs" (end-4, end-5, end-6, end-11, end-13).

use super::{Answer, Ask, Registry, now, set};
use crate::access::Right;
use crate::name::Name;
use crate::problem::Problem;
use crate::range::parse_content_range;
use crate::records::Note;
use crate::sessions::{Held, Session};
use bytes::Bytes;
use http::{StatusCode, header};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use teu_oci::Digest;
use teu_web::{BodyError, Incoming, Response, respond};

/// Bytes that are hashed and written at a time, while the next ones arrive.
const BATCH_BYTES: usize = 256 << 10;

impl Registry {
    /// POST: a mount, a whole blob, or the beginning of an upload.
    pub(super) async fn start_upload(&self, ask: &Ask, name: &Name, body: Incoming) -> Answer {
        if let Some(digest) = ask.query.get("mount").and_then(|text| text.parse().ok())
            && let Some(response) = self.mount(ask, name, &digest).await?
        {
            return Ok(response);
        }
        let (registry, repository) = (self.clone(), name.clone());
        let begin = move || registry.0.sessions.begin(&repository, now());
        let session = self.0.workers.run(begin).await?;
        self.0.aged.notify_one();
        if let Some(digest) = ask.query.get("digest") {
            let Ok(digest) = digest.parse() else { return self.refuse(&session, digest).await };
            return match self.receive_and_end(ask, name, (&session, body), digest).await {
                Ok(response) => Ok(response),
                Err(problem) => {
                    // Nobody knows its id: it cannot be continued.
                    self.discard(&session).await;
                    Err(problem)
                }
            };
        }
        Ok(accepted(StatusCode::ACCEPTED, name, session.id(), 0))
    }

    async fn refuse(&self, session: &Arc<Session>, digest: &str) -> Answer {
        self.discard(session).await;
        Err(invalid_digest(digest))
    }

    /// Makes a blob of another repository one of this, too, if the client may read it there. Without
    /// `from`, any repository will do.
    async fn mount(
        &self,
        ask: &Ask,
        name: &Name,
        digest: &Digest,
    ) -> Result<Option<Response>, Problem> {
        let mut from: Vec<Name> = match ask.query.get("from") {
            Some(from) => Name::parse(from).into_iter().collect(),
            None => self.holders(digest).await,
        };
        from.retain(|from| self.0.gate.may(&ask.who, from, Right::Pull));
        let mut size = None;
        for from in &from {
            size = self.readable_blob(from, digest).await.ok();
            if size.is_some() {
                break;
            }
        }
        let Some(size) = size else { return Ok(None) };
        self.check_quota(name, digest, size)?;
        let (registry, name, digest) = (self.clone(), name.clone(), digest.clone());
        let mount = move || {
            let repository = registry.0.records.get_or_create(&name)?;
            let note = Note::Blob { digest: digest.clone(), size, at: now() };
            match repository.change(note) {
                Ok(()) => Ok(Some(created(&name, &digest))),
                // Collected in this moment.
                Err(teu_images::Error::Missing { .. }) => Ok(None),
                Err(other) => Err(other.into()),
            }
        };
        self.0.workers.run(mount).await
    }

    /// The repositories that have a blob.
    async fn holders(&self, digest: &Digest) -> Vec<Name> {
        let all = self.0.records.all();
        let has = |repository: &&Arc<crate::records::Repository>| {
            repository.read().blobs.contains_key(digest)
        };
        let pushed = all.iter().filter(has).map(|repository| repository.name().clone());
        pushed.chain(self.local_names(Some(digest)).await).collect()
    }

    /// GET: how far it is.
    pub(super) async fn upload_status(&self, name: &Name, id: &str) -> Answer {
        let session = self.session(name, id)?;
        let held = session.hold(now()).await;
        let written = self.written(&session, &held).await?;
        Ok(accepted(StatusCode::NO_CONTENT, name, id, written))
    }

    /// DELETE: it is given up.
    pub(super) async fn cancel_upload(&self, name: &Name, id: &str) -> Answer {
        let session = self.session(name, id)?;
        self.discard(&session).await;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    /// PATCH: more bytes.
    pub(super) async fn patch_upload(
        &self,
        ask: &Ask,
        (name, id): (&Name, &str),
        body: Incoming,
    ) -> Answer {
        let session = self.session(name, id)?;
        let held = session.hold(now()).await;
        self.check_chunk(ask, (name, &session, &held), &body).await?;
        let written = self.receive(name, (&session, &held), body).await?;
        Ok(accepted(StatusCode::ACCEPTED, name, id, written))
    }

    /// PUT: perhaps the last bytes, and the end.
    pub(super) async fn put_upload(
        &self,
        ask: &Ask,
        (name, id): (&Name, &str),
        body: Incoming,
    ) -> Answer {
        let session = self.session(name, id)?;
        let text = ask.query.get("digest").unwrap_or_default();
        let digest: Digest = text.parse().map_err(|_| invalid_digest(text))?;
        self.receive_and_end(ask, name, (&session, body), digest).await
    }

    async fn receive_and_end(
        &self,
        ask: &Ask,
        name: &Name,
        (session, body): (&Arc<Session>, Incoming),
        digest: Digest,
    ) -> Answer {
        let held = session.hold(now()).await;
        self.check_chunk(ask, (name, session, &held), &body).await?;
        let size = self.receive(name, (session, &held), body).await?;
        self.check_quota(name, &digest, size)?;
        let (registry, name, session) = (self.clone(), name.clone(), session.clone());
        let end = move || {
            let upload = session.take(&held, &registry.0.store)?;
            registry.0.sessions.end(&session);
            let sealed = upload.seal(&digest)?;
            let note = Note::Blob { digest: digest.clone(), size, at: now() };
            registry.0.records.get_or_create(&name)?.take(sealed, note)?;
            registry.set_verified(&digest);
            registry.0.aged.notify_one();
            Ok(created(&name, &digest))
        };
        self.0.workers.run(end).await
    }

    fn session(&self, name: &Name, id: &str) -> Result<Arc<Session>, Problem> {
        self.0.sessions.get(id, name).ok_or_else(Problem::upload_unknown)
    }

    async fn written(&self, session: &Arc<Session>, held: &Held) -> Result<u64, Problem> {
        let (store, session, held) = (self.0.store.clone(), session.clone(), held.clone());
        let read = move || session.with(&held, &store, |upload| Ok(upload.written_bytes()));
        self.0.workers.run(read).await
    }

    async fn discard(&self, session: &Arc<Session>) {
        let held = session.hold(now()).await;
        let (registry, session) = (self.clone(), session.clone());
        let discard = move || {
            registry.0.sessions.end(&session);
            // What cannot be removed now is found by the sweep after the next start.
            let upload = session.take(&held, &registry.0.store);
            upload.is_ok_and(|upload| upload.cancel().is_ok())
        };
        self.0.workers.run(discard).await;
    }

    /// A chunk must begin where the last one ended, and be as long as it says.
    async fn check_chunk(
        &self,
        ask: &Ask,
        (name, session, held): (&Name, &Arc<Session>, &Held),
        body: &Incoming,
    ) -> Result<(), Problem> {
        let Some(text) = ask.header(header::CONTENT_RANGE) else { return Ok(()) };
        let written = self.written(session, held).await?;
        let Some(range) = parse_content_range(text).filter(|range| range.start == written) else {
            let message = format!("the next chunk must begin at byte {written}");
            return Err(Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BLOB_UPLOAD_INVALID",
                message,
            )
            .header(header::RANGE, &range_text(written))
            .header(header::LOCATION, &upload_path(name, session.id())));
        };
        match body.length_bytes() {
            Some(length) if length != range.end - range.start => {
                let message = format!("the chunk has {length} bytes, its range {text} has not");
                Err(Problem::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message))
            }
            _ => Ok(()),
        }
    }

    /// Writes what comes; gives the bytes there are then. What has come stays also if the client goes.
    async fn receive(
        &self,
        name: &Name,
        (session, held): (&Arc<Session>, &Held),
        mut body: Incoming,
    ) -> Result<u64, Problem> {
        let mut written = self.written(session, held).await?;
        let limit = self.upload_limit(name).saturating_sub(written);
        if body.length_bytes().is_some_and(|length| length > limit) {
            return Err(self.too_large(name));
        }
        body.set_limit(limit);
        let mut writing: Option<tokio::task::JoinHandle<Result<u64, Problem>>> = None;
        let end = loop {
            let (batch, end) = next_batch(&mut body).await;
            if let Some(write) = writing.take() {
                written = joined(write).await?;
            }
            if !batch.is_empty() {
                let bytes: usize = batch.iter().map(Bytes::len).sum();
                self.0.metrics.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                session.touch(now());
                let (registry, session, held) = (self.clone(), session.clone(), held.clone());
                writing = Some(tokio::spawn(async move {
                    let store = registry.0.store.clone();
                    let write = move || session.with(&held, &store, |upload| write(upload, &batch));
                    registry.0.workers.run(write).await
                }));
            }
            if let Some(end) = end {
                break end;
            }
        };
        if let Some(write) = writing.take() {
            written = joined(write).await?;
        }
        match end {
            Ok(()) => Ok(written),
            Err(BodyError::TooLarge { .. }) => Err(self.too_large(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes that a blob may have.
    fn upload_limit(&self, name: &Name) -> u64 {
        let used = self.0.records.get(name).map_or(0, |repository| repository.read().bytes);
        let left = self.0.options.quota_bytes.map(|quota| quota.saturating_sub(used));
        left.unwrap_or(u64::MAX).min(self.0.options.blob_bytes)
    }

    fn too_large(&self, name: &Name) -> Problem {
        match self.0.options.quota_bytes {
            Some(quota) => over_quota(name, quota),
            None => {
                let message = format!("a blob has at most {} bytes", self.0.options.blob_bytes);
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
            }
        }
    }

    /// Refuses content that the repository has no room for.
    pub(super) fn check_quota(
        &self,
        name: &Name,
        digest: &Digest,
        size: u64,
    ) -> Result<(), Problem> {
        let Some(quota) = self.0.options.quota_bytes else { return Ok(()) };
        let used = self.0.records.get(name).map_or(0, |repository| {
            let state = repository.read();
            let is_there = state.blobs.contains_key(digest) || state.manifests.contains_key(digest);
            if is_there { 0 } else { state.bytes }
        });
        match used.saturating_add(size) > quota {
            true => Err(over_quota(name, quota)),
            false => Ok(()),
        }
    }
}

fn over_quota(name: &Name, quota: u64) -> Problem {
    let message = format!("repository {name} may have {quota} bytes, and would have more");
    Problem::new(StatusCode::FORBIDDEN, "DENIED", message)
}

async fn joined(write: tokio::task::JoinHandle<Result<u64, Problem>>) -> Result<u64, Problem> {
    let gone = |_| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Err(Problem::new(status, "UNKNOWN", "the registry is going down"))
    };
    write.await.unwrap_or_else(gone)
}

fn write(upload: &mut teu_images::Upload, batch: &[Bytes]) -> Result<u64, Problem> {
    for piece in batch {
        upload.write_all(piece).map_err(|error| {
            let verb = "write to the upload";
            Problem::from(teu_images::Error::Stream { verb, source: error })
        })?;
    }
    Ok(upload.written_bytes())
}

/// So many bytes as are worth a thread's while; and the end, if it has come.
async fn next_batch(body: &mut Incoming) -> (Vec<Bytes>, Option<Result<(), BodyError>>) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES {
        match body.next().await {
            None => return (batch, Some(Ok(()))),
            Some(Err(error)) => return (batch, Some(Err(error))),
            Some(Ok(piece)) => {
                bytes += piece.len();
                batch.push(piece);
            }
        }
    }
    (batch, None)
}

fn invalid_digest(text: &str) -> Problem {
    let shown: String = text.chars().take(200).collect();
    Problem::digest_invalid("the parameter digest must be sha256:… or sha512:…")
        .detail(serde_json::json!({ "digest": shown }))
}

fn upload_path(name: &Name, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// `0-LAST`; of nothing, too, it is `0-0`: there is no other way to say it.
fn range_text(written: u64) -> String {
    format!("0-{}", written.saturating_sub(1))
}

fn accepted(status: StatusCode, name: &Name, id: &str, written: u64) -> Response {
    let mut response = respond::empty(status);
    set(&mut response, "location", &upload_path(name, id));
    set(&mut response, "range", &range_text(written));
    set(&mut response, "docker-upload-uuid", id);
    response
}

fn created(name: &Name, digest: &Digest) -> Response {
    let mut response = respond::empty(StatusCode::CREATED);
    set(&mut response, "location", &format!("/v2/{name}/blobs/{digest}"));
    set(&mut response, "docker-content-digest", digest.as_str());
    response
}
