//! One container in its shim: its record, its state, its run, its streams, those who wait for it.

use super::failure::Failure;
use super::health::Check;
use super::log::Log;
use super::pod;
use super::probe::Probing;
use super::records;
use super::restart::{Backoff, Ending};
use super::streams::Streams;
use crate::record::ContainerRecord;
use crate::state::{ContainerState, Status};
use crate::{Home, events};
use rustix::fs::OFlags;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use teu_runtime::cgroup::{Cgroup, OomWatch};

/// What a run ends with whose exit could not be learnt.
const UNKNOWN_EXIT: i32 = 255;

#[derive(Debug)]
pub(super) struct Container {
    pub(super) key: u32,
    pub(super) record: ContainerRecord,
    pub(super) state: ContainerState,
    pub(super) streams: Streams,
    pub(super) run: Option<Run>,
    /// A next run is due.
    pub(super) restarting: bool,
    pub(super) backoff: Backoff,
    pub(super) check: Option<Check>,
    pub(super) probing: Option<Probing>,
    pub(super) waiters: Vec<Waiter>,
    /// It was removed: nothing is written of it any more.
    pub(super) removed: bool,
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) cgroup: Cgroup,
    pub(super) oom: Option<OomWatch>,
    pub(super) oom_kills: u64,
    pub(super) since: Instant,
}

/// Who waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// [`super::protocol::Request::Wait`].
    Exit(u32),
    /// Likewise, with `removed`.
    Removed(u32),
    /// [`super::protocol::Request::Stop`] and `StopPod`.
    Stop(u32),
    /// The start or exec that is followed to its end, output included.
    Follow(u32),
}

impl Waiter {
    pub(super) fn client(self) -> u32 {
        match self {
            Self::Exit(client) | Self::Removed(client) => client,
            Self::Stop(client) | Self::Follow(client) => client,
        }
    }
}

impl Container {
    /// Reads a container's records.
    pub(super) fn load(home: &Home, pod: &str, id: &str, key: u32) -> Result<Self, Failure> {
        let folder = home.container(pod, id);
        let record = read_record(home, pod, id)?;
        let state = records::read(&folder.join("state.json"))?.unwrap_or_default();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let log = Log::new(pod::open(&folder, flags)?, record.log.clone());
        Ok(Self {
            key,
            check: record.healthcheck.as_ref().and_then(Check::new),
            record,
            state,
            streams: Streams::new(key, log),
            run: None,
            restarting: false,
            backoff: Backoff::default(),
            probing: None,
            waiters: Vec::new(),
            removed: false,
        })
    }

    /// Whether it holds the pod: it runs, or is about to.
    pub(super) fn is_alive(&self) -> bool {
        self.run.is_some() || self.restarting
    }

    /// Whether its probe has failed often enough.
    pub(super) fn is_unhealthy(&self) -> bool {
        self.state.health.as_ref().is_some_and(|health| health.status == super::health::UNHEALTHY)
    }

    /// The run, or why not.
    pub(super) fn running(&self) -> Result<&Run, Failure> {
        self.run.as_ref().ok_or_else(|| Failure::NotRunning { id: self.record.id.clone() })
    }

    /// A run began.
    pub(super) fn started(&mut self, now_ns: i64) {
        let Some(run) = &self.run else { return };
        let pid = run.pid.as_raw_nonzero().get();
        self.restarting = false;
        self.state = ContainerState {
            status: Status::Running,
            pid,
            pid_start_ticks: records::start_ticks(pid).unwrap_or_default(),
            boot_id: records::boot_id(),
            started_ns: now_ns,
            restart_count: self.state.restart_count,
            health: self.check.as_ref().map(|_| Check::first()),
            ..ContainerState::default()
        };
    }

    /// A run ended; answers the pause before the next one.
    pub(super) fn ended(&mut self, exit_code: i32, oom: bool, now_ns: i64) -> Option<Duration> {
        let ran = self.run.as_ref().map_or(Duration::ZERO, |run| run.since.elapsed());
        let ending = Ending {
            exit_code,
            ran,
            restart_count: self.state.restart_count,
            stopped_by_user: self.state.stopped_by_user,
        };
        let pause = self.backoff.next(self.record.restart, ending);
        self.run = None;
        self.restarting = pause.is_some();
        self.state.status = if self.restarting { Status::Restarting } else { Status::Exited };
        self.state.exit_code = exit_code;
        self.state.oom_killed = oom;
        self.state.finished_ns = now_ns;
        self.state.pid = 0;
        self.state.pid_start_ticks = 0;
        if self.restarting {
            self.state.restart_count += 1;
        }
        pause
    }

    /// A start failed.
    pub(super) fn failed(&mut self, exit_code: i32, message: String, now_ns: i64) {
        self.run = None;
        self.restarting = false;
        self.state = ContainerState {
            status: if self.state.started_ns == 0 { Status::Created } else { Status::Exited },
            exit_code,
            error: Some(message),
            started_ns: self.state.started_ns,
            finished_ns: if self.state.started_ns == 0 { 0 } else { now_ns },
            restart_count: self.state.restart_count,
            ..ContainerState::default()
        };
    }

    /// Writes the state down. The shim is its only writer while it lives.
    pub(super) fn write_state(&self, home: &Home) {
        if self.removed {
            return;
        }
        let folder = home.container(&self.record.pod, &self.record.id);
        // A full disk must not end the container; the next change tries again.
        let _ = records::write(&folder.join("state.json"), &self.state);
    }

    /// Tells the journal.
    pub(super) fn event(&self, home: &Home, action: &str, attributes: &[(&str, &str)]) {
        let event = events::Event::of_container(&self.record, action);
        let event = attributes.iter().fold(event, |event, (key, value)| event.with(key, value));
        let _ = events::append(home, &event);
    }
}

/// The record as it is now: `rename` and `update` change it.
pub(super) fn read_record(home: &Home, pod: &str, id: &str) -> Result<ContainerRecord, Failure> {
    // The id names a directory: nothing but an id may.
    let sound = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let none = || Failure::NoContainer { id: id.to_owned() };
    if !sound {
        return Err(none());
    }
    records::read(&home.container(pod, id).join("config.json"))?.ok_or_else(none)
}

/// Reaps a process that has ended, and says how.
pub(super) fn reap(pidfd: &OwnedFd) -> i32 {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(Some(status)) => exit_code(&status),
        _ => UNKNOWN_EXIT,
    }
}

/// As a shell says it: 128 and the number of the signal.
fn exit_code(status: &WaitIdStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => UNKNOWN_EXIT,
    }
}
