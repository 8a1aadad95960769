//! A further process in a running container.

use crate::shim::Connection;
use std::os::fd::OwnedFd;

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// `NAME=value` beyond the container's.
    pub env: Vec<String>,
    /// `user[:group]` instead of the container's.
    pub user: Option<String>,
    /// Instead of the container's.
    pub working_dir: Option<String>,
    /// A terminal, of this size.
    pub tty: Option<(u16, u16)>,
    /// All capabilities.
    pub privileged: bool,
}

/// Standard input, output and error of the process: given to it as they are, nothing is copied.
#[derive(Debug, Default)]
pub struct ExecStreams {
    /// `None` for `/dev/null`.
    pub stdin: Option<OwnedFd>,
    /// Likewise.
    pub stdout: Option<OwnedFd>,
    /// Likewise.
    pub stderr: Option<OwnedFd>,
}

/// A process that runs.
#[derive(Debug)]
pub struct Execution {
    pub(crate) connection: Connection,
    /// On the host.
    pub pid: i32,
    /// The terminal's master, where one was asked for.
    pub terminal: Option<OwnedFd>,
}
