//! Blobs: sent whole or in part, deleted. Distribution-spec, "Pulling blobs" (end-2), "Deleting
//! Blobs" (end-10).

use super::verify::Verifying;
use super::{Answer, Ask, Registry, set, set_digest};
use crate::name::Name;
use crate::problem::Problem;
use crate::range::{Wanted, parse_range};
use crate::records::Note;
use http::{Method, StatusCode, header};
use std::ops::Range;
use std::sync::PoisonError;
use teu_oci::Digest;
use teu_web::{Body, Response, respond};

impl Registry {
    /// The bytes of a blob of a repository.
    pub(super) fn blob_size(&self, name: &Name, digest: &Digest) -> Result<u64, Problem> {
        let size = match self.0.records.get(name) {
            Some(repository) => repository.read().blobs.get(digest).map(|(size, _)| *size),
            None => return Err(Problem::name_unknown(name.as_str())),
        };
        size.ok_or_else(|| Problem::blob_unknown(digest))
    }

    pub(super) async fn get_blob(&self, ask: &Ask, name: &Name, digest: Digest) -> Answer {
        let size = self.readable_blob(name, &digest).await?;
        let (mut response, range) = blob_head(ask, &digest, size)?;
        if let Some(range) = range {
            if let Some(elsewhere) = self.0.depot.signed(&digest).await? {
                let mut response = respond::empty(StatusCode::TEMPORARY_REDIRECT);
                set(&mut response, "location", &elsewhere);
                return Ok(response);
            }
            *response.body_mut() = self.blob_body(name, &digest, range, size).await?;
        }
        Ok(response)
    }

    async fn blob_body(
        &self,
        name: &Name,
        digest: &Digest,
        range: Range<u64>,
        size: u64,
    ) -> Result<Body, Problem> {
        let is_whole = range == (0..size);
        let body = self.0.depot.body(digest, range, &self.0.workers).await?;
        let is_verified =
            self.0.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(digest);
        if is_verified || !is_whole {
            return Ok(body);
        }
        Ok(Body::boxed(Verifying::new(self.clone(), name.clone(), digest.clone(), (body, size))))
    }

    pub(super) async fn delete_blob(&self, name: &Name, digest: Digest) -> Answer {
        self.blob_size(name, &digest)?;
        let repository = self.repository(name)?;
        let note = Note::Unblob { digests: vec![digest.clone()] };
        let drop = move || repository.change(note).and_then(|()| repository.persist());
        self.0.workers.run(drop).await?;
        self.collect_later(digest);
        Ok(respond::empty(StatusCode::ACCEPTED))
    }
}

/// The answer about a blob without its body, and what of it the body must have, if it has one.
pub(super) fn blob_head(
    ask: &Ask,
    digest: &Digest,
    size: u64,
) -> Result<(Response, Option<Range<u64>>), Problem> {
    let mut response = respond::empty(StatusCode::OK);
    set_digest(&mut response, digest);
    if ask.has(digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok((response, None));
    }
    let wanted = ask.header(header::RANGE).map_or(Wanted::Whole, |text| parse_range(text, size));
    let range = match &wanted {
        Wanted::Whole => 0..size,
        Wanted::Part(range) => range.clone(),
        Wanted::Unsatisfiable => {
            let message = format!("the blob has {size} bytes");
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(Problem::new(status, "RANGE_INVALID", message)
                .header(header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    if let Wanted::Part(range) = &wanted {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(&mut response, "content-range", &shown);
    }
    set(&mut response, "content-type", "application/octet-stream");
    set(&mut response, "accept-ranges", "bytes");
    set(&mut response, "cache-control", "max-age=31536000");
    set(&mut response, "content-length", &(range.end - range.start).to_string());
    Ok((response, (ask.method == Method::GET).then_some(range)))
}
