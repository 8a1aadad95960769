//! What is no resource: health, version, metrics, discovery, OpenAPI.

pub mod discovery;
pub mod health;
pub mod openapi;
pub mod version;

use crate::answer;
use crate::api::Api;
use crate::auth::Accounts;
use crate::request::{Accept, Query};
use http::{HeaderMap, Method};
use serde_json::json;
use teu_api::Status;
use teu_store::cache::ListAt;
use teu_web::{Request, Response};

/// Answers one.
pub async fn handle(api: &Api, request: &Request, query: &Query) -> Result<Response, Status> {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(match path.starts_with("/api") {
            true => Status::not_found_path(path),
            false => Status::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        });
    }
    let has_protobuf = path.starts_with("/api");
    let mut accept = Accept::of(request.headers(), has_protobuf).unwrap_or_default();
    if query.find("pretty").is_some() {
        accept.is_pretty = query.switch("pretty")?;
    }
    let mut segments = path.trim_matches('/').splitn(2, '/');
    let (first, rest) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    match first {
        "" => Ok(answer::document(200, &json!({ "paths": index(api) }), accept)),
        "healthz" | "livez" | "readyz" => Ok(health::answer(api, first, rest, query)),
        "version" if rest.is_empty() => Ok(answer::document(200, &version::document(), accept)),
        "metrics" if rest.is_empty() => Ok(metrics(api).await),
        ".well-known" if rest == "openid-configuration" => {
            published(api, accept, Accounts::discovery)
        }
        "openid" if rest == "v1/jwks" => published(api, accept, Accounts::keys),
        "api" | "apis" => discovery::answer(api, request.headers(), path, accept),
        "openapi" => openapi::answer(api, request.headers(), rest, query, accept),
        _ => Err(Status::not_found_path(path)),
    }
}

/// What others need to check tokens of service accounts by themselves.
fn published(
    api: &Api,
    accept: Accept,
    what: fn(&Accounts) -> serde_json::Value,
) -> Result<Response, Status> {
    let accounts = api.accounts.as_ref().ok_or_else(|| Status::not_found_path("openid"))?;
    Ok(answer::document(200, &what(accounts), accept))
}

/// The paths there are.
fn index(api: &Api) -> Vec<String> {
    let rows = api.table.rows();
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for group in rows.groups().filter(|group| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(rows.versions(group).iter().map(|version| format!("/apis/{group}/{version}")));
    }
    for path in
        ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    {
        paths.push(path.to_owned());
    }
    paths
}

async fn metrics(api: &Api) -> Response {
    let mut objects = Vec::new();
    for entry in api.table.rows().each_stored() {
        // Counting starts no cache: what nobody asks for is not shown.
        let Some(cache) = entry.shelf.running() else { continue };
        if let Ok(found) = cache.list(&entry.shelf.span(""), ListAt::Any).await {
            objects.push((entry.row.resource.qualified(), found.items.len()));
        }
    }
    let mut text = api.metrics.print(&objects, &api.fairness.counts());
    if let Some(audit) = &api.audit {
        text.push_str("# HELP apiserver_audit_error_total Audit events that were lost.\n");
        text.push_str("# TYPE apiserver_audit_error_total counter\n");
        text.push_str(&format!("apiserver_audit_error_total {}\n", audit.lost()));
    }
    text.push_str(&api.reloads.print());
    answer::bytes(200, "text/plain; version=0.0.4; charset=utf-8", text.into(), false)
}

/// Whether headers name what stands there already (`If-None-Match`).
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(http::header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag))
}
