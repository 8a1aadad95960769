//! A further process in a container that runs.

use crate::Cgroup;
use crate::error::Error;
use crate::launch::{Running, Stdio};
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use teu_oci::runtime::{Process, Seccomp};

/// What is asked for.
#[derive(Debug)]
pub struct Exec<'a> {
    /// First process of the container, as seen by the caller: its namespaces and root are entered.
    pub target: Pid,
    /// What runs. `terminal` is not looked at, `stdio` is.
    pub process: &'a Process,
    /// The container's filter (`spec.linux.seccomp`).
    pub seccomp: Option<&'a Seccomp>,
    /// Standard streams.
    pub stdio: Stdio,
    /// The container's.
    pub cgroup: Option<&'a Cgroup>,
    /// Given to the program as descriptors 3, 4, …
    pub descriptors: Vec<OwnedFd>,
    /// The program shares the caller's session keyring.
    pub keep_keyring: bool,
}

/// Runs a process in the namespaces, the root and the cgroup of a running container.
///
/// # Errors
/// As [`crate::create`] and [`crate::Created::start`].
pub fn exec(request: Exec<'_>) -> Result<Running, Error> {
    let _ = request;
    Err(Error::Invalid { field: "process".to_owned(), problem: "not yet".to_owned() })
}
