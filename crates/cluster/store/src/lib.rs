//! The ground of the cluster: keys with revisions, compare-and-swap, watches, leases, compaction.
//!
//! The contract is etcd's and no more of it than Kubernetes needs; [`Store`] is its trait,
//! [`embedded::Embedded`] keeps it in one folder, [`etcd::Etcd`] in a real cluster, [`cache::Cache`]
//! answers many readers of one prefix from memory, and `suite` (a feature, for tests) is what every
//! backend has to pass. Why it is cut as it is stands in `docs/design/store.md`.
//!
//! Invariants: what was answered is durable; a revision is given out once and never again, over
//! any crash; what is read has been made durable before; nothing here looks at a clock, a disk or
//! the network except through what it was handed.
#![forbid(unsafe_code)]

pub mod cache;
pub mod clock;
pub mod embedded;
pub mod error;
pub mod etcd;
pub mod kv;
pub mod reply;
pub mod store;
#[cfg(feature = "suite")]
pub mod suite;
pub mod txn;
pub mod watch;

pub use clock::{Clock, Timer};
pub use error::Error;
pub use kv::{Event, EventKind, KeyValue, LeaseId, Revision, Span};
pub use reply::Reply;
pub use store::{Consistency, Found, Listed, Range, Status, Store};
pub use txn::{Change, Expect, Outcome, Txn, Write};
pub use watch::{Message, Watch, WatchRequest};
