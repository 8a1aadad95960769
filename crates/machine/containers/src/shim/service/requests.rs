//! Requests, one function each. A request that fails says why; it never ends the shim.
//!
//! What a person did is journalled by the command; here only what happens by itself or later.

use super::super::container::{Container, Waiter};
use super::super::failure::Failure;
use super::super::protocol::{Further, Reply, Request, Streams};
use super::super::streams::{Output, Patience, Sink};
use super::Shim;
use crate::record::RestartPolicy;
use crate::record::network::EndpointRecord;
use crate::state::Status;
use std::os::fd::{AsFd, OwnedFd};
use teu_oci::runtime::Resources;

const SIGKILL: i32 = 9;
/// Runs that ended and are still remembered, for those who ask how.
const REMEMBERED: usize = 64;

impl Shim {
    pub(super) fn request(&mut self, client: u32, request: Request, fds: Vec<OwnedFd>) {
        let result = match request {
            Request::Start { id, attach } => self.on_start(client, &id, attach, fds),
            Request::Attach { id, streams } => self.on_attach(client, &id, streams, fds),
            Request::Signal { id, signal } => self.on_signal(&id, signal),
            Request::Stop { id, signal, timeout_ms } => {
                self.on_stop(client, &id, signal, timeout_ms)
            }
            Request::StopPod { timeout_ms } => self.on_stop_pod(client, timeout_ms),
            Request::Pause { id } => self.on_pause(&id),
            Request::Unpause { id } => self.on_unpause(&id),
            Request::Exec { id, process, user, privileged, exec_id } => {
                self.on_exec(client, &id, &Further { process, user, privileged, id: exec_id }, fds)
            }
            Request::Resize { id, rows, columns } => self.on_resize(&id, rows, columns),
            Request::Update { id, resources, restart } => self.on_update(&id, &resources, restart),
            Request::Wait { id, removed } => self.on_wait(client, &id, removed),
            Request::Connect { endpoint } => self.on_connect(&endpoint),
            Request::Disconnect { network } => self.on_disconnect(&network),
            Request::Ping => Ok(Some(Reply::Done)),
        };
        match result {
            Ok(Some(reply)) => self.reply(client, &reply, &[]),
            Ok(None) => {}
            Err(failure) => self.reply(client, &failure.reply(), &[]),
        }
    }

    fn find(&mut self, id: &str) -> Result<&mut Container, Failure> {
        // The newest run of it: earlier ones may still be read by somebody.
        self.containers
            .values_mut()
            .rev()
            .find(|container| container.record.id == id && !container.removed)
            .ok_or_else(|| Failure::NotRunning { id: id.to_owned() })
    }

    fn on_start(
        &mut self,
        client: u32,
        id: &str,
        attach: Option<Streams>,
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Reply>, Failure> {
        if self.find(id).is_ok_and(|container| container.is_alive()) {
            return Err(Failure::AlreadyRunning { id: id.to_owned() });
        }
        let key = self.key();
        self.linger();
        let started = self.begin(key, id).and_then(|()| match attach {
            Some(streams) => self.attach(client, key, streams, fds, Patience::Forever),
            None => Ok(()),
        });
        match started.and_then(|()| self.start(key)) {
            Ok((pid, warnings)) => {
                self.reply(client, &Reply::Started { pid, warnings }, &[]);
                if attach.is_some()
                    && let Some(container) = self.containers.get_mut(&key)
                {
                    container.waiters.push(Waiter::Follow(client));
                }
                Ok(None)
            }
            Err(failure) => {
                self.reply(client, &failure.reply(), &[]);
                self.not_started(key, client);
                Ok(None)
            }
        }
    }

    /// A start failed: lets go of what came with it.
    fn not_started(&mut self, key: u32, client: u32) {
        if let Some(container) = self.containers.get_mut(&key) {
            container.streams.client_gone(client, &mut self.reactor);
        }
        self.reactor.cancel(super::Timer::Idle);
        self.settle();
    }

    /// Reads the records of a container that is to start.
    fn begin(&mut self, key: u32, id: &str) -> Result<(), Failure> {
        let mut fresh = Container::load(&self.home, &self.pod_id, id, key)?;
        fresh.state.restart_count = 0;
        let dead = self.containers.iter().filter(|(_, other)| !other.is_alive());
        let oldest = dead.clone().map(|(key, _)| *key).next();
        if let Some(oldest) = oldest.filter(|_| dead.count() >= REMEMBERED) {
            self.containers.remove(&oldest);
        }
        self.containers.insert(key, fresh);
        Ok(())
    }

    fn on_attach(
        &mut self,
        client: u32,
        id: &str,
        streams: Streams,
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Reply>, Failure> {
        let container = self.find(id)?;
        container.running()?;
        let key = container.key;
        self.attach(client, key, streams, fds, Patience::Limited)?;
        Ok(Some(Reply::Done))
    }

    fn attach(
        &mut self,
        client: u32,
        key: u32,
        streams: Streams,
        fds: Vec<OwnedFd>,
        patience: Patience,
    ) -> Result<(), Failure> {
        let mut fds = fds.into_iter();
        let mut take = || {
            fds.next().ok_or(Failure::Refused { what: "a stream was named without its descriptor" })
        };
        let stdin = streams.stdin.then(&mut take).transpose()?;
        let outputs = [(streams.stdout, Output::Stdout), (streams.stderr, Output::Stderr)];
        let mut sinks = Vec::new();
        for (wanted, output) in outputs {
            if wanted {
                let id = self.next_key;
                self.next_key += 1;
                // A descriptor that cannot be written has no reader: nothing is lost with it.
                sinks.extend(Sink::new((id, client), output, take()?, patience).ok());
            }
        }
        let input = self.key();
        let Some(container) = self.containers.get_mut(&key) else { return Ok(()) };
        for sink in sinks {
            container.streams.add_sink(sink);
        }
        if let Some(stdin) = stdin.filter(|_| container.record.stdin_open) {
            let closes = container.record.stdin_once && !container.record.tty;
            container.streams.add_input((input, client), stdin, closes, &self.reactor);
        }
        Ok(())
    }

    fn on_signal(&mut self, id: &str, signal: i32) -> Result<Option<Reply>, Failure> {
        let home = self.home.clone();
        let container = self.find(id)?;
        let run = container.running()?;
        teu_sys::signal::send(run.pidfd.as_fd(), signal)
            .map_err(Failure::system("send the signal"))?;
        // A person who sends what stops it does not want it back.
        let stops = crate::signal::parse(&container.record.stop_signal).unwrap_or(15);
        if signal == SIGKILL || signal == stops {
            if container.state.status == Status::Paused {
                run.cgroup.thaw()?;
                container.state.status = Status::Running;
            }
            container.state.stopped_by_user = true;
            container.write_state(&home);
        }
        Ok(Some(Reply::Done))
    }

    fn on_stop(
        &mut self,
        client: u32,
        id: &str,
        signal: i32,
        timeout_ms: Option<i64>,
    ) -> Result<Option<Reply>, Failure> {
        let container = self.find(id)?;
        let key = container.key;
        if !container.is_alive() {
            return Ok(Some(Reply::Done));
        }
        container.waiters.push(Waiter::Stop(client));
        self.begin_stop(key, signal, timeout_ms);
        Ok(None)
    }

    fn on_stop_pod(
        &mut self,
        client: u32,
        timeout_ms: Option<i64>,
    ) -> Result<Option<Reply>, Failure> {
        self.reactor.cancel(super::Timer::Idle);
        let alive = self.containers.values().filter(|container| container.is_alive());
        let keys: Vec<u32> = alive.map(|container| container.key).collect();
        for &key in &keys {
            self.begin_stop(key, 0, timeout_ms);
        }
        if self.containers.values().any(Container::is_alive) {
            self.stopping.push(client);
            return Ok(None);
        }
        self.settle();
        Ok(Some(Reply::Done))
    }

    fn on_pause(&mut self, id: &str) -> Result<Option<Reply>, Failure> {
        let home = self.home.clone();
        let container = self.find(id)?;
        let run = container.running()?;
        if container.state.status == Status::Paused {
            return Err(Failure::AlreadyPaused { id: id.to_owned() });
        }
        run.cgroup.freeze()?;
        container.state.status = Status::Paused;
        container.write_state(&home);
        Ok(Some(Reply::Done))
    }

    fn on_unpause(&mut self, id: &str) -> Result<Option<Reply>, Failure> {
        let home = self.home.clone();
        let container = self.find(id)?;
        let run = container.running()?;
        if container.state.status != Status::Paused {
            return Err(Failure::NotPaused { id: id.to_owned() });
        }
        run.cgroup.thaw()?;
        container.state.status = Status::Running;
        container.write_state(&home);
        Ok(Some(Reply::Done))
    }

    fn on_resize(&mut self, id: &str, rows: u16, columns: u16) -> Result<Option<Reply>, Failure> {
        let container = self.find(id)?;
        container.running()?;
        container
            .streams
            .resize(rows, columns)
            .map_err(|_| Failure::NoTerminal { id: id.to_owned() })?;
        Ok(Some(Reply::Done))
    }

    fn on_update(
        &mut self,
        id: &str,
        resources: &Resources,
        restart: Option<RestartPolicy>,
    ) -> Result<Option<Reply>, Failure> {
        let container = self.find(id)?;
        let mut warnings = Vec::new();
        if *resources != Resources::default() {
            let given = container.running()?.cgroup.apply(resources)?;
            warnings.extend(given.iter().map(ToString::to_string));
        }
        if let Some(restart) = restart {
            container.record.restart = restart;
        }
        Ok(Some(if warnings.is_empty() { Reply::Done } else { Reply::DoneWith { warnings } }))
    }

    fn on_wait(&mut self, client: u32, id: &str, removed: bool) -> Result<Option<Reply>, Failure> {
        let newest = self.containers.values_mut().rev().find(|c| c.record.id == id);
        let Some(container) = newest else {
            return Err(Failure::NotRunning { id: id.to_owned() });
        };
        let wait = if removed {
            !container.removed && (container.is_alive() || container.record.auto_remove)
        } else {
            container.is_alive()
        };
        if !wait {
            return Ok(Some(Reply::Exited { code: container.state.exit_code }));
        }
        container.waiters.push(if removed {
            Waiter::Removed(client)
        } else {
            Waiter::Exit(client)
        });
        Ok(None)
    }

    fn on_connect(&mut self, endpoint: &EndpointRecord) -> Result<Option<Reply>, Failure> {
        let records = self.records();
        let Some(pod) = &mut self.pod else {
            return Err(Failure::Refused { what: "the pod is not running" });
        };
        let warnings = pod.connect(endpoint, &records)?;
        if let Some(pod) = &self.pod {
            self.watch_names(pod);
            pod.publish(&mut self.relays, &self.reactor)?;
        }
        Ok(Some(if warnings.is_empty() { Reply::Done } else { Reply::DoneWith { warnings } }))
    }

    fn on_disconnect(&mut self, network: &str) -> Result<Option<Reply>, Failure> {
        let records = self.records();
        let Some(pod) = &mut self.pod else {
            return Err(Failure::Refused { what: "the pod is not running" });
        };
        pod.disconnect(network, &records)?;
        pod.publish(&mut self.relays, &self.reactor)?;
        Ok(Some(Reply::Done))
    }

    fn on_exec(
        &mut self,
        client: u32,
        id: &str,
        asked: &Further,
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Reply>, Failure> {
        let container = self.find(id)?;
        if container.state.status == Status::Paused {
            return Err(Failure::Paused { id: id.to_owned(), what: "exec" });
        }
        let key = container.key;
        self.exec(client, key, asked, fds).map(|()| None)
    }
}
