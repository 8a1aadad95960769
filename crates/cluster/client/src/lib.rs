//! How controllers, the scheduler and the node speak with the API: one trait, in process or over
//! HTTPS, so that the same code runs beside the server, elsewhere, and in a simulation.
//!
//! It knows no kinds: a resource is named by group, version and plural, an object is a JSON value. The
//! server above implements [`Client`] in process; nobody here opens a connection by itself.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use teu_api::Status;

/// What a call answers.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// A resource's place in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind<'a> {
    /// Group; empty for core.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Name in paths.
    pub plural: &'a str,
}

/// Which objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// In this namespace; empty for all.
    pub namespace: String,
    /// As `-l` says it.
    pub labels: String,
    /// As `--field-selector` says it.
    pub fields: String,
}

/// What a list answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List {
    /// As of then; a watch from it misses nothing.
    pub resource_version: String,
    /// The objects, with `apiVersion` and `kind`.
    pub items: Vec<Value>,
}

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is there, new or not.
    Applied(Value),
    /// It is gone; as it was last.
    Deleted(Value),
    /// All until this resource version has been told.
    Bookmark(String),
}

/// Changes, one after another; an error (410 above all) is the last.
pub trait Watch: Send {
    /// The next.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Event, Status>> + Send + '_>>;
}

/// How a deletion goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Only this object.
    pub uid: Option<String>,
    /// Only as it was then.
    pub resource_version: Option<String>,
    /// `Foreground`, `Background`, `Orphan`.
    pub propagation: Option<&'static str>,
    /// Seconds it may take.
    pub grace_seconds: Option<i64>,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    Strategic,
    /// Server-side apply by this manager, with force.
    Apply(&'static str),
}

/// The API, as one who may ask. Namespaces are empty for what lives in the cluster.
pub trait Client: Send + Sync + 'static {
    /// One object.
    fn get(&self, kind: Kind<'_>, namespace: &str, name: &str) -> Answer<Value>;

    /// Several.
    fn list(&self, kind: Kind<'_>, choice: &Choice) -> Answer<List>;

    /// Changes behind a resource version.
    fn watch(&self, kind: Kind<'_>, choice: &Choice, from: &str) -> Answer<Box<dyn Watch>>;

    /// Makes one.
    fn create(&self, kind: Kind<'_>, namespace: &str, object: Value) -> Answer<Value>;

    /// Replaces one, or a subresource of it (empty for none).
    fn update(&self, kind: Kind<'_>, subresource: &str, object: Value) -> Answer<Value>;

    /// Changes one, or a subresource of it (empty for none).
    fn patch(
        &self,
        kind: Kind<'_>,
        at: (&str, &str),
        subresource: &str,
        patch: Patch,
        body: Value,
    ) -> Answer<Value>;

    /// Deletes one; answers it as it stands, or the status.
    fn delete(&self, kind: Kind<'_>, at: (&str, &str), how: &Deletion) -> Answer<Value>;
}
