//! Bodies: read within limits, and decoded by what they say they are.

use crate::api::Call;
use crate::table::Entry;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use std::sync::LazyLock;
use teu_api::decode::{self, Decoded, Strictness};
use teu_api::{Status, apply};
use teu_kubernetes::{Schema, protobuf, type_schema};
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
    if call.is_derived() {
        return document(call, decoded, how);
    }
    decode::object(decoded, &row.schema, how, (api_version, &row.resource.kind))
}

/// A subresource that is a document of its own, made to fit its own type.
pub fn document(
    call: &Call,
    decoded: Decoded,
    how: Strictness,
) -> Result<(Value, Vec<String>), Status> {
    match call.document() {
        Some((schema, api_version, kind)) => {
            decode::object(decoded, &schema, how, (&api_version, kind))
        }
        None => {
            let warnings = decoded.judge(how, &call.entry.api_version, call.entry.kind())?;
            Ok((decoded.value, warnings))
        }
    }
}

/// How a deletion is meant. What is not understood of it is refused: it would be meant otherwise.
pub fn delete_options(media_type: &str, body: &[u8]) -> Result<Value, Status> {
    static TYPE: LazyLock<Schema> = LazyLock::new(|| {
        let name = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
        type_schema(name).unwrap_or_else(Schema::any)
    });
    const KIND: (&str, &str) = ("v1", "DeleteOptions");
    let decoded = decode(media_type, body, Some(KIND))?;
    let said = decoded.value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(said, "" | "DeleteOptions") {
        return Err(Status::bad_request(format!(
            "decoded object cannot be converted to DeleteOptions: it is a {said}"
        )));
    }
    if decoded.value.is_null() {
        return Ok(decoded.value);
    }
    decode::object(decoded, &TYPE, Strictness::Ignore, KIND).map(|(options, _)| options)
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
        true => document(call, decoded, how)?,
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
