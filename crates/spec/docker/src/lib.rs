//! Documents of the Docker Engine API as pure types: what clients send ([`body`], [`create`], …) and
//! what they expect back ([`summary`], [`message`], [`stats`], …). Parsed and printed, never fetched.
//!
//! Docker's daemon is written in Go, and its clients rely on what Go prints: an empty list is `[]` in
//! one place, `null` in another and absent in a third. Each field here follows the place it stands in.
//! Only what Teu reads or answers is described; unknown fields of a request are ignored, as Docker
//! does.
//!
//! Refuses: a body in which a key stands twice (two readers could see two requests, B2 row 10).

#![forbid(unsafe_code)]

pub mod body;
pub mod create;
pub mod event;
pub mod exec;
pub mod frame;
pub mod message;
pub mod network;
pub mod stats;
pub mod summary;
pub mod volume;

pub use body::{BodyError, parse};
