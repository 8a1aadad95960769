//! Waiting for conditions: one thread follows the journal of events and wakes those who wait; each
//! looks at its container once when it comes and once after every event.

use super::{StepError, lock};
use crate::plan::{Target, Until};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use teu_containers::Containers;
use teu_containers::events::{EventOptions, Events};
use teu_containers::state::Status;

/// Wakes whoever waits for containers.
#[derive(Debug)]
pub struct Watcher {
    state: Mutex<Moment>,
    changed: Condvar,
    end: OwnedFd,
    deadline: Option<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Moment {
    /// Grows with every event.
    number: u64,
    cancelled: bool,
    /// Nobody follows the journal any more.
    over: bool,
}

impl Watcher {
    /// `limit`: how long anybody may wait.
    pub fn new(limit: Option<Duration>) -> Result<Self, teu_containers::Error> {
        let end = eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| teu_containers::Error::Io {
            what: "make",
            path: "an eventfd".into(),
            source: errno.into(),
        })?;
        let deadline = limit.map(|limit| (Instant::now() + limit, limit.as_secs()));
        let (state, changed) = (Mutex::default(), Condvar::new());
        Ok(Self { state, changed, end, deadline })
    }

    /// Runs `act` while a thread follows events of the home.
    pub fn during<T>(
        &self,
        containers: &Containers,
        act: impl FnOnce() -> T,
    ) -> Result<T, teu_containers::Error> {
        let mut events = containers.events(&EventOptions::default())?;
        Ok(std::thread::scope(|scope| {
            scope.spawn(|| self.follow(&mut events));
            let done = act();
            let _ = rustix::io::write(&self.end, &1u64.to_ne_bytes());
            done
        }))
    }

    fn follow(&self, events: &mut Events) {
        loop {
            let ready = {
                let mut wanted = [
                    PollFd::from_borrowed_fd(events.descriptor(), PollFlags::IN),
                    PollFd::new(&self.end, PollFlags::IN),
                ];
                let timeout = self.deadline.map(|(at, _)| {
                    let left = at.saturating_duration_since(Instant::now());
                    Timespec {
                        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: left.subsec_nanos().into(),
                    }
                });
                let polled = poll(&mut wanted, timeout.as_ref());
                let ended = !wanted[1].revents().is_empty();
                match polled {
                    Ok(0) => None,
                    Ok(_) if ended => None,
                    _ => Some(()),
                }
            };
            let mut told = ready.is_none();
            while let Ok(Some(event)) = events.try_next() {
                told |= event.kind == "container";
            }
            let mut moment = lock(&self.state);
            moment.number += u64::from(told);
            moment.over |= ready.is_none();
            drop(moment);
            if told {
                self.changed.notify_all();
            }
            if ready.is_none() {
                return;
            }
        }
    }

    /// Nobody waits any longer.
    pub fn cancel(&self) {
        lock(&self.state).cancelled = true;
        self.changed.notify_all();
    }

    /// Whether somebody gave up.
    pub fn is_cancelled(&self) -> bool {
        lock(&self.state).cancelled
    }

    /// Waits until a container is as wanted, or cannot be any more.
    pub fn wait(
        &self,
        containers: &Containers,
        target: &Target,
        until: Until,
    ) -> Result<(), StepError> {
        loop {
            let before = lock(&self.state).number;
            if self.is_cancelled() {
                return Err(StepError::Cancelled);
            }
            let found = containers.find(target.handle())?;
            if judge(&found.state, target, until)? {
                return Ok(());
            }
            let mut moment = lock(&self.state);
            while moment.number == before && !moment.cancelled && !moment.over {
                moment = self.changed.wait(moment).unwrap_or_else(PoisonError::into_inner);
            }
            if moment.over && moment.number == before || self.is_late() {
                let limit = self.deadline.map_or(0, |(_, seconds)| seconds);
                return Err(StepError::Late(limit));
            }
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|(at, _)| Instant::now() >= at)
    }
}

/// Whether it is so; an error if it will not be.
fn judge(
    state: &teu_containers::state::ContainerState,
    target: &Target,
    until: Until,
) -> Result<bool, StepError> {
    let name = || target.name.clone();
    let ended = matches!(state.status, Status::Exited | Status::Dead);
    let health = state.health.as_ref().map(|health| health.status.as_str());
    match (until, health) {
        (Until::Completed, _) if ended && state.exit_code == 0 => Ok(true),
        (Until::Completed, _) if ended => {
            let (service, code) = (target.service.clone(), state.exit_code);
            Err(StepError::Incomplete { service, code })
        }
        (Until::Completed, _) => Ok(false),
        (Until::Ready, None) if ended && state.exit_code == 0 => Ok(true),
        _ if ended => Err(StepError::Exited { name: name(), code: state.exit_code }),
        (_, Some("healthy")) => Ok(state.status == Status::Running),
        (_, Some("unhealthy")) => Err(StepError::Unhealthy(name())),
        (_, Some(_)) => Ok(false),
        (Until::Ready, None) => Ok(state.status == Status::Running),
        (Until::Healthy, None) if state.status == Status::Running => {
            Err(StepError::NoProbe(name()))
        }
        (Until::Healthy, None) => Ok(false),
    }
}
