//! OpenAPI documents of built-in and custom resources: version 3 for each group and version, version 2
//! for everything at once, as JSON and as gnostic's protobuf.
//!
//! `kubectl explain`, validation before sending and generators of clients read them. They are pure
//! functions of a list of resources; [`Documents`] makes each when it is first asked, keeps it
//! compressed, and forgets those of a group whose custom resources changed.

mod custom;
mod documents;
mod gnostic;
mod operation;
mod parameter;
mod paths;
mod schema;
mod words;

pub use documents::{Body, Documents, Owned};
pub use gnostic::encode as gnostic;

use crate::resource::Resource;
use paths::Paths;
use schema::Schemas;
use serde_json::{Map, Value, json};

/// A resource to describe.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// Its names.
    pub resource: &'a Resource,
    /// A custom resource's own schema (`openAPIV3Schema`); none of a built-in one.
    pub schema: Option<&'a Value>,
}

/// Version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 2.0 (Swagger).
    V2,
    /// 3.0.0.
    V3,
}

impl Dialect {
    /// Where schemas are in a document, as references name them.
    const fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        }
    }

    fn reference(self, name: &str) -> Value {
        json!({ "$ref": format!("{}{name}", self.prefix()) })
    }
}

/// The document of these resources; `release` is the server's version, such as `v1.36.0`.
pub fn document(dialect: Dialect, release: &str, resources: &[Described<'_>]) -> Value {
    let mut schemas = Schemas::new(dialect, resources);
    let mut paths = Paths::new(dialect);
    for each in resources {
        paths.add(each, &mut schemas);
    }
    let info = json!({ "title": "Kubernetes", "version": release });
    let token = json!({
        "description": "Bearer Token authentication",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    });
    let mut out = Map::new();
    match dialect {
        Dialect::V2 => {
            out.insert("swagger".into(), "2.0".into());
            out.insert("info".into(), info);
            out.insert("paths".into(), paths.finish());
            out.insert("definitions".into(), schemas.finish());
            out.insert("securityDefinitions".into(), json!({ "BearerToken": token }));
            out.insert("security".into(), json!([{ "BearerToken": [] }]));
        }
        Dialect::V3 => {
            out.insert("openapi".into(), "3.0.0".into());
            out.insert("info".into(), info);
            out.insert("paths".into(), paths.finish());
            let schemes = json!({ "BearerToken": token });
            out.insert(
                "components".into(),
                json!({ "schemas": schemas.finish(), "securitySchemes": schemes }),
            );
        }
    }
    Value::Object(out)
}

/// What a document calls the type of a kind.
fn type_name(resource: &Resource) -> String {
    if resource.type_name.is_empty() {
        custom_name(&resource.group, &resource.version, &resource.kind)
    } else {
        resource.type_name.to_string()
    }
}

/// What it calls the type of a list of them.
fn list_name(resource: &Resource) -> String {
    match resource.type_name.strip_suffix(&*resource.kind) {
        Some(package) if !resource.type_name.is_empty() => {
            format!("{package}{}", resource.list_kind)
        }
        _ => custom_name(&resource.group, &resource.version, &resource.list_kind),
    }
}

/// `com.example.v1.Widget`.
fn custom_name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').rev().collect();
    parts.extend([version, kind]);
    parts.join(".")
}

#[cfg(test)]
mod tests;
