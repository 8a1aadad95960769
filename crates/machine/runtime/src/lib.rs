//! A bundle becomes a process: Teu's own implementation of the OCI runtime-spec 1.2.
//!
//! [`create`] turns a specification into a container whose program waits, [`Created::start`] lets it
//! run, [`exec`] adds a process to one that runs. They are used by the pod's shim and the builder;
//! [`cli`] puts runc's command line on top (`teu runtime …`), for podman, dockerd and containerd.
//!
//! Everything is decided before the fork: a launch becomes a plan of plain data, then a child made
//! by `clone3` walks through it with system calls only, and tells its parent by a socket where it
//! failed. Paths in the container are never opened by name from the host's root, always beneath a
//! descriptor of the container's.

#![forbid(unsafe_code)]

pub mod beneath;
pub mod cgroup;
mod cgroup_view;
mod channel;
pub mod cli;
pub mod defaults;
pub mod error;
pub mod exec;
pub mod hooks;
mod init;
pub mod launch;
mod listener;
mod plan;
pub mod seccomp;
mod spawn;
mod user_namespace;
pub mod users;

pub use cgroup::Cgroup;
/// Version of the runtime-spec that is implemented.
pub const OCI_VERSION: &str = "1.2.0";

pub use error::{Error, Stage, Warning};
pub use exec::{Exec, exec};
pub use launch::{Choices, Created, Gate, Launch, Rootfs, Running, Stdio, create};
pub use plan::check;
