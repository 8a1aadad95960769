//! The shim itself: its parts, and the loop that hands every event to the part it is for.

use super::aftermath::Aftermath;
use super::container::Container;
use super::exec::Executing;
use super::failure::Failure;
use super::pod::Pod;
use super::protocol::Reply;
use super::reactor::{Reactor, Source, Timer, Wake};
use super::relay::Relays;
use super::streams::{CHUNK_BYTES, Output};
use super::{channel, records};
use crate::Home;
use crate::record::ContainerRecord;
use rustix::net::SendFlags;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use teu_sys::signal::SignalFd;

mod clients;
mod life;
mod requests;

/// Memory that a burst needed is kept this long.
const TRIM_AFTER: Duration = Duration::from_millis(500);
/// Pages of the program are given back no oftener than this.
const FORGET_EVERY: Duration = Duration::from_secs(20);
/// A pod that a person made waits this long for its next container while its starter is connected.
const LINGER: Duration = Duration::from_secs(10);

/// What the shim starts with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) home: Home,
    pub(super) pod_id: String,
    /// This binary on the host, for `--init`.
    pub(super) program: PathBuf,
    pub(super) listener: OwnedFd,
    pub(super) signals: SignalFd,
    /// The connection of the command that started the shim.
    pub(super) first: OwnedFd,
}

#[derive(Debug)]
pub(super) struct Shim {
    pub(super) home: Home,
    pod_id: String,
    program: PathBuf,
    pub(super) reactor: Reactor,
    listener: OwnedFd,
    signals: SignalFd,
    clients: BTreeMap<u32, OwnedFd>,
    pub(super) containers: BTreeMap<u32, Container>,
    pub(super) execs: BTreeMap<u32, Executing>,
    pub(super) pod: Option<Pod>,
    /// Of an ordinary user's pod; empty for root, whose kernel does it.
    relays: Relays,
    /// What output goes through; there only while it flows.
    chunk: Vec<u8>,
    /// Something was allocated since memory was last given back.
    untidy: bool,
    /// When pages of the program were last given back.
    forgot: Option<Instant>,
    next_key: u32,
    /// Clients that wait for the end of the pod.
    stopping: Vec<u32>,
    /// Links of a pod that has ended.
    aftermath: Aftermath,
    /// Everything has ended; only what clients still read holds the shim.
    over: bool,
}

impl Shim {
    pub(super) fn new(setup: Setup) -> Result<Self, Failure> {
        let reactor = Reactor::new().map_err(Failure::system("make an epoll"))?;
        let watch = |fd: BorrowedFd<'_>, source| {
            reactor.watch(fd, source).map_err(Failure::system("watch a descriptor"))
        };
        watch(setup.listener.as_fd(), Source::Listener)?;
        watch(setup.signals.as_fd(), Source::Signals)?;
        let mut shim = Self {
            home: setup.home,
            pod_id: setup.pod_id,
            program: setup.program,
            reactor,
            listener: setup.listener,
            signals: setup.signals,
            clients: BTreeMap::new(),
            containers: BTreeMap::new(),
            execs: BTreeMap::new(),
            pod: None,
            relays: Relays::default(),
            chunk: Vec::new(),
            untidy: true,
            forgot: None,
            next_key: 1,
            stopping: Vec::new(),
            aftermath: Aftermath::default(),
            over: false,
        };
        shim.adopt(setup.first);
        shim.reactor.set(Timer::Idle, LINGER);
        Ok(shim)
    }

    /// Runs until the pod has ended.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let mut wakes = Vec::new();
        while !(self.over && self.is_flushed() && self.execs.is_empty()) {
            if self.aftermath.is_due() {
                self.tend_networks();
            }
            self.reactor.wait(&mut wakes).map_err(Failure::system("wait for events"))?;
            for wake in wakes.drain(..) {
                self.handle(wake);
            }
            if self.untidy && !self.reactor.is_set(Timer::Trim) {
                self.reactor.set(Timer::Trim, TRIM_AFTER);
            }
        }
        Ok(())
    }

    /// What is left to do on networks.
    pub(super) fn aftermath(&mut self) -> Aftermath {
        std::mem::take(&mut self.aftermath)
    }

    fn tend_networks(&mut self) {
        if let Some(pause) = self.aftermath.tend() {
            self.reactor.set(Timer::Networks, pause);
        }
    }

    fn is_flushed(&mut self) -> bool {
        let reactor = &mut self.reactor;
        self.containers.values_mut().all(|container| container.streams.finish(reactor))
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Ready { source, hung_up } => self.ready(source, hung_up),
            Wake::Due(timer) => self.due(timer),
        }
    }

    fn ready(&mut self, source: Source, hung_up: bool) {
        match source {
            Source::Listener => self.accept(),
            Source::Signals => self.signalled(),
            Source::Names => self.answer_names(),
            Source::Client(client) => self.client_ready(client, hung_up),
            Source::Stdout(key) => self.output(key, Output::Stdout),
            Source::Stderr(key) => self.output(key, Output::Stderr),
            Source::Stdin(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.streams.stdin_writable(&self.reactor);
                }
            }
            Source::Exit(key) => self.exited(key),
            Source::Oom(key) => self.out_of_memory(key),
            Source::Input(id) => {
                let reactor = &self.reactor;
                if let Some(c) = self.containers.values_mut().find(|c| c.streams.has_input(id)) {
                    c.streams.pump(id, reactor);
                }
            }
            Source::Sink(id) => {
                let reactor = &mut self.reactor;
                let found = self.containers.values_mut().find(|c| c.streams.has_sink(id));
                if let Some(container) = found {
                    container.streams.writable(id, reactor);
                    let key = container.key;
                    self.follow_up(key);
                }
            }
            Source::Exec(key) => self.exec_ended(key),
            Source::ProbeOutput(key) => self.probe_output(key),
            Source::Published(key) => {
                self.untidy = true;
                self.relays.arrived(key, &mut self.reactor);
            }
            Source::Flow(key) => {
                self.untidy = true;
                if self.chunk.is_empty() {
                    self.chunk = vec![0; CHUNK_BYTES];
                }
                self.relays.flow(key, &self.reactor, &mut self.chunk);
            }
            Source::Session(key) => {
                self.untidy = true;
                self.relays.answered(key);
            }
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Kill(key) => self.kill(key),
            Timer::Restart(key) => self.restart(key),
            Timer::Probe(key) => self.probe(key),
            Timer::ProbeTimeout(key) => self.probe_timeout(key),
            Timer::Stalled(id) => {
                let reactor = &mut self.reactor;
                let found = self.containers.values_mut().find(|c| c.streams.has_sink(id));
                if let Some(container) = found {
                    container.streams.stalled(id, reactor);
                    let key = container.key;
                    self.follow_up(key);
                }
            }
            Timer::Trim => {
                self.untidy = false;
                self.chunk = Vec::new();
                self.give_back();
            }
            Timer::Listen => self.listen_again(),
            Timer::Networks => self.tend_networks(),
            Timer::Sessions => self.relays.sweep(&mut self.reactor),
            Timer::Idle => {
                self.settle();
                self.reactor.sleep_lean();
            }
        }
    }

    /// Gives memory back that sleeping needs none of: what was freed, and now and then the pages of
    /// the program itself, of which an idle shim would otherwise keep megabytes mapped.
    fn give_back(&mut self) {
        teu_sys::heap::trim();
        if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.forgot = Some(Instant::now());
            self.reactor.sleep_lean();
        } else {
            // One wake more, and it sleeps lean for as long as nobody asks.
            self.reactor.set(Timer::Trim, FORGET_EVERY);
        }
    }

    fn output(&mut self, key: u32, output: Output) {
        self.untidy = true;
        if self.chunk.is_empty() {
            self.chunk = vec![0; CHUNK_BYTES];
        }
        if let Some(container) = self.containers.get_mut(&key) {
            container.streams.readable(output, &mut self.reactor, &mut self.chunk);
        }
    }

    fn answer_names(&mut self) {
        if let Some(pod) = &mut self.pod {
            // A server that cannot go on has closed its descriptor, which epoll forgets by itself.
            pod.answer();
        }
    }

    /// SIGTERM and the like: the pod is stopped as a person would.
    fn signalled(&mut self) {
        while let Ok(Some(_)) = self.signals.read() {
            let keys: Vec<u32> = self.containers.keys().copied().collect();
            for key in keys {
                self.begin_stop(key, 0, None);
            }
        }
        self.settle();
    }

    /// Memory was used that may be given back.
    pub(super) fn untidy(&mut self) {
        self.untidy = true;
    }

    /// A number that nothing else of this shim ever had.
    pub(super) fn key(&mut self) -> u32 {
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1).max(1);
        key
    }

    pub(super) fn reply(&mut self, client: u32, reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
        let Some(socket) = self.clients.get(&client) else { return };
        let sent = channel::send(socket.as_fd(), reply, descriptors, SendFlags::DONTWAIT);
        if sent.is_err() {
            // It does not read, or has gone.
            self.drop_client(client);
        }
    }

    /// Records of the pod's containers, for names and ports.
    fn records(&self) -> Vec<ContainerRecord> {
        let folder = self.home.pod(&self.pod_id).join("containers");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut all: Vec<ContainerRecord> = entries
            .filter_map(|entry| records::read(&entry.path().join("config.json")).ok().flatten())
            .collect();
        all.sort_by_key(|record| record.created_ns);
        all
    }
}
