//! Health checks as they happen: a process in the container, its output, its time, its verdict.
//! What a verdict means is decided in [`super::health`].

use super::clock;
use super::container;
use super::failure::Failure;
use super::health::OUTPUT_LIMIT_BYTES;
use super::pod;
use super::protocol::Further;
use super::reactor::{Source, Timer};
use super::service::Shim;
use crate::state::{Probe, Status};
use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use teu_oci::runtime::Process;
use teu_runtime::Stdio;

/// Exit code of a probe that could not be run, or did not end in time. Docker's.
const NO_VERDICT: i32 = -1;

/// A probe that runs.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) exec: u32,
    pid: Pid,
    pidfd: OwnedFd,
    output: OwnedFd,
    text: Vec<u8>,
    start_ns: i64,
    /// How long the container had run.
    ran: Duration,
    timed_out: bool,
}

impl Shim {
    /// A probe is due.
    pub(super) fn probe(&mut self, key: u32) {
        let Some(container) = self.containers.get(&key) else { return };
        let (Some(check), Some(run)) = (&container.check, &container.run) else { return };
        if container.state.status == Status::Paused || container.probing.is_some() {
            return self.next_probe(key);
        }
        let (timeout, ran, start_ns) = (check.timeout, run.since.elapsed(), clock::now_ns());
        let process = Process { args: check.command.clone(), ..Process::default() };
        let asked = Further { process: Box::new(process), user: None, privileged: false, id: None };
        let started =
            pipe().and_then(|(output, stdio)| Ok((output, self.enter(key, &asked, stdio)?)));
        let exec = self.key();
        match started {
            Ok((output, running)) => {
                let _ = self.reactor.watch(output.as_fd(), Source::ProbeOutput(key));
                let _ = self.reactor.watch(running.pidfd.as_fd(), Source::Exec(exec));
                self.reactor.set(Timer::ProbeTimeout(key), timeout);
                let (pid, pidfd) = (running.pid, running.pidfd);
                let probing = Probing {
                    exec,
                    pid,
                    pidfd,
                    output,
                    text: Vec::new(),
                    start_ns,
                    ran,
                    timed_out: false,
                };
                if let Some(container) = self.containers.get_mut(&key) {
                    container.probing = Some(probing);
                }
            }
            Err(failure) => self.verdict(
                key,
                Probe {
                    start_ns,
                    end_ns: clock::now_ns(),
                    exit_code: NO_VERDICT,
                    output: failure.report(),
                },
                ran,
            ),
        }
    }

    /// Takes what a probe writes, up to the limit; the rest is read and forgotten.
    pub(super) fn probe_output(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(probing) = &mut container.probing else { return };
        if probing.read() == Found::End {
            self.reactor.forget(probing.output.as_fd());
        }
    }

    /// A probe has taken too long.
    pub(super) fn probe_timeout(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(probing) = &mut container.probing else { return };
        probing.timed_out = true;
        let _ = rustix::process::pidfd_send_signal(&probing.pidfd, Signal::KILL);
        // What it started too: it leads a session of its own. It is not reaped yet, so the number
        // is still its.
        let _ = rustix::process::kill_process_group(probing.pid, Signal::KILL);
    }

    /// A probe has ended.
    pub(super) fn probe_ended(&mut self, exec: u32) {
        let found = self.containers.values_mut().find(|container| container.probes_as(exec));
        let Some(container) = found else { return };
        let key = container.key;
        let Some(mut probing) = container.probing.take() else { return };
        // What it started in the background may hold the pipe open for ever: only what is there.
        while probing.read() == Found::Some && probing.text.len() < OUTPUT_LIMIT_BYTES {}
        self.reactor.forget(probing.output.as_fd());
        self.reactor.forget(probing.pidfd.as_fd());
        self.reactor.cancel(Timer::ProbeTimeout(key));
        let code = container::reap(&probing.pidfd);
        let timeout = container.check.as_ref().map(|check| check.timeout).unwrap_or_default();
        let output = if probing.timed_out {
            format!("Health check exceeded timeout ({timeout:?})")
        } else {
            String::from_utf8_lossy(&probing.text).into_owned()
        };
        let probe = Probe {
            start_ns: probing.start_ns,
            end_ns: clock::now_ns(),
            exit_code: if probing.timed_out { NO_VERDICT } else { code },
            output,
        };
        self.verdict(key, probe, probing.ran);
    }

    fn verdict(&mut self, key: u32, probe: Probe, ran: Duration) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let (Some(check), Some(health)) = (&container.check, &mut container.state.health) else {
            return;
        };
        let changed = check.record(health, probe, ran);
        let action = format!("health_status: {}", health.status);
        container.write_state(&self.home);
        if changed {
            container.event(&self.home, &action, &[]);
        }
        let kills = container.record.kill_unhealthy && container.is_unhealthy();
        if kills && changed {
            self.end_unhealthy(key);
        }
        self.untidy();
        self.next_probe(key);
    }

    fn next_probe(&mut self, key: u32) {
        let Some(container) = self.containers.get(&key) else { return };
        let (Some(check), Some(run), Some(health)) =
            (&container.check, &container.run, &container.state.health)
        else {
            return;
        };
        let pause = check.pause(health, run.since.elapsed());
        self.reactor.set(Timer::Probe(key), pause);
    }
}

/// What a probe's pipe had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Something.
    Some,
    /// Nothing yet.
    Nothing,
    /// Nobody writes any more.
    End,
}

impl Probing {
    /// Reads some.
    fn read(&mut self) -> Found {
        let mut chunk = [0; OUTPUT_LIMIT_BYTES];
        match rustix::io::read(&self.output, &mut chunk) {
            Ok(length) if length > 0 => {
                let room = OUTPUT_LIMIT_BYTES - self.text.len();
                self.text.extend_from_slice(&chunk[..length.min(room)]);
                Found::Some
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Found::Nothing,
            _ => Found::End,
        }
    }
}

/// Both outputs in one pipe, no input.
fn pipe() -> Result<(OwnedFd, Stdio), Failure> {
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Failure::system("make a pipe"))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(Failure::system("set up a pipe"))?;
    let copy =
        rustix::io::fcntl_dupfd_cloexec(&write, 0).map_err(Failure::system("copy a descriptor"))?;
    let input = pod::open(Path::new("/dev/null"), OFlags::RDONLY)?;
    Ok((read, Stdio::Descriptors([input, write, copy])))
}
