//! CustomResourceDefinitions: a definition checked, settled and turned into rows of the server's table.
//!
//! [`check`] says what is wrong with a definition, [`fill`] fills in its defaults, [`conditions::settle`]
//! decides about its names, and [`rows`] gives what the server needs to serve it: for each version the
//! type of its objects ([`shape`]) and their rules ([`custom`]): defaults, validation, CEL, columns,
//! scale.

mod check;
mod columns;
pub mod conditions;
pub mod convert;
mod custom;
mod default;
mod node;
mod path;
mod rule;
mod shape;
#[cfg(test)]
mod tests;
mod validate;

pub use check::{check, check_update};
pub use custom::Custom;
pub use node::Node;
pub use path::JsonPath;
pub use rule::Rule;

use crate::kinds::meta::Place;
use crate::object::{at, text};
use crate::row::Row;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use teu_kubernetes::discovery::by_priority;
use teu_kubernetes::{Resource, Scope, Subresource};

const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// Fills in what a definition does not say.
pub fn fill(definition: &mut Value) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_missing = |names: &serde_json::Map<String, Value>, name: &str| {
            names.get(name).and_then(Value::as_str).is_none_or(str::is_empty)
        };
        if !kind.is_empty() && is_missing(names, "singular") {
            names.insert("singular".to_owned(), kind.to_lowercase().into());
        }
        if !kind.is_empty() && is_missing(names, "listKind") {
            names.insert("listKind".to_owned(), format!("{kind}List").into());
        }
    }
    let conversion = spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(fields) = conversion.as_object_mut() {
        fields.entry("strategy").or_insert_with(|| "None".into());
        let service = fields
            .get_mut("webhook")
            .and_then(|it| it.get_mut("clientConfig"))
            .and_then(|it| it.get_mut("service"))
            .and_then(Value::as_object_mut);
        if let Some(service) = service {
            service.entry("port").or_insert_with(|| 443.into());
        }
    }
}

/// Rows of every version that is served.
pub fn rows(definition: &Value) -> Vec<Row> {
    let versions = at(definition, &["spec", "versions"]).and_then(Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == true)
        .map(|version| row(definition, version))
        .collect()
}

/// The version that objects are stored in.
pub fn storage_version(definition: &Value) -> Option<&str> {
    let versions = at(definition, &["spec", "versions"])?.as_array()?;
    versions.iter().find(|version| version["storage"] == true)?["name"].as_str()
}

/// What is said of a version that should no longer be used: its own words, or which is better.
fn deprecated(definition: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version["deprecationWarning"].as_str() {
        return Some(own.to_owned());
    }
    let group = text(definition, &["spec", "group"]).unwrap_or_default();
    let kind = text(definition, &["spec", "names", "kind"]).unwrap_or_default();
    let name = version["name"].as_str().unwrap_or_default();
    let all = at(definition, &["spec", "versions"]).and_then(Value::as_array).into_iter().flatten();
    let good = all.filter(|other| other["served"] == true && other["deprecated"] != true);
    let names = good.filter_map(|other| other["name"].as_str());
    // The order begins with the most preferred.
    let better = names.filter(|other| by_priority(other, name).is_lt());
    let instead = better.min_by(|one, other| by_priority(one, other));
    let instead = instead.map(|other| format!("; use {group}/{other} {kind}")).unwrap_or_default();
    Some(format!("{group}/{name} {kind} is deprecated{instead}"))
}

fn row(definition: &Value, version: &Value) -> Row {
    let owned = |text: &str| -> Cow<'static, str> { text.to_owned().into() };
    let group = text(definition, &["spec", "group"]).unwrap_or_default();
    let names = |name: &str| text(definition, &["spec", "names", name]).unwrap_or_default();
    let list = |name: &str| -> Vec<Cow<'static, str>> {
        let items = at(definition, &["spec", "names", name]).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(owned).collect()
    };
    let name = version["name"].as_str().unwrap_or_default();
    let is_namespaced = text(definition, &["spec", "scope"]) == Some("Namespaced");
    let node = version.pointer("/schema/openAPIV3Schema").map(Node::read);
    let schema = Arc::new(shape::object_schema(node.as_ref()));
    let subresources = &version["subresources"];
    let has_status = subresources.get("status").is_some_and(Value::is_object);
    let rules = Custom {
        place: if is_namespaced { Place::Namespace } else { Place::Cluster },
        node,
        schema: schema.clone(),
        printers: columns::printers(version),
        has_status,
        selectable: selectable(version),
        api_version: format!("{group}/{name}"),
        kind: names("kind").to_owned(),
        deprecated: deprecated(definition, version),
        scale: subresources.get("scale").and_then(custom::Scale::read),
    };
    Row {
        resource: Resource {
            group: owned(group),
            version: owned(name),
            kind: owned(names("kind")),
            plural: owned(names("plural")),
            singular: owned(names("singular")),
            list_kind: owned(names("listKind")),
            short: list("shortNames"),
            categories: list("categories"),
            scope: if is_namespaced { Scope::Namespaced } else { Scope::Cluster },
            verbs: VERBS.map(Cow::Borrowed).to_vec(),
            subresources: parts(&rules, group, name),
            type_name: "".into(),
        },
        schema,
        rules: Arc::new(rules),
        storage: format!("{group}/{}", names("plural")).into(),
    }
}

/// What is below an object. Discovery's clients skip what has no kind.
fn parts(rules: &Custom, group: &str, version: &str) -> Vec<Subresource> {
    let part = |name: &'static str, is: [&str; 3]| Subresource {
        name: name.into(),
        group: is[0].to_owned().into(),
        version: is[1].to_owned().into(),
        kind: is[2].to_owned().into(),
        verbs: ["get", "patch", "update"].map(Cow::Borrowed).to_vec(),
    };
    let status = rules.has_status.then(|| part("status", [group, version, &rules.kind]));
    let scale = rules.scale.is_some().then(|| part("scale", ["autoscaling", "v1", "Scale"]));
    status.into_iter().chain(scale).collect()
}

/// Fields that selectors may name, without the leading dot.
fn selectable(version: &Value) -> Vec<&'static str> {
    let fields = version["selectableFields"].as_array().into_iter().flatten();
    fields.filter_map(|field| kept(field["jsonPath"].as_str()?.strip_prefix('.')?)).collect()
}

/// Names of selectable fields that are kept; further ones are not selectable.
const MAX_KEPT_FIELDS: usize = 10_000;

/// A name that lives as long as the program, as those of built-in kinds do. Each is kept once, so
/// that definitions which come and go cost nothing more.
fn kept(name: &str) -> Option<&'static str> {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(name) {
        return Some(known);
    }
    if kept.len() >= MAX_KEPT_FIELDS {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    kept.insert(name);
    Some(name)
}
