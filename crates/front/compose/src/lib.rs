//! Compose applications without a daemon.
//!
//! Three cuts: [`model`] reads files into a project (pure but for the files it is handed a reader of),
//! [`plan`] compares a project with what is observed and gives steps (pure), [`execute`] carries the
//! steps out over the crates of `machine`.
#![forbid(unsafe_code)]

pub mod dotenv;
pub mod finish;
pub mod interpolate;
pub mod load;
pub mod merge;
pub mod model;
pub mod node;
pub mod normal;
pub mod print;
pub mod project;
pub mod schema;
pub mod yaml;
