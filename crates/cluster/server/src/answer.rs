//! Answers over HTTP: documents with their headers, compressed where that pays.

use crate::encode::{json, protobuf, yaml};
use crate::request::{Accept, Form, Format};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use std::io::Write as _;
use teu_api::Status;
use teu_web::{Body, Response};

/// Answers from this size on are compressed for whoever takes it.
const GZIP_BYTES: usize = 128 << 10;
/// A warning beside an answer (RFC 7234).
const WARNING: HeaderName = http::header::WARNING;
/// Characters of all warnings of one answer.
const MAX_WARNING_BYTES: usize = 4096;

/// Bytes of a type.
pub fn bytes(code: u16, media_type: &str, bytes: Bytes, takes_gzip: bool) -> Response {
    let (bytes, is_packed) = match takes_gzip && bytes.len() >= GZIP_BYTES {
        true => packed(bytes),
        false => (bytes, false),
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn packed(plain: Bytes) -> (Bytes, bool) {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    match encoder.write_all(&plain).and_then(|()| encoder.finish()) {
        Ok(packed) => (packed.into(), true),
        Err(_) => (plain, false),
    }
}

/// What was encoded as a client wants it.
pub fn encoded(code: u16, body: Bytes, accept: Accept) -> Response {
    bytes(code, accept.format.media_type(), body, accept.takes_gzip)
}

/// A document that has only itself as its form. What has no protobuf is JSON.
pub fn document(code: u16, document: &Value, accept: Accept) -> Response {
    let body = match accept.format {
        Format::Yaml => yaml::print(document).into(),
        Format::Json => json(document, accept.is_pretty),
        Format::Protobuf => match protobuf(document) {
            Ok(bytes) => bytes.into(),
            Err(_) => {
                let accept = Accept { format: Format::Json, ..accept };
                return encoded(code, json(document, accept.is_pretty), accept);
            }
        },
    };
    encoded(code, body, accept)
}

/// A status.
pub fn status(status: &Status, accept: Accept) -> Response {
    failure(status, &status.to_value(), accept)
}

/// A status whose document has been added to.
pub fn failure(status: &Status, shown: &Value, accept: Accept) -> Response {
    let mut response = document(status.code, shown, Accept { form: Form::Whole, ..accept });
    if let Some(seconds) = status.retry_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds warnings.
pub fn warn(mut response: Response, warnings: &[String]) -> Response {
    let mut left = MAX_WARNING_BYTES;
    for text in warnings {
        let Some(after) = left.checked_sub(text.len()) else { break };
        left = after;
        let plain: String = text.chars().filter(|char| !char.is_control()).collect();
        let quoted = format!("299 - {plain:?}");
        if let Ok(value) = HeaderValue::from_str(&quoted) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}
