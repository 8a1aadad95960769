//! `/api` and `/apis`: which groups, versions and resources there are, one by one or all at once. The
//! documents are `teu-kubernetes`' own; here is which one is asked for.

use super::is_known;
use crate::answer;
use crate::api::Api;
use crate::request::{Accept, Format};
use http::header::{ACCEPT, ETAG, VARY};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::hash::{Hash, Hasher};
use teu_api::Status;
use teu_kubernetes::discovery::{
    Catalog, Form, aggregated, api_versions, group_document, group_list, resource_list,
};
use teu_kubernetes::protobuf::{self, EncodeError};
use teu_web::{Response, respond};

/// Answers a path of discovery.
pub fn answer(
    api: &Api,
    headers: &HeaderMap,
    path: &str,
    accept: Accept,
) -> Result<Response, Status> {
    let rows = api.table.rows();
    let remote = api.aggregated.resources();
    let own = rows.all().map(|entry| &entry.row.resource);
    let catalog = Catalog::new(own.chain(&remote));
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let missing = || Status::not_found_path(path);
    let list = |group: &str, version: &str| {
        let version = catalog.group(group).and_then(|group| group.version(version));
        version.map(|version| resource_list(group, version)).ok_or_else(missing)
    };
    let document = match *segments {
        [first @ ("api" | "apis")] => match wanted(headers) {
            Some(form) => return Ok(all(&catalog, first == "api", form, headers)),
            None if first == "api" => api_versions(&catalog, ""),
            None => group_list(&catalog),
        },
        ["api", version] => list("", version)?,
        ["apis", group] => {
            let group = catalog.group(group).filter(|group| !group.name.is_empty());
            group_document(group.ok_or_else(missing)?)
        }
        ["apis", group, version] if !group.is_empty() => list(group, version)?,
        _ => return Err(missing()),
    };
    if let (Format::Protobuf, Ok(bytes)) = (accept.format, in_protobuf(&document)) {
        return Ok(answer::encoded(200, bytes.into(), accept));
    }
    Ok(answer::document(200, &document, accept))
}

/// A document with its envelope, which says `v1` where the document says nothing.
fn in_protobuf(document: &Value) -> Result<Vec<u8>, EncodeError> {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    protobuf::encode_as("v1", kind, document)
}

/// The aggregated form that is asked for, if one is preferred to the plain documents.
fn wanted(headers: &HeaderMap) -> Option<Form> {
    let text = headers.get(ACCEPT)?.to_str().ok()?;
    for clause in text.split(',') {
        let has = |wanted: &str| clause.split(';').any(|part| part.trim() == wanted);
        let is_aggregated = has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io");
        match is_aggregated {
            true if has("v=v2") => return Some(Form::V2),
            true if has("v=v2beta1") => return Some(Form::V2Beta1),
            _ if !is_aggregated && clause.trim().starts_with("application/json") => return None,
            _ => {}
        }
    }
    None
}

/// Everything at once; a client that has it already is told so.
fn all(catalog: &Catalog<'_>, is_core: bool, form: Form, headers: &HeaderMap) -> Response {
    let body = crate::encode::json(&aggregated(catalog, is_core, form), false);
    let mut hasher = std::hash::DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016X}\"", hasher.finish());
    let mut response = match is_known(headers, &tag) {
        true => respond::empty(http::StatusCode::NOT_MODIFIED),
        false => answer::bytes(200, form.content_type(), body, true),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}
