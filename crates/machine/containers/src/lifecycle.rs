//! From created to exited and back: start, stop, kill, pause, wait.
//!
//! Where the pod has a shim, it is asked; where it has none, the records are changed under the pod's
//! lock. A shim that died is noticed first ([`crate::repair`]), so that no answer is about a past.

use crate::ask::{ask, lost};
use crate::record::RestartPolicy;
use crate::shim::Connection;
use crate::shim::protocol::{Reply, Request, Streams};
use crate::state::Status;
use crate::{Containers, Error, Found, Result};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use teu_oci::runtime::Resources;

mod change;
mod wait;

pub use wait::Waiting;

/// SIGKILL.
pub(crate) const KILL: i32 = 9;

/// Ends of pipes, terminals or files that are connected to a container: what it reads, what it
/// writes.
#[derive(Debug, Default)]
pub struct Attach {
    /// Read end.
    pub stdin: Option<OwnedFd>,
    /// Write end.
    pub stdout: Option<OwnedFd>,
    /// Write end.
    pub stderr: Option<OwnedFd>,
}

impl Attach {
    fn streams(&self) -> Streams {
        Streams {
            stdin: self.stdin.is_some(),
            stdout: self.stdout.is_some(),
            stderr: self.stderr.is_some(),
        }
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let all = [&self.stdin, &self.stdout, &self.stderr];
        all.into_iter().flatten().map(|fd| fd.as_fd()).collect()
    }
}

/// A started or attached container, as long as somebody listens. Dropping it ends the attachment.
#[derive(Debug)]
pub struct Session {
    containers: Containers,
    connection: Connection,
    id: String,
    pod: String,
    /// The shim reports the end without being asked.
    reported: bool,
    /// First process on the host, where it is known.
    pub pid: i32,
    /// What was left out, for a person.
    pub warnings: Vec<String>,
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

impl Containers {
    /// Starts it; with streams, they are connected before it runs. The session can wait. One that
    /// runs already stays as it is.
    pub fn start(&self, name: &str, attach: Attach) -> Result<Session> {
        let found = self.find(name)?;
        match found.state.status {
            Status::Paused => {
                return Err(Error::Refused("cannot start a paused container, try unpause instead"));
            }
            Status::Running | Status::Restarting => return self.already_started(found, attach),
            _ => {}
        }
        let (pod, id) = (found.pod.id.clone(), found.record.id.clone());
        let streams = attach.streams();
        let attached = streams != Streams::default();
        let request = Request::Start { id: id.clone(), attach: attached.then_some(streams) };
        let started = self.ask_started(&pod, &request, &attach.descriptors());
        let (connection, reply) = match started {
            Ok(done) => done,
            Err(error) => {
                self.after_failed_start(&found);
                return Err(error);
            }
        };
        let (pid, warnings) = match reply {
            Reply::Started { pid, warnings } => (pid, warnings),
            _ => (0, Vec::new()),
        };
        let containers = self.clone();
        Ok(Session { containers, connection, id, pod, reported: attached, pid, warnings })
    }

    /// Docker answers a start of a running container with success.
    fn already_started(&self, found: Found, attach: Attach) -> Result<Session> {
        match attach.streams() == Streams::default() {
            true => self.session(found, Vec::new()),
            false => self.attach_found(found, &attach),
        }
    }

    fn session(&self, found: Found, warnings: Vec<String>) -> Result<Session> {
        let connection = self.running_shim(&found)?;
        Ok(Session {
            containers: self.clone(),
            connection,
            id: found.record.id,
            pod: found.pod.id,
            reported: false,
            pid: found.state.pid,
            warnings,
        })
    }

    /// `run --rm` of what cannot be run leaves nothing.
    fn after_failed_start(&self, found: &Found) {
        if found.record.auto_remove {
            let _ = self.remove(&found.record.id, Remove { force: true, volumes: true });
        }
    }

    /// The shim of a container whose state says it runs.
    pub(crate) fn running_shim(&self, found: &Found) -> Result<Connection> {
        self.shim(&found.pod.id)?.ok_or_else(|| Error::NotRunning(found.record.id.clone()))
    }

    /// Connects streams to a running container.
    pub fn attach(&self, name: &str, attach: Attach) -> Result<Session> {
        let found = self.find(name)?;
        match found.state.status {
            Status::Running => self.attach_found(found, &attach),
            Status::Paused => {
                Err(Error::Refused("You cannot attach to a paused container, unpause it first"))
            }
            Status::Restarting => Err(Error::Refused(
                "You cannot attach to a restarting container, wait until it is running",
            )),
            _ => Err(Error::Refused("You cannot attach to a stopped container, start it first")),
        }
    }

    fn attach_found(&self, found: Found, attach: &Attach) -> Result<Session> {
        let session = self.session(found, Vec::new())?;
        let request = Request::Attach { id: session.id.clone(), streams: attach.streams() };
        ask(&session.connection, &session.pod, &request, &attach.descriptors())?;
        Ok(session)
    }

    /// Ends it, gently first. One that does not run stays as it is.
    pub fn stop(&self, name: &str, stop: Stop) -> Result<()> {
        let found = self.find(name)?;
        self.stop_found(&found, stop)
    }

    pub(crate) fn stop_found(&self, found: &Found, stop: Stop) -> Result<()> {
        if !found.state.needs_shim() {
            return Ok(());
        }
        let Some(connection) = self.shim(&found.pod.id)? else { return Ok(()) };
        let request = Request::Stop {
            id: found.record.id.clone(),
            signal: stop.signal.unwrap_or(0),
            timeout_ms: stop.timeout_s.map(|seconds| seconds.saturating_mul(1000)),
        };
        match ask(&connection, &found.pod.id, &request, &[]) {
            // The shim ends with its pod: what was asked for has happened.
            Ok(_) | Err(Error::ShimLost(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stops it if it runs, and starts it.
    pub fn restart(&self, name: &str, stop: Stop) -> Result<()> {
        let found = self.find(name)?;
        self.stop_found(&found, stop)?;
        if found.pod.implicit {
            self.wait_for_shim_end(&found.pod.id, std::time::Duration::from_secs(20))?;
        }
        self.start(&found.record.id, Attach::default())?;
        self.journal(&found.record, "restart", &[]);
        Ok(())
    }

    /// Sends a signal to its first process.
    pub fn kill(&self, name: &str, signal: i32) -> Result<()> {
        let found = self.find(name)?;
        let not_running =
            || Error::CannotKill { name: name.to_owned(), id: found.record.id.clone() };
        if !matches!(found.state.status, Status::Running | Status::Paused) {
            return Err(not_running());
        }
        let Some(connection) = self.shim(&found.pod.id)? else { return Err(not_running()) };
        let request = Request::Signal { id: found.record.id.clone(), signal };
        match ask(&connection, &found.pod.id, &request, &[]) {
            Err(Error::ShimLost(_)) if signal == KILL => {}
            done => drop(done?),
        }
        self.journal(&found.record, "kill", &[("signal", &signal.to_string())]);
        Ok(())
    }

    /// Freezes it.
    pub fn pause(&self, name: &str) -> Result<()> {
        let found = self.find(name)?;
        match found.state.status {
            Status::Paused => return Err(Error::AlreadyPaused(name.to_owned())),
            Status::Running => {}
            _ => return Err(Error::NotRunning(found.record.id)),
        }
        let request = Request::Pause { id: found.record.id.clone() };
        ask(&self.running_shim(&found)?, &found.pod.id, &request, &[])?;
        self.journal(&found.record, "pause", &[]);
        Ok(())
    }

    /// Thaws it.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let found = self.find(name)?;
        if found.state.status != Status::Paused {
            return Err(Error::NotPaused(name.to_owned()));
        }
        let request = Request::Unpause { id: found.record.id.clone() };
        ask(&self.running_shim(&found)?, &found.pod.id, &request, &[])?;
        self.journal(&found.record, "unpause", &[]);
        Ok(())
    }

    /// New size of its terminal.
    pub fn resize(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        let found = self.find(name)?;
        let request = Request::Resize { id: found.record.id.clone(), rows, columns };
        ask(&self.running_shim(&found)?, &found.pod.id, &request, &[])?;
        Ok(())
    }
}

impl Session {
    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends a signal to the first process, over a connection of its own.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.containers.kill(&self.id, signal)
    }

    /// New size of the terminal, over a connection of its own.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.containers.resize(&self.id, rows, columns)
    }

    /// For callers with a loop of their own: what becomes readable when the container has ended.
    pub fn end(&mut self) -> Result<OwnedFd> {
        if !self.reported {
            let request = Request::Wait { id: self.id.clone(), removed: false };
            self.connection.send(&request, &[]).map_err(|error| lost(error, &self.pod))?;
            self.reported = true;
        }
        rustix::io::fcntl_dupfd_cloexec(self.connection.as_fd(), 3)
            .map_err(Error::sys("keep", std::path::Path::new("the shim's connection")))
    }

    /// Waits for the end, and answers the exit code. All output has been written by then.
    pub fn wait(self) -> Result<i32> {
        let end = self.connection.end_of_shim();
        if !self.reported {
            let request = Request::Wait { id: self.id.clone(), removed: false };
            self.connection.send(&request, &[]).map_err(|error| lost(error, &self.pod))?;
        }
        loop {
            match self.connection.receive() {
                Ok((Reply::Exited { code }, _)) => return Ok(code),
                Ok((Reply::Failed { exit_code, message }, _)) => {
                    return Err(Error::Shim { exit_code, message });
                }
                Ok(_) => {}
                Err(crate::shim::Error::Gone) => {
                    self.containers.settle(end.as_ref());
                    return self.after_the_shim();
                }
                Err(error) => return Err(lost(error, &self.pod)),
            }
        }
    }

    /// The shim has gone without a word: its state, or that of the repair, says how it ended.
    fn after_the_shim(self) -> Result<i32> {
        match self.containers.load(&self.pod, &self.id)? {
            Some(found) if !found.state.needs_shim() => Ok(found.state.exit_code),
            _ => Err(Error::ShimLost(self.pod)),
        }
    }
}

impl std::os::fd::AsFd for Session {
    /// Readable when the end is reported (of a session that started with streams).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
