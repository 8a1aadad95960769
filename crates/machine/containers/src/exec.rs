//! A further process in a running container.

use crate::ask::{ask, lost};
use crate::shim::Connection;
use crate::shim::protocol::{Reply, Request};
use crate::state::Status;
use crate::{Containers, Error, Result};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use teu_oci::runtime::Process;
use teu_oci::runtime::process::ConsoleSize;

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
    /// A terminal, of this size (rows, columns).
    pub tty: Option<(u16, u16)>,
    /// All capabilities.
    pub privileged: bool,
    /// Names it in events. One that has a name outlives who started it: its terminal stays open.
    pub id: Option<String>,
}

/// Standard input, output and error of the process: given to it as they are, nothing is copied.
/// Not used with a terminal.
#[derive(Debug, Default)]
pub struct ExecStreams {
    /// `None` for `/dev/null`.
    pub stdin: Option<OwnedFd>,
    /// Likewise.
    pub stdout: Option<OwnedFd>,
    /// Likewise.
    pub stderr: Option<OwnedFd>,
}

/// A process that runs. It goes on when this is dropped.
#[derive(Debug)]
pub struct Execution {
    connection: Connection,
    pod: String,
    /// On the host.
    pub pid: i32,
    /// The terminal's master, where one was asked for.
    pub terminal: Option<OwnedFd>,
}

impl Containers {
    /// Runs a further process.
    pub fn exec(
        &self,
        name: &str,
        request: &ExecRequest,
        streams: ExecStreams,
    ) -> Result<Execution> {
        let found = self.find(name)?;
        match found.state.status {
            Status::Running => {}
            Status::Paused => return Err(Error::Paused(found.record.id, "exec")),
            Status::Restarting => {
                return Err(Error::Restarting(found.record.id));
            }
            _ => return Err(Error::NotRunning(found.record.id)),
        }
        if request.command.is_empty() || request.command[0].is_empty() {
            return Err(Error::Refused("No exec command specified"));
        }
        if request.working_dir.as_ref().is_some_and(|dir| !dir.starts_with('/')) {
            let dir = request.working_dir.clone().unwrap_or_default();
            return Err(crate::create::Invalid::WorkingDir(dir).into());
        }
        let process = Process {
            args: request.command.clone(),
            env: request.env.clone(),
            cwd: request.working_dir.clone().unwrap_or_default(),
            terminal: request.tty.is_some(),
            console_size: request.tty.map(|(height, width)| ConsoleSize { height, width }),
            ..Process::default()
        };
        let asked = Request::Exec {
            id: found.record.id.clone(),
            process: Box::new(process),
            user: request.user.clone(),
            privileged: request.privileged,
            exec_id: request.id.clone(),
        };
        let given = match request.tty {
            Some(_) => Vec::new(),
            None => given(streams)?,
        };
        let descriptors: Vec<BorrowedFd<'_>> = given.iter().map(|fd| fd.as_fd()).collect();
        let connection = self.running_shim(&found)?;
        let command = request.command.join(" ");
        let named = request.id.as_ref().map(|id| ("execID", id.as_str()));
        // Before it is, as in Docker: one that is over at once has no `exec_die` before it.
        self.journal(&found.record, &format!("exec_start: {command}"), named.as_slice());
        let (reply, mut received) = ask(&connection, &found.pod.id, &asked, &descriptors)?;
        let Reply::Executing { pid } = reply else {
            return Err(Error::ShimLost(found.pod.id));
        };
        Ok(Execution { connection, pod: found.pod.id, pid, terminal: received.pop() })
    }
}

/// All three or none, as the shim wants them.
fn given(streams: ExecStreams) -> Result<Vec<OwnedFd>> {
    let all = [streams.stdin, streams.stdout, streams.stderr];
    if all.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let null = || {
        let path = Path::new("/dev/null");
        let file = File::options().read(true).write(true).open(path);
        file.map(OwnedFd::from).map_err(Error::io("open", path))
    };
    all.into_iter().map(|fd| fd.map_or_else(null, Ok)).collect()
}

impl Execution {
    /// Waits for the end, and answers the exit code.
    pub fn wait(self) -> Result<i32> {
        loop {
            match self.connection.receive() {
                Ok((Reply::Exited { code }, _)) => return Ok(code),
                Ok((Reply::Failed { exit_code, message }, _)) => {
                    return Err(Error::Shim { exit_code, message });
                }
                Ok(_) => {}
                Err(error) => return Err(lost(error, &self.pod)),
            }
        }
    }
}

impl std::os::fd::AsFd for Execution {
    /// Readable when the end is reported.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
