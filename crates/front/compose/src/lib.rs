//! Compose applications without a daemon.
//!
//! Reading order: [`schema`] (the specification as tables), [`load`] (files become one tree),
//! [`finish`] (the tree becomes a project), [`project`] (which services are wanted), [`print`] (what
//! `config` shows). Everything is pure but for the reader of files it is handed.
#![forbid(unsafe_code)]

pub mod convert;
pub mod dotenv;
pub mod execute;
pub mod finish;
pub mod interpolate;
pub mod labels;
pub mod load;
pub mod merge;
pub mod model;
pub mod node;
pub mod normal;
pub mod observe;
pub mod plan;
pub mod print;
pub mod project;
pub mod request;
pub mod schema;
pub mod watch;
pub mod yaml;
