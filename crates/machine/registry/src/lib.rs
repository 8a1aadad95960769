//! The OCI distribution protocol, served over the image store.
//!
//! Why in Teu: images that were built here are pulled from here without a second program, and what
//! is pushed shares its blobs with what runs. This crate speaks the protocol and keeps the record of
//! which repository has what; bytes, hashes and collection are `teu-images`', sockets and limits
//! `teu-web`'s. It refuses to run anything, to read the environment, and to answer a push before it
//! is on disk.
//!
//! Start reading at [`records`] (what is known, and how it survives), then [`server`] (a request's
//! way). Distribution-spec 1.1; the tests in `tests/it/distribution` follow its sections.

#![forbid(unsafe_code)]

pub mod access;
pub mod audit;
pub mod config;
pub mod depot;
pub mod hooks;
pub mod link;
pub mod local;
pub mod manifest;
pub mod metrics;
pub mod name;
pub mod objects;
pub mod options;
pub mod problem;
pub mod range;
pub mod records;
pub mod route;
pub mod server;
pub mod sessions;
pub mod upstreams;

pub use options::Options;
pub use server::{Registry, Setup};
pub mod service;
