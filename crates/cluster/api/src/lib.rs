//! The Kubernetes API's own rules, as pure modules that need no server.
//!
//! - [`status`]: every answer that is not an object: `metav1.Status`, with the real reasons and codes.
//! - [`row`]: what the server knows of one resource: its names, schema and [`row::Rules`].
//! - [`object`]: reading and writing `metadata` of an object, which is a JSON value here.
//! - [`decode`]: JSON and YAML in, bounded; what is unknown, said twice or of another type.
//! - [`admission`]: what stands between a request and the store.
//! - [`flow`]: whose turn it is when many ask at once.
//! - [`crd`]: custom resources: definitions checked and turned into rows.
//! - [`cel`]: expressions over objects, with a budget.
//! - [`apply`]: server-side apply and the ownership of fields.
//! - [`patch`]: JSON patch, merge patch, strategic merge patch.
//! - [`kinds`]: the rules of every built-in kind.
//! - [`quantity`]: `100m`, `1Gi`: read, written, compared, added.
//! - [`rbac`]: what roles allow.
//! - [`selector`]: what `-l` and `--field-selector` say.
//!
//! It refuses I/O of any kind, and clocks and randomness but those it is handed; texts of errors are
//! those of Kubernetes, because clients print them.
#![forbid(unsafe_code)]

pub mod admission;
pub mod apply;
pub mod cel;
pub mod crd;
pub mod decode;
pub mod flow;
pub mod kinds;
#[cfg(test)]
mod noise;
pub mod object;
pub mod patch;
pub mod quantity;
pub mod rbac;
pub mod row;
pub mod selector;
pub mod status;
pub mod time;

pub use quantity::Quantity;
pub use row::{Column, Row, Rules, Target};
pub use status::{Cause, CauseKind, Status};
