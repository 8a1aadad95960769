//! What went wrong, as the protocol says it: a status, a code, a message. Distribution-spec 1.1,
//! "Error codes".

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use teu_oci::Digest;
use teu_web::{BodyError, Response, respond};

/// A request that could not be done.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The code.
    pub code: &'static str,
    message: String,
    details: Vec<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    /// Of this kind.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, details: Vec::new(), headers: Vec::new() }
    }

    /// With more to know; each detail is told as an error of its own.
    pub fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// With a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The answer that says it.
    pub fn into_response(self) -> Response {
        let Self { code, message, .. } = &self;
        let errors: Vec<Value> = match &*self.details {
            [] => vec![json!({ "code": code, "message": message })],
            details => {
                let error = |detail| json!({ "code": code, "message": message, "detail": detail });
                details.iter().map(error).collect()
            }
        };
        let mut response = respond::json(self.status, &json!({ "errors": errors }));
        for (name, value) in self.headers {
            // What comes here was made of numbers, names and digests.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    pub(crate) fn name_unknown(name: &str) -> Self {
        let message = format!("repository {name} is not known to this registry");
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message).detail(json!({ "name": name }))
    }

    pub(crate) fn blob_unknown(digest: &Digest) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to this repository")
            .detail(json!({ "digest": digest.as_str() }))
    }

    pub(crate) fn manifest_unknown(reference: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown to this repository")
            .detail(json!({ "reference": reference }))
    }

    pub(crate) fn manifest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
    }

    pub(crate) fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(crate) fn upload_unknown() -> Self {
        let message = "upload unknown to this repository: it ended, or was never begun";
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
    }

    pub(crate) fn read_only(registry: &str) -> Self {
        let message = format!("what is {registry}'s can only be read here: push to {registry}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .header(http::header::ALLOW, "GET, HEAD")
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn not_allowed(allowed: &'static str) -> Self {
        let message = format!("only {allowed} can be done here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .header(http::header::ALLOW, allowed)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match &error {
            BodyError::TooLarge { .. } => "SIZE_INVALID",
            _ => "BLOB_UPLOAD_INVALID",
        };
        Self::new(error.status(), code, error.to_string())
    }
}

impl From<teu_images::Error> for Problem {
    fn from(error: teu_images::Error) -> Self {
        if matches!(error, teu_images::Error::Mismatch { .. }) {
            return Self::digest_invalid(error.to_string());
        }
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(current) = cause {
            if let Some(io) = current.downcast_ref::<std::io::Error>()
                && matches!(
                    io.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                )
            {
                let message = "no space is left for the registry's content";
                return Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", message);
            }
            if let Some(io) = current.downcast_ref::<std::io::Error>()
                && io.get_ref().is_some_and(|inner| inner.is::<object_store::Error>())
            {
                let message = "the object storage does not do what it should; try later";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return Self::new(status, "UNAVAILABLE", message);
            }
            cause = current.source();
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }
}

impl From<crate::route::Unroutable> for Problem {
    fn from(wrong: crate::route::Unroutable) -> Self {
        use crate::route::Unroutable;
        let shown = |text: String| text.chars().take(200).collect::<String>();
        match wrong {
            Unroutable::Path => Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such path"),
            Unroutable::Name(name) => {
                let message = "invalid repository name: lower-case letters, digits and single \
                               separators ('.', '_', '__', dashes) in components joined by '/', \
                               200 bytes at most";
                Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
                    .detail(json!({ "name": shown(name) }))
            }
            Unroutable::Digest(digest) => {
                Self::digest_invalid("invalid digest: expected sha256:… or sha512:…")
                    .detail(json!({ "digest": shown(digest) }))
            }
            Unroutable::Reference(reference) => {
                let message = "invalid tag: letters, digits, '_', '.' and '-', 128 at most";
                Self::new(StatusCode::BAD_REQUEST, "TAG_INVALID", message)
                    .detail(json!({ "reference": shown(reference) }))
            }
        }
    }
}
