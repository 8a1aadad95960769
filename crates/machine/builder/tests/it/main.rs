//! Builds on a real kernel: root, overlayfs and namespaces are needed, no network.
//!
//! Steps are started through the example `teu-build`, which Cargo builds with the tests.

mod attacks;
mod cache;
mod cache_travels;
mod copies;
mod errors;
mod outputs;
mod platforms;
mod repositories;
mod runs;
mod whole;
mod world;
