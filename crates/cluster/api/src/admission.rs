//! What stands between a request and the store, as far as it needs no I/O: who is asked ([`matching`]),
//! policies in CEL ([`policy`], [`mutation`]), the documents of webhooks ([`webhook`]), and the
//! built-in rules: limits, quota, pod security, priority, service accounts, default classes, what a
//! node may touch.
//!
//! The caller finds the objects (namespaces, policies, params, limits) and does the calls; every function
//! here is one of its arguments.

pub mod classes;
pub mod limits;
pub mod matching;
pub mod mutation;
pub mod node;
pub mod policy;
pub mod priority;
pub mod quota;
pub mod references;
pub mod resize;
pub mod runtime_class;
pub mod security;
pub mod service_account;
#[cfg(test)]
mod tests;
pub mod topology;
pub mod trouble;
pub mod webhook;

use crate::status::Status;
use serde_json::{Map, Value, json};
use teu_kubernetes::Schema;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
    /// Connects to one (`exec`, `proxy`).
    Connect,
}

impl Operation {
    /// Kubernetes' word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A request that is to be admitted.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it does.
    pub operation: Operation,
    /// Group of its resource; empty for core.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Name of the resource in paths.
    pub resource: &'a str,
    /// Group, version and kind of what is written: a part such as an eviction has its own.
    pub kind: (&'a str, &'a str, &'a str),
    /// Part of the object; empty for itself.
    pub subresource: &'a str,
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// Name; may be empty on a create.
    pub name: &'a str,
    /// The new object; none on a delete.
    pub object: Option<&'a Value>,
    /// The old one; none on a create.
    pub old: Option<&'a Value>,
    /// Of what they are made.
    pub schema: &'a Schema,
    /// `{"username":…,"uid":…,"groups":[…],"extra":{…}}`.
    pub user: &'a Value,
    /// The request's options.
    pub options: &'a Value,
    /// Whether nothing is stored.
    pub dry_run: bool,
}

impl Request<'_> {
    /// The `request` of an AdmissionReview, without the objects.
    pub fn attributes(&self, uid: &str) -> Value {
        let resource =
            json!({"group": self.group, "version": self.version, "resource": self.resource});
        let (group, version, kind) = self.kind;
        let kind = json!({"group": group, "version": version, "kind": kind});
        let mut request = Map::new();
        let mut put = |name: &str, value: Value| request.insert(name.to_owned(), value);
        put("uid", uid.into());
        put("kind", kind.clone());
        put("resource", resource.clone());
        if !self.subresource.is_empty() {
            put("subResource", self.subresource.into());
        }
        put("requestKind", kind);
        put("requestResource", resource);
        if !self.subresource.is_empty() {
            put("requestSubResource", self.subresource.into());
        }
        if !self.name.is_empty() {
            put("name", self.name.into());
        }
        if !self.namespace.is_empty() {
            put("namespace", self.namespace.into());
        }
        put("operation", self.operation.word().into());
        put("userInfo", self.user.clone());
        put("dryRun", self.dry_run.into());
        put("options", self.options.clone());
        Value::Object(request)
    }

    /// 403: `pods "x" is forbidden: why`.
    pub fn forbidden(&self, why: &str) -> Status {
        let name = match self.name {
            "" => self.object.map(crate::object::name).unwrap_or_default(),
            name => name,
        };
        Status::forbidden(self.group, self.resource, name, why)
    }
}
