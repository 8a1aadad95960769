//! The neck of the hourglass: pods and containers, for the command line today, for the Docker
//! engine and the node agent later.
//!
//! A pod is a sandbox with 1..n containers; `teu run` makes an implicit pod of one. What was asked
//! for is kept in [`record`], what is in [`state`], both as small files beneath [`home`]. A pod that
//! runs has one process of ours, its [`shim`]. Every operation here works without a daemon: it
//! reads the records, takes the pod's lock, talks to the shim if there is one, and leaves.
//!
//! Start reading at [`record`], then [`shim::protocol`].

#![forbid(unsafe_code)]

pub mod copy;
pub mod create;
mod error;
pub mod events;
pub mod exec;
pub mod home;
pub mod lifecycle;
pub mod list;
pub mod logs;
mod open;
pub mod pending;
pub mod plan;
pub mod record;
pub mod shim;
pub mod state;
pub mod stats;

pub use error::{Error, Result};
pub use home::Home;
pub use open::Containers;
