//! The neck of the hourglass: pods and containers, for the command line today, for the Docker
//! engine and the node agent later.
//!
//! A pod is a sandbox with 1..n containers; `teu run` makes an implicit pod of one. What was asked
//! for is kept in [`record`], what is in [`state`], both as small files beneath [`home`]. A pod that
//! runs has one process of ours, its [`shim`]. Every operation here works without a daemon: it
//! reads the records, takes the pod's lock, talks to the shim if there is one, and leaves.
//!
//! # Locks
//! * The pod's lock (flock on `data/pods/<id>`) is held by a command that changes records or state of
//!   a pod without a shim, and by the one that spawns a shim until the first reply has come. Nobody
//!   holds it while waiting for a shim otherwise. The shim takes it for what it removes itself
//!   (`--rm`), through [`remove::ended`].
//! * `shim.lock` (flock on a file in the pod's run directory) is held by the shim as long as it lives;
//!   it waits for it, since commands test it by taking it for an instant.
//! * The directory of names is locked while a name and its bearer are published together.
//!
//! Order: pod, then names. A pod is removed by renaming its directory away; whoever waited for its
//! lock notices.
//!
//! Start reading at [`record`], then [`shim::protocol`].

#![forbid(unsafe_code)]

mod ask;
mod commit;
pub mod copy;
pub mod create;
mod diff;
mod disk;
mod error;
pub mod events;
pub mod exec;
mod filter;
pub mod home;
mod inspect;
pub mod lifecycle;
pub mod list;
pub mod logs;
mod names;
mod networking;
mod open;
pub mod options;
pub mod pending;
pub mod plan;
mod pods;
mod poll;
pub mod record;
pub mod remove;
mod repair;
mod resume;
mod root;
pub mod rootless;
mod shelf;
pub mod shim;
pub mod signal;
pub mod state;
pub mod stats;
pub mod time;
mod top;
pub mod units;
mod volume;

pub use commit::CommitRequest;
pub use copy::CopyOptions;
pub use diff::Change;
pub use error::{Error, Result};
pub use home::Home;
pub use open::Containers;
pub use poll::Hangup;
pub use remove::Pruned;
pub use resume::Resumed;
pub use shelf::Found;
pub use top::Processes;
pub use volume::VolumeUsage;
