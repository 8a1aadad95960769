//! Bodies: read within limits, and decoded by what they say they are.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use teu_api::Status;
use teu_web::{BodyError, Request};

/// Bytes of a request's body.
pub const MAX_BODY_BYTES: u64 = 3 << 20;

/// What a body says it is, without parameters.
pub fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// All of a body.
pub async fn read(request: Request) -> Result<bytes::Bytes, Status> {
    request.into_body().collect(MAX_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => {
            Status::too_large(format!("Request entity too large: limit is {MAX_BODY_BYTES}"))
        }
        BodyError::Idle { .. } => Status::timeout(error.to_string()),
        other => Status::bad_request(other.to_string()),
    })
}

/// An object; `Null` for an empty body.
pub fn decode(media_type: &str, body: &[u8]) -> Result<Value, Status> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match media_type {
        "" | "application/json" => serde_json::from_slice(body).map_err(|error| {
            Status::bad_request(format!(
                "the object provided is unrecognized (must be of type json): {error}"
            ))
        }),
        _ => Err(Status::unsupported_media_type(&["application/json"])),
    }
}

/// A configuration that is applied: YAML, of which JSON is a part.
pub fn decode_yaml(body: &[u8]) -> Result<Value, Status> {
    decode("application/json", body)
}
