//! The Kubernetes API's own rules, as pure modules that need no server.
//!
//! So far: [`selector`], what `-l` and `--field-selector` say. It refuses I/O of any kind; texts of
//! errors are those of Kubernetes, because clients print them.
#![forbid(unsafe_code)]

pub mod selector;
