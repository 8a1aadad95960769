//! Aggregated discovery: everything in one document (`apidiscovery.k8s.io`).

use super::{Catalog, Group, Version};
use crate::resource::{Resource, Scope, Subresource};
use serde_json::{Map, Value, json};

/// The version of the document itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `v2`, since 1.30.
    V2,
    /// `v2beta1`, since 1.27.
    V2Beta1,
}

impl Form {
    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
        }
    }
}

/// What `/apis` answers, or `/api` when `core` is asked.
pub fn aggregated(catalog: &Catalog<'_>, core: bool, form: Form) -> Value {
    let version = match form {
        Form::V2 => "apidiscovery.k8s.io/v2",
        Form::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
    };
    let groups = catalog.groups.iter().filter(|group| group.name.is_empty() == core);
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": version,
        "metadata": {},
        "items": groups.map(group).collect::<Vec<_>>(),
    })
}

fn group(group: &Group<'_>) -> Value {
    let mut metadata = Map::new();
    if !group.name.is_empty() {
        metadata.insert("name".into(), group.name.into());
    }
    metadata.insert("creationTimestamp".into(), Value::Null);
    json!({
        "metadata": metadata,
        "versions": group.versions.iter().map(version).collect::<Vec<_>>(),
    })
}

fn version(version: &Version<'_>) -> Value {
    json!({
        "version": version.name,
        "resources": version.resources.iter().map(|each| resource(each)).collect::<Vec<_>>(),
        "freshness": if version.stale { "Stale" } else { "Current" },
    })
}

fn resource(resource: &Resource) -> Value {
    let mut out = Map::new();
    out.insert("resource".into(), (*resource.plural).into());
    out.insert("responseKind".into(), kind("", "", &resource.kind));
    let scope = if resource.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
    out.insert("scope".into(), scope.into());
    out.insert("singularResource".into(), (*resource.singular).into());
    out.insert("verbs".into(), json!(resource.verbs));
    for (name, list) in [("shortNames", &resource.short), ("categories", &resource.categories)] {
        if !list.is_empty() {
            out.insert(name.into(), json!(list));
        }
    }
    if !resource.subresources.is_empty() {
        let parts = resource.subresources.iter().map(|part| subresource(resource, part));
        out.insert("subresources".into(), parts.collect());
    }
    Value::Object(out)
}

fn subresource(resource: &Resource, part: &Subresource) -> Value {
    let own = part.group == resource.group && part.version == resource.version;
    let (group, version) = if own { ("", "") } else { (&*part.group, &*part.version) };
    json!({
        "subresource": part.name,
        "responseKind": kind(group, version, &part.kind),
        "verbs": part.verbs,
    })
}

/// Group and version are left empty where they are the document's own.
fn kind(group: &str, version: &str, kind: &str) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}
