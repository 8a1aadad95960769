//! From created to exited and back: start, stop, kill, pause, wait, rename, update.
//!
//! Where the pod has a shim, it is asked; where it has none, the records are changed under the pod's
//! lock. A shim that died is noticed first ([`crate::repair`]), so that no answer is about a past.

use crate::record::RestartPolicy;
use crate::shim::Connection;
use std::os::fd::OwnedFd;
use teu_oci::runtime::Resources;

/// Ends of pipes that are connected to a container: what it reads, what it writes.
#[derive(Debug, Default)]
pub struct Attach {
    /// Read end.
    pub stdin: Option<OwnedFd>,
    /// Write end.
    pub stdout: Option<OwnedFd>,
    /// Write end.
    pub stderr: Option<OwnedFd>,
}

/// A started or attached container, as long as somebody listens. Dropping it ends the attachment.
#[derive(Debug)]
pub struct Session {
    pub(crate) connection: Connection,
    pub(crate) id: String,
    pub(crate) pod: String,
    /// First process on the host, where it is known.
    pub pid: i32,
}

/// `update`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Limits to change; absent ones stay.
    pub resources: Resources,
    /// New policy.
    pub restart: Option<RestartPolicy>,
}

/// How `stop` and `restart` wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stop {
    /// Signal; `None` for the container's own.
    pub signal: Option<i32>,
    /// Seconds until SIGKILL, negative for never; `None` for the container's own.
    pub timeout_s: Option<i64>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// It does not run (at once if it does not).
    #[default]
    NotRunning,
    /// The next end of a run.
    NextExit,
    /// It has been removed.
    Removed,
}

/// `rm`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remove {
    /// Kills it first.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
}
