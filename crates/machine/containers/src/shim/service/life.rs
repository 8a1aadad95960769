//! Lives of containers: start, exit, restart, stop, end of the pod.
//!
//! The order at the end: process reaped, output drained, state written, cgroup deleted, then (with
//! the last container) names, addresses and ports given back, those who wait answered, what asked
//! for it removed, those answered who wait for the removal or for the output, and last, when nobody
//! waits any more, links removed (see `aftermath`).

use super::super::container::{self, Container, Run, Waiter};
use super::super::failure::Failure;
use super::super::launch::{self, Launched};
use super::super::pod::Pod;
use super::super::protocol::Reply;
use super::super::reactor::{Source, Timer};
use super::super::relay::Relays;
use super::super::{clock, records, streams};
use super::{LINGER, Shim};
use crate::record::{NamespaceMode, PodRecord};
use crate::state::Status;
use crate::{events, remove};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Seconds between the stop signal and SIGKILL when nobody says.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

impl Shim {
    // === start ===

    /// Starts a container, the pod around it first. Answers pid and warnings.
    pub(super) fn start(&mut self, key: u32) -> Result<(i32, Vec<String>), Failure> {
        let mut warnings = self.ensure_pod()?;
        let Some(pod) = &self.pod else {
            return Err(Failure::Refused { what: "the pod could not be set up" });
        };
        let Some(container) = self.containers.get_mut(&key) else {
            return Err(Failure::Refused { what: "the container has gone" });
        };
        let request = launch::Request {
            home: &self.home,
            pod,
            record: &container.record,
            program: &self.program,
        };
        let launched = match launch::launch(request) {
            Ok(launched) => launched,
            Err(failure) => {
                container.failed(failure.exit_code(), failure.report(), clock::now_ns());
                container.write_state(&self.home);
                return Err(failure);
            }
        };
        let Launched { pid, pidfd, cgroup, oom, ends, warnings: more } = launched;
        warnings.extend(more);
        let watch = |fd, source| self.reactor.watch(fd, source);
        let _ = watch(pidfd.as_fd(), Source::Exit(key));
        if let Some(oom) = &oom {
            let _ = self.reactor.watch_priority(oom.as_fd(), Source::Oom(key));
        }
        let _ = container.streams.connect(ends, &self.reactor);
        container.run = Some(Run { pid, pidfd, cgroup, oom, oom_kills: 0, since: Instant::now() });
        container.started(clock::now_ns());
        container.write_state(&self.home);
        container.event(&self.home, "start", &[]);
        if let (Some(check), Some(health)) = (&container.check, &container.state.health) {
            let pause = check.pause(health, Duration::ZERO);
            self.reactor.set(Timer::Probe(key), pause);
        }
        self.over = false;
        self.untidy = true;
        Ok((pid.as_raw_nonzero().get(), warnings))
    }

    fn ensure_pod(&mut self) -> Result<Vec<String>, Failure> {
        if self.pod.as_ref().is_some_and(Pod::is_shared) {
            let records = self.records();
            if let Some(pod) = &mut self.pod {
                pod.renamed(&records)?;
            }
        }
        if self.pod.is_some() {
            return Ok(Vec::new());
        }
        let path = self.home.pod(&self.pod_id).join("pod.json");
        let record: PodRecord = records::read(&path)?
            .ok_or_else(|| Failure::NoContainer { id: self.pod_id.clone() })?;
        let mut pod = Pod::set_up(&self.home, record, &self.records())?;
        self.watch_names(&pod);
        if let Err(failure) = pod.publish(&mut self.relays, &self.reactor) {
            self.depart(&mut pod);
            return Err(failure);
        }
        let warnings = std::mem::take(&mut pod.warnings);
        if !pod.record.implicit {
            pod_event(&self.home, &pod.record, "start");
        }
        self.pod = Some(pod);
        Ok(warnings)
    }

    /// Networks may have brought a name server.
    pub(super) fn watch_names(&self, pod: &Pod) {
        if let Some(names) = pod.names() {
            // Watched already is as good.
            let _ = self.reactor.watch(names.as_fd(), Source::Names);
        }
    }

    // === exit ===

    pub(super) fn out_of_memory(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(run) = &mut container.run else { return };
        let Some(Ok(kills)) = run.oom.as_ref().map(teu_runtime::cgroup::OomWatch::drain) else {
            return;
        };
        if kills > run.oom_kills {
            run.oom_kills = kills;
            container.event(&self.home, "oom", &[]);
        }
    }

    /// The first process of a container has ended.
    pub(super) fn exited(&mut self, key: u32) {
        self.out_of_memory(key);
        self.untidy = true;
        if self.chunk.is_empty() {
            self.chunk = vec![0; streams::CHUNK_BYTES];
        }
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(run) = &container.run else { return };
        let code = container::reap(&run.pidfd);
        self.reactor.forget(run.pidfd.as_fd());
        if let Some(oom) = &run.oom {
            self.reactor.forget(oom.as_fd());
        }
        let ran = run.since.elapsed();
        let own_pids = container.record.pid_mode == NamespaceMode::Private;
        let alone = own_pids && self.pod.as_ref().is_none_or(|pod| pod.reaper.is_none());
        let oom = end_cgroup(&run.cgroup, alone) || run.oom_kills > 0;
        container.streams.drain(&mut self.reactor, &mut self.chunk);
        for timer in [Timer::Kill(key), Timer::Probe(key), Timer::ProbeTimeout(key)] {
            self.reactor.cancel(timer);
        }
        container.probing = None;
        let pause = container.ended(code, oom, clock::now_ns());
        container.write_state(&self.home);
        let (code, ran) = (code.to_string(), ran.as_secs().to_string());
        container.event(&self.home, "die", &[("exitCode", &code), ("execDuration", &ran)]);
        match pause {
            Some(pause) => self.reactor.set(Timer::Restart(key), pause),
            None => self.finish(key),
        }
    }

    /// The pause before a restart is over.
    pub(super) fn restart(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        if !container.restarting {
            return;
        }
        let id = container.record.id.clone();
        // `update` and `rename` may have changed it.
        match container::read_record(&self.home, &self.pod_id, &id) {
            Ok(record) => container.record = record,
            Err(_) => return self.give_up(key),
        }
        if self.start(key).is_err() {
            self.give_up(key);
        }
    }

    /// A restart that cannot be: the container stays as it is.
    fn give_up(&mut self, key: u32) {
        if let Some(container) = self.containers.get_mut(&key) {
            container.restarting = false;
            if container.state.status == Status::Restarting {
                container.state.status = Status::Exited;
            }
            container.write_state(&self.home);
        }
        self.finish(key);
    }

    /// A container has ended for good: tells everybody, removes what asked for it, and takes the pod
    /// down with the last one.
    pub(super) fn finish(&mut self, key: u32) {
        let last = !self.containers.values().any(Container::is_alive);
        if last && let Some(mut pod) = self.pod.take() {
            self.depart(&mut pod);
            self.relays = Relays::default();
            if !pod.record.implicit {
                pod_event(&self.home, &pod.record, "stop");
            }
        }
        if let Some(container) = self.containers.get(&key)
            && container.waiters.iter().any(|waiter| matches!(waiter, Waiter::Stop(_)))
        {
            container.event(&self.home, "stop", &[]);
        }
        self.answer(key, |waiter| matches!(waiter, Waiter::Exit(_) | Waiter::Stop(_)));
        if let Some(container) = self.containers.get_mut(&key)
            && container.record.auto_remove
            && !container.removed
            && container.state.started_ns > 0
        {
            container.removed = true;
            // What cannot be removed now is swept by the next command.
            if let Ok(remains) = remove::ended(&self.home, &self.pod_id, &container.record.id) {
                self.aftermath.bury(remains);
            }
            container.event(&self.home, "destroy", &[]);
        }
        self.answer(key, |waiter| matches!(waiter, Waiter::Removed(_)));
        self.follow_up(key);
        self.settle();
    }

    fn depart(&mut self, pod: &mut Pod) {
        if let Some(departure) = pod.take_down() {
            self.aftermath.add(departure);
        }
    }

    /// Those who follow a container to its end are told when its output is through.
    pub(super) fn follow_up(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        if !container.is_alive() && container.streams.finish(&mut self.reactor) {
            self.answer(key, |waiter| matches!(waiter, Waiter::Follow(_)));
        }
    }

    fn answer(&mut self, key: u32, whom: impl Fn(&Waiter) -> bool) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let code = container.state.exit_code;
        let chosen: Vec<Waiter> = container.waiters.iter().copied().filter(&whom).collect();
        container.waiters.retain(|waiter| !whom(waiter));
        for waiter in chosen {
            let reply = match waiter {
                Waiter::Stop(_) => Reply::Done,
                _ => Reply::Exited { code },
            };
            self.reply(waiter.client(), &reply, &[]);
        }
    }

    /// Decides whether anything holds the shim.
    pub(super) fn settle(&mut self) {
        if self.containers.values().any(Container::is_alive) {
            return;
        }
        let shared = self.pod.as_ref().is_some_and(Pod::is_shared);
        let waiting = self.reactor.is_set(Timer::Idle) && !self.clients.is_empty();
        let ended = !self.containers.is_empty();
        if waiting && (shared || !ended) {
            return;
        }
        if let Some(mut pod) = self.pod.take() {
            self.depart(&mut pod);
            self.relays = Relays::default();
        }
        for client in std::mem::take(&mut self.stopping) {
            self.reply(client, &Reply::Done, &[]);
        }
        self.over = true;
    }

    /// A pod that a person made stays a moment for the next container of its starter.
    pub(super) fn linger(&mut self) {
        self.reactor.set(Timer::Idle, LINGER);
    }

    // === stop ===

    /// Begins to stop a container. `false` when it does not run.
    pub(super) fn begin_stop(&mut self, key: u32, signal: i32, timeout_ms: Option<i64>) -> bool {
        let Some(container) = self.containers.get_mut(&key) else { return false };
        if !container.is_alive() {
            return false;
        }
        container.state.stopped_by_user = true;
        let Some(run) = &container.run else {
            self.reactor.cancel(Timer::Restart(key));
            self.give_up(key);
            return true;
        };
        let named = crate::signal::parse(&container.record.stop_signal);
        let signal = if signal > 0 { signal } else { named.unwrap_or(SIGTERM) };
        let _ = teu_sys::signal::send(run.pidfd.as_fd(), signal);
        if container.state.status == Status::Paused && run.cgroup.thaw().is_ok() {
            container.state.status = Status::Running;
        }
        container.write_state(&self.home);
        let text = signal.to_string();
        container.event(&self.home, "kill", &[("signal", &text)]);
        let own_ms = container.record.stop_timeout_s.map(|s| s.saturating_mul(1000));
        match timeout_ms.or(own_ms) {
            None => self.reactor.set(Timer::Kill(key), STOP_TIMEOUT),
            Some(ms) if ms >= 0 => {
                self.reactor.set(Timer::Kill(key), Duration::from_millis(ms.unsigned_abs()));
            }
            Some(_) => {}
        }
        true
    }

    /// A container that its probe has given up is asked to end, and ended; the restart policy says
    /// what comes then.
    pub(in crate::shim) fn end_unhealthy(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(run) = &container.run else { return };
        let signal = crate::signal::parse(&container.record.stop_signal).unwrap_or(SIGTERM);
        let _ = teu_sys::signal::send(run.pidfd.as_fd(), signal);
        let text = signal.to_string();
        container.event(&self.home, "kill", &[("signal", &text)]);
        let grace = container.record.stop_timeout_s.and_then(|s| u64::try_from(s).ok());
        self.reactor.set(Timer::Kill(key), grace.map_or(STOP_TIMEOUT, Duration::from_secs));
    }

    /// The time to stop by itself is over.
    pub(super) fn kill(&mut self, key: u32) {
        let Some(container) = self.containers.get_mut(&key) else { return };
        let Some(run) = &container.run else { return };
        let _ = teu_sys::signal::send(run.pidfd.as_fd(), SIGKILL);
        let _ = run.cgroup.thaw();
        let text = SIGKILL.to_string();
        container.event(&self.home, "kill", &[("signal", &text)]);
    }
}

/// Deletes a container's cgroup, ending what is left in it; whether the kernel killed for memory.
fn end_cgroup(cgroup: &teu_runtime::Cgroup, alone: bool) -> bool {
    let oom = cgroup.oom_kills().is_ok_and(|kills| kills > 0);
    if alone && cgroup.delete().is_ok() {
        return oom;
    }
    let _ = cgroup.kill_all();
    let _ = cgroup.delete();
    oom
}

fn pod_event(home: &crate::Home, record: &PodRecord, action: &str) {
    let mut attributes = record.labels.clone();
    if let Some(name) = &record.name {
        attributes.insert("name".to_owned(), name.clone());
    }
    let _ = events::append(home, &events::Event::new("pod", action, &record.id, attributes));
}
