//! `/api` and `/apis`: which groups, versions and resources there are, one by one or all at once
//! (`apidiscovery.k8s.io/v2`).

use super::is_known;
use crate::answer;
use crate::api::Api;
use crate::request::Accept;
use crate::table::{Entry, Rows};
use http::header::{ACCEPT, ETAG, VARY};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use std::hash::{Hash, Hasher};
use teu_api::Status;
use teu_web::{Response, respond};

/// Answers a path of discovery.
pub fn answer(
    api: &Api,
    headers: &HeaderMap,
    path: &str,
    accept: Accept,
) -> Result<Response, Status> {
    let rows = api.table.rows();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let document = match *segments {
        ["api"] | ["apis"] => match aggregated_version(headers) {
            Some(version) => return Ok(aggregated(&rows, segments[0] == "api", version, headers)),
            None if segments[0] == "api" => legacy(),
            None => groups(&rows),
        },
        ["api", version] => {
            resources(&rows, "", version).ok_or_else(|| Status::not_found_path(path))?
        }
        ["apis", group] => self::group(&rows, group).ok_or_else(|| Status::not_found_path(path))?,
        ["apis", group, version] => {
            resources(&rows, group, version).ok_or_else(|| Status::not_found_path(path))?
        }
        _ => return Err(Status::not_found_path(path)),
    };
    Ok(answer::document(200, &document, accept))
}

/// The version of the aggregated document that is asked for, if one is preferred to the plain ones.
fn aggregated_version(headers: &HeaderMap) -> Option<&'static str> {
    let text = headers.get(ACCEPT)?.to_str().ok()?;
    for clause in text.split(',') {
        let has = |wanted: &str| clause.split(';').any(|part| part.trim() == wanted);
        let is_aggregated = has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io");
        match is_aggregated {
            true if has("v=v2") => return Some("v2"),
            true if has("v=v2beta1") => return Some("v2beta1"),
            _ if !is_aggregated && clause.trim().starts_with("application/json") => return None,
            _ => {}
        }
    }
    None
}

fn legacy() -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
    })
}

fn groups(rows: &Rows) -> Value {
    let groups: Vec<Value> = rows
        .groups()
        .filter(|group| !group.is_empty())
        .map(|group| of_group(rows, group))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group(rows: &Rows, group: &str) -> Option<Value> {
    rows.groups().find(|known| *known == group)?;
    let mut document = Map::new();
    document.insert("kind".to_owned(), "APIGroup".into());
    document.insert("apiVersion".to_owned(), "v1".into());
    if let Value::Object(fields) = of_group(rows, group) {
        document.extend(fields);
    }
    Some(document.into())
}

fn of_group(rows: &Rows, group: &str) -> Value {
    let named = |version: &&str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    let versions: Vec<Value> = rows.versions(group).iter().map(named).collect();
    let preferred = versions.first().cloned().unwrap_or(Value::Null);
    json!({ "name": group, "versions": versions, "preferredVersion": preferred })
}

/// `APIResourceList`.
fn resources(rows: &Rows, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for entry in rows.resources(group, version) {
        let resource = &entry.row.resource;
        let is_namespaced = resource.is_namespaced();
        let mut own = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": is_namespaced,
            "kind": resource.kind, "verbs": resource.verbs,
        });
        if !resource.short.is_empty() {
            own["shortNames"] = json!(resource.short);
        }
        if !resource.categories.is_empty() {
            own["categories"] = json!(resource.categories);
        }
        list.push(own);
        for below in &resource.subresources {
            let (group, version, kind) = kind_of(entry, below);
            let mut own = json!({
                "name": format!("{}/{}", resource.plural, below.name), "singularName": "",
                "namespaced": is_namespaced, "kind": kind, "verbs": below.verbs,
            });
            if !below.kind.is_empty() && below.kind != resource.kind {
                own["group"] = group.into();
                own["version"] = version.into();
            }
            list.push(own);
        }
    }
    let is_known =
        rows.groups().any(|known| known == group) && rows.versions(group).contains(&version);
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    is_known.then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list,
        })
    })
}

/// Group, version and kind of what a subresource takes.
fn kind_of<'a>(
    entry: &'a Entry,
    below: &'a teu_kubernetes::Subresource,
) -> (&'a str, &'a str, &'a str) {
    let resource = &entry.row.resource;
    match below.kind.is_empty() {
        true => (&resource.group, &resource.version, &resource.kind),
        false => (&below.group, &below.version, &below.kind),
    }
}

fn aggregated(rows: &Rows, is_core: bool, version: &str, headers: &HeaderMap) -> Response {
    let items: Vec<Value> = rows
        .groups()
        .filter(|group| group.is_empty() == is_core)
        .map(|group| {
            let versions: Vec<Value> = rows
                .versions(group)
                .iter()
                .map(|version| of_version(rows, group, version))
                .collect();
            let metadata = if is_core { json!({}) } else { json!({ "name": group }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items,
    });
    let body = crate::encode::json(&document, false);
    let mut hasher = std::hash::DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016X}\"", hasher.finish());
    let mut response = if is_known(headers, &tag) {
        respond::empty(http::StatusCode::NOT_MODIFIED)
    } else {
        let media_type =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        answer::bytes(200, &media_type, body, true)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn of_version(rows: &Rows, group: &str, version: &str) -> Value {
    let kind = |(group, version, kind): (&str, &str, &str)| json!({ "group": group, "version": version, "kind": kind });
    let resources: Vec<Value> = rows
        .resources(group, version)
        .map(|entry| {
            let resource = &entry.row.resource;
            let subresources: Vec<Value> = resource
                .subresources
                .iter()
                .map(|below| {
                    json!({
                        "subresource": below.name, "responseKind": kind(kind_of(entry, below)),
                        "verbs": below.verbs,
                    })
                })
                .collect();
            let mut own = json!({
                "resource": resource.plural,
                "responseKind": kind((&resource.group, &resource.version, &resource.kind)),
                "scope": if resource.is_namespaced() { "Namespaced" } else { "Cluster" },
                "singularResource": resource.singular,
                "verbs": resource.verbs,
            });
            for (name, value) in [
                ("shortNames", json!(resource.short)),
                ("categories", json!(resource.categories)),
                ("subresources", json!(subresources)),
            ] {
                if value.as_array().is_some_and(|items| !items.is_empty()) {
                    own[name] = value;
                }
            }
            own
        })
        .collect();
    json!({ "version": version, "freshness": "Current", "resources": resources })
}
