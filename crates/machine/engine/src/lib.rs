//! The Docker Engine API over `containers`, `images`, `network` and `builder`: Docker's words,
//! statuses and streams, and nothing that those crates do not do themselves.
//!
//! ```text
//! web ──▶ serve ──▶ route (pure) ──▶ body read, with limits ──▶ handler on a thread ──▶ answer
//!                                                                  └─ goes on: logs, events, attach
//! ```
//! A request is parsed once; what a check would see is what the handler gets (B2 row 10). The engine
//! may be killed at any moment: containers, logs and execs belong to their shims and to files, and
//! `teu ps` and `docker ps` read the same records.
//!
//! Start reading at [`serve`], then [`route`], then [`engine`].

#![forbid(unsafe_code)]

pub mod build;
pub mod call;
pub mod containers;
mod decompress;
pub mod engine;
pub mod error;
pub mod images;
mod lock;
pub mod networks;
pub mod off;
pub mod query;
pub mod route;
pub mod serve;
pub mod system;
pub mod version;
pub mod volumes;

pub use engine::{Config, Engine};
pub use error::{Error, Result};
pub use images::registry::Registries;
pub use serve::Service;
