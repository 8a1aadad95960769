//! Bodies: read within limits, and decoded by what they say they are.

use crate::api::Call;
use crate::table::Entry;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use teu_api::decode::{self, Decoded, Strictness};
use teu_api::{Status, apply};
use teu_kubernetes::protobuf;
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
    let notes = super::notes(&request);
    let media_type = notes.is_some().then(|| media_type(request.headers()).to_owned());
    let read = request.into_body().collect(MAX_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => {
            Status::too_large(format!("Request entity too large: limit is {MAX_BODY_BYTES}"))
        }
        BodyError::Idle { .. } => Status::timeout(error.to_string()),
        other => Status::bad_request(other.to_string()),
    })?;
    if let (Some(notes), Some(media_type)) = (notes, media_type) {
        notes.body(&media_type, &read);
    }
    Ok(read)
}

/// What can be read, in the words of a refusal.
const TYPES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// A document as it was sent; without a body, nothing. `expected` is its version and kind, where it
/// need not say them itself.
pub fn decode(
    media_type: &str,
    body: &[u8],
    expected: Option<(&str, &str)>,
) -> Result<Decoded, Status> {
    if body.is_empty() {
        return Ok(Decoded::default());
    }
    let decoded = match media_type {
        "" | "application/json" => decode::json(body),
        "application/yaml" | "application/x-yaml" => decode::yaml(body),
        protobuf::CONTENT_TYPE => {
            let value = protobuf::decode(body, expected).map_err(|error| {
                Status::bad_request(format!(
                    "the object provided is unrecognized (must be of type protobuf): {error}"
                ))
            })?;
            return Ok(Decoded { value, faults: Vec::new() });
        }
        _ => return Err(Status::unsupported_media_type(&TYPES)),
    };
    decoded.map_err(|error| Status::bad_request(error.to_string()))
}

/// An object of a kind as it was sent, made to fit its schema, and what the client is told of what
/// did not.
pub fn object(
    call: &Call,
    media_type: &str,
    body: &[u8],
    how: Strictness,
) -> Result<(Value, Vec<String>), Status> {
    let Entry { row, api_version, .. } = &*call.entry;
    let decoded = decode(media_type, body, Some((api_version, &row.resource.kind)))?;
    // A subresource that is a document of its own is read by its rules.
    if call.is_derived() {
        let warnings = decoded.judge(how, api_version, &row.resource.kind)?;
        return Ok((decoded.value, warnings));
    }
    decode::object(decoded, &row.schema, how, (api_version, &row.resource.kind))
}

/// A configuration that is applied, made to fit its schema, or its owner would own what is not there.
/// What the schema does not know is refused however lenient the request is; what is said twice is a
/// fault of the text.
pub fn configuration(
    call: &Call,
    body: &[u8],
    how: Strictness,
) -> Result<(Value, Vec<String>), Status> {
    let Entry { row, api_version, .. } = &*call.entry;
    let named = (&**api_version, &*row.resource.kind);
    let mut decoded = decode("application/yaml", body, None)?;
    let twice = std::mem::take(&mut decoded.faults);
    let (sent, told) = match call.is_derived() {
        true => (decoded.value, Vec::new()),
        false => {
            apply::declared(&decoded.value, &row.schema, named)?;
            decode::object(decoded, &row.schema, how, named)?
        }
    };
    match (twice.is_empty(), how) {
        (true, _) | (false, Strictness::Ignore) => Ok((sent, told)),
        (false, Strictness::Warn) => Ok((sent, [told, twice].concat())),
        (false, Strictness::Strict) => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: {}",
            twice.join(", ")
        ))),
    }
}
