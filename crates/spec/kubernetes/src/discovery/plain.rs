//! Discovery as it was before it was aggregated: one document for each group and each version.

use super::{Catalog, Group, Version, group_version};
use crate::resource::{Resource, Subresource};
use serde_json::{Map, Value, json};

/// What `/api` answers; `address` is the server's own, such as `10.0.0.1:6443`.
pub fn api_versions(catalog: &Catalog<'_>, address: &str) -> Value {
    let core = catalog.group("");
    let versions: Vec<&str> =
        core.into_iter().flat_map(|group| &group.versions).map(|version| version.name).collect();
    json!({
        "kind": "APIVersions",
        "versions": versions,
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": address }],
    })
}

/// What `/apis` answers.
pub fn group_list(catalog: &Catalog<'_>) -> Value {
    let groups = catalog.groups.iter().filter(|group| !group.name.is_empty());
    json!({
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": groups.map(group).map(Value::Object).collect::<Vec<_>>(),
    })
}

/// What `/apis/<group>` answers.
pub fn group_document(of: &Group<'_>) -> Value {
    let mut out = Map::new();
    out.insert("kind".into(), "APIGroup".into());
    out.insert("apiVersion".into(), "v1".into());
    out.extend(group(of));
    Value::Object(out)
}

fn group(group: &Group<'_>) -> Map<String, Value> {
    let name = |version: &Version<'_>| {
        json!({
            "groupVersion": group_version(group.name, version.name),
            "version": version.name,
        })
    };
    let mut out = Map::new();
    out.insert("name".into(), group.name.into());
    out.insert("versions".into(), group.versions.iter().map(name).collect());
    if let Some(first) = group.versions.first() {
        out.insert("preferredVersion".into(), name(first));
    }
    out
}

/// What `/api/v1` and `/apis/<group>/<version>` answer.
pub fn resource_list(group: &str, version: &Version<'_>) -> Value {
    let mut resources = Vec::new();
    for each in &version.resources {
        resources.push(resource(each));
        resources.extend(each.subresources.iter().map(|part| subresource(each, part)));
    }
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version.name),
        "resources": resources,
    })
}

fn resource(resource: &Resource) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), (*resource.plural).into());
    out.insert("singularName".into(), (*resource.singular).into());
    out.insert("namespaced".into(), resource.is_namespaced().into());
    out.insert("kind".into(), (*resource.kind).into());
    out.insert("verbs".into(), json!(resource.verbs));
    for (name, list) in [("shortNames", &resource.short), ("categories", &resource.categories)] {
        if !list.is_empty() {
            out.insert(name.into(), json!(list));
        }
    }
    Value::Object(out)
}

fn subresource(resource: &Resource, part: &Subresource) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), format!("{}/{}", resource.plural, part.name).into());
    out.insert("singularName".into(), "".into());
    out.insert("namespaced".into(), resource.is_namespaced().into());
    if part.group != resource.group || part.version != resource.version {
        out.insert("group".into(), (*part.group).into());
        out.insert("version".into(), (*part.version).into());
    }
    out.insert("kind".into(), (*part.kind).into());
    out.insert("verbs".into(), json!(part.verbs));
    Value::Object(out)
}
