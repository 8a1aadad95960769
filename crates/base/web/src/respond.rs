//! Answers of the plain kinds.

use crate::{Body, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    with(status, None, Body::empty())
}

/// Text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response {
    with(status, Some("text/plain; charset=utf-8"), Body::from(text.into()))
}

/// A document as JSON. What cannot be serialised, a mistake of ours, is answered as 500.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, document: &T) -> Response {
    match serde_json::to_vec(document) {
        Ok(bytes) => with(status, Some("application/json"), Body::from(bytes)),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// An answer of this type.
pub fn with(status: StatusCode, content_type: Option<&'static str>, body: Body) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    if let Some(kind) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}
