//! The words of the Kubernetes API, as data: which resources there are, of which fields their
//! types are made, and how those merge.
//!
//! Why: patching, field ownership, validation of fields, protobuf, discovery and OpenAPI all ask
//! the same questions of a type. They are answered here once, from one table, for the built-in
//! types and (as the same [`Schema`]) for those that a CustomResourceDefinition brings.
//!
//! It parses and prints and never fetches; it knows nothing of a server.
#![forbid(unsafe_code)]

pub mod discovery;
pub mod openapi;
pub mod protobuf;
pub mod resource;
pub mod schema;
pub mod types;
mod wire;

pub use resource::{Resource, Scope, Subresource, resources};
pub use schema::{
    Field, ListKind, ListShape, MapShape, PatchRule, Scalar, Schema, Shape, StructShape,
};
pub use types::type_schema;
