//! Further processes in containers, for clients.
//!
//! The shim is their parent: it reaps them and tells the client how they ended. Their streams are
//! the client's own descriptors, or a terminal whose master the client gets; nothing passes here.

use super::container::{self, Container};
use super::failure::Failure;
use super::launch;
use super::protocol::{Further, Reply};
use super::reactor::Source;
use super::service::Shim;
use crate::plan;
use std::os::fd::{AsFd, OwnedFd};
use teu_runtime::{Exec, Running, Stdio};

/// Most further processes at a time in one pod.
pub(super) const EXEC_LIMIT: usize = 1024;

/// A process that a client follows.
#[derive(Debug)]
pub(super) struct Executing {
    pub(super) client: u32,
    pub(super) container: u32,
    pub(super) pidfd: OwnedFd,
    /// What its client calls it.
    pub(super) id: Option<String>,
    /// Of a named one, so that it is not hung up on when its client goes.
    pub(super) _terminal: Option<OwnedFd>,
}

impl Shim {
    /// Runs a process for a client.
    pub(super) fn exec(
        &mut self,
        client: u32,
        key: u32,
        asked: &Further,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let stdio = match <[OwnedFd; 3]>::try_from(fds) {
            _ if asked.process.terminal => Stdio::Terminal,
            Ok(all) => Stdio::Descriptors(all),
            Err(none) if none.is_empty() => Stdio::Null,
            Err(_) => {
                return Err(Failure::Refused { what: "an exec takes three descriptors, or none" });
            }
        };
        if self.execs.len() >= EXEC_LIMIT {
            return Err(Failure::Refused { what: "too many execs run in this pod" });
        }
        let running = self.enter(key, asked, stdio)?;
        let exec = self.key();
        let watched = self.reactor.watch(running.pidfd.as_fd(), Source::Exec(exec));
        watched.map_err(Failure::system("watch the process"))?;
        let pid = running.pid.as_raw_nonzero().get();
        let terminal: Vec<_> = running.terminal.iter().map(AsFd::as_fd).collect();
        self.reply(client, &Reply::Executing { pid }, &terminal);
        let (pidfd, id) = (running.pidfd, asked.id.clone());
        let terminal = running.terminal.filter(|_| id.is_some());
        self.execs
            .insert(exec, Executing { client, container: key, pidfd, id, _terminal: terminal });
        Ok(())
    }

    /// Runs a process in a container.
    pub(super) fn enter(
        &self,
        key: u32,
        asked: &Further,
        stdio: Stdio,
    ) -> Result<Running, Failure> {
        let gone = || Failure::Refused { what: "the container has gone" };
        let container = self.containers.get(&key).ok_or_else(gone)?;
        let pod = self.pod.as_ref().ok_or_else(gone)?;
        let run = container.running()?;
        let process = launch::further(pod, &container.record, run.pid, asked)?;
        let capabilities = plan::capabilities(&container.record)?;
        let seccomp = plan::filter(&container.record, &capabilities)?;
        Ok(teu_runtime::exec(Exec {
            target: run.pid,
            process: &process,
            seccomp: seccomp.as_ref(),
            stdio,
            cgroup: Some(&run.cgroup),
            descriptors: Vec::new(),
            keep_keyring: false,
        })?)
    }

    /// A further process has ended.
    pub(super) fn exec_ended(&mut self, exec: u32) {
        let Some(ended) = self.execs.remove(&exec) else { return self.probe_ended(exec) };
        self.reactor.forget(ended.pidfd.as_fd());
        let code = container::reap(&ended.pidfd);
        let text = code.to_string();
        if let Some(container) = self.containers.get(&ended.container) {
            let mut attributes = vec![("exitCode", text.as_str())];
            attributes.extend(ended.id.as_ref().map(|id| ("execID", id.as_str())));
            container.event(&self.home, "exec_die", &attributes);
        }
        self.reply(ended.client, &Reply::Exited { code }, &[]);
        self.untidy();
    }
}

impl Container {
    /// Whether a probe or a client's process of that key is this container's.
    pub(super) fn probes_as(&self, exec: u32) -> bool {
        self.probing.as_ref().is_some_and(|probing| probing.exec == exec)
    }
}
