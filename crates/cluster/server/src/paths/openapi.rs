//! `/openapi/v2` and `/openapi/v3`: made when first asked, kept compressed until the table changes.

use super::is_known;
use crate::answer;
use crate::api::Api;
use crate::paths::version;
use crate::request::{Accept, Query};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::sync::{Arc, PoisonError};
use teu_api::Status;
use teu_kubernetes::openapi::{Body as Document, Documents};
use teu_web::{Body, Response, respond};

/// Version 2 as protobuf.
const GNOSTIC: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// What it is called in the answer: Go reads no `@` in a content type.
const GNOSTIC_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// Version 3 as protobuf, which is not made; clients that only take this are told so.
const GNOSTIC_V3: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";
/// A document under its hash never changes.
const FOR_EVER: &str = "public, immutable";
/// A day that is far enough away.
const FAR: &str = "Thu, 31 Dec 2099 00:00:00 GMT";

impl Api {
    /// The documents of the table as it is.
    pub fn documents(&self) -> Arc<Documents> {
        let rows = self.table.rows();
        let mut known = self.openapi.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((generation, documents)) = &*known
            && *generation == rows.generation
        {
            return Arc::clone(documents);
        }
        let all = rows
            .all()
            .map(|entry| (Arc::new(entry.row.resource.clone()), entry.schema_document.clone()));
        let before = known.as_ref().map(|(_, documents)| &**documents);
        let documents = Arc::new(Documents::new(&version::release(), all, before));
        *known = Some((rows.generation, Arc::clone(&documents)));
        documents
    }
}

/// Answers a path below `/openapi`; `rest` follows it.
pub fn answer(
    api: &Api,
    headers: &HeaderMap,
    rest: &str,
    query: &Query,
    accept: Accept,
) -> Result<Response, Status> {
    let documents = api.documents();
    let wanted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (version, name) = rest.split_once('/').unwrap_or((rest, ""));
    match (version, name) {
        ("v2", "") if prefers_protobuf(wanted, GNOSTIC) => {
            Ok(document(documents.v2_protobuf(), GNOSTIC_ANSWER, headers))
        }
        ("v2", "") => Ok(document(documents.v2(), "application/json", headers)),
        ("v3", "") => Ok(answer::document(200, &documents.index(), accept)),
        ("v3", name) => {
            let hash = documents.hash(name).ok_or_else(|| Status::not_found_path(name))?;
            if let Some(asked) = query.find("hash")
                && asked != hash
            {
                return Ok(elsewhere(name, hash));
            }
            if wanted
                .split(',')
                .all(|one| one.split(';').next().unwrap_or_default().trim() == GNOSTIC_V3)
            {
                return Err(Status::not_acceptable(&["application/json"]));
            }
            let found = documents.v3(name).ok_or_else(|| Status::not_found_path(name))?;
            let mut response = document(found, "application/json", headers);
            if query.find("hash").is_some() {
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
                headers.insert(EXPIRES, HeaderValue::from_static(FAR));
            }
            Ok(response)
        }
        _ => Err(Status::not_found_path(rest)),
    }
}

/// Whether a type stands before JSON.
fn prefers_protobuf(wanted: &str, media_type: &str) -> bool {
    let types = wanted.split(',').map(|one| one.split(';').next().unwrap_or_default().trim());
    types.into_iter().find(|one| [media_type, "application/json", "*/*"].contains(one))
        == Some(media_type)
}

fn elsewhere(name: &str, hash: &str) -> Response {
    let mut response = respond::empty(StatusCode::MOVED_PERMANENTLY);
    if let Ok(place) = HeaderValue::from_str(&format!("/openapi/v3/{name}?hash={hash}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// A document as it is kept, or unpacked for who cannot.
fn document(document: &Document, media_type: &str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", document.hash);
    if is_known(headers, &tag) {
        return respond::empty(StatusCode::NOT_MODIFIED);
    }
    let takes_gzip = Accept::of(headers, false).unwrap_or_default().takes_gzip;
    let body = match takes_gzip {
        true => document.gzip.to_vec(),
        false => document.plain(),
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    if takes_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Accept"));
    for (name, text) in [(CONTENT_TYPE, media_type), (ETAG, &*tag)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    response
}
