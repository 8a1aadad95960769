//! Ports published by an ordinary user: the shim itself carries what comes to them.
//!
//! Such a user may not tell the machine's kernel to lead packets elsewhere, so the sockets that keep a
//! pod's ports are listened on, and every connection is joined to one that was begun in the user's
//! network (`crate::rootless`). The container sees the bridge's address as its peer, not the client's.
//!
//! Everything is bounded: connections, remembered senders of datagrams, and what waits in between, which
//! is one chunk each way. Descriptors are watched for edges, so whoever is slow costs nothing.

use super::failure::Failure;
use super::reactor::{Reactor, Source, Timer};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use teu_network::{Endpoint, PortHolds, Protocol};

mod flow;

use flow::{Flow, Outcome};

/// Connections of a pod at a time; further ones wait until one has ended.
const FLOWS_MAX: usize = 1024;
/// Senders of datagrams that are remembered; the one heard of longest ago gives way.
const SESSIONS_MAX: usize = 512;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// What is taken from one socket before others have their turn.
const TURN: usize = 64;
/// Sockets made in the user's network at a time.
const SPARE: usize = 8;
/// A sender of datagrams is forgotten after this long.
const SESSION_IDLE: Duration = Duration::from_secs(90);
/// How often that is looked after, while there are any.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Longest datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// A port of the machine.
#[derive(Debug)]
struct Published {
    network_id: String,
    socket: OwnedFd,
    protocol: Protocol,
    target: SocketAddr,
    /// Not watched: there were too many connections, or no descriptors.
    waiting: bool,
}

/// A sender of datagrams, and the socket that stands for it.
#[derive(Debug)]
struct Session {
    port: u32,
    sender: SocketAddr,
    socket: OwnedFd,
    heard: Instant,
}

/// All ports of a pod, and what goes on there.
#[derive(Debug, Default)]
pub(super) struct Relays {
    next: u32,
    ports: BTreeMap<u32, Published>,
    flows: BTreeMap<u32, Flow>,
    sessions: BTreeMap<u32, Session>,
    spare: Vec<(Kind, OwnedFd)>,
}

type Kind = (AddressFamily, SocketType);

impl Relays {
    /// Listens on the ports of endpoints that are new, and on no others any more.
    pub(super) fn follow(
        &mut self,
        endpoints: &[Endpoint],
        holds: &[(String, PortHolds)],
        reactor: &Reactor,
    ) -> Result<(), Failure> {
        let is_there = |id: &str| endpoints.iter().any(|endpoint| endpoint.network_id == id);
        self.ports.retain(|_, port| is_there(&port.network_id));
        for (id, holds) in holds {
            let known = self.ports.values().any(|port| port.network_id == *id);
            let Some(endpoint) = endpoints.iter().find(|e| e.network_id == *id) else { continue };
            if known {
                continue;
            }
            for socket in holds.sockets() {
                self.publish(endpoint, socket, reactor)
                    .map_err(Failure::system("listen on a published port"))?;
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        endpoint: &Endpoint,
        socket: &OwnedFd,
        reactor: &Reactor,
    ) -> Result<(), Errno> {
        let address = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
        let protocol = match rustix::net::sockopt::socket_type(socket)? {
            SocketType::DGRAM => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        let found = endpoint.ports.iter().find(|port| {
            (port.host_port, port.protocol) == (address.port(), protocol)
                && port.host_ip == address.ip()
        });
        let Some(port) = found else { return Ok(()) };
        let own = match address.ip() {
            IpAddr::V4(_) => endpoint.ipv4,
            IpAddr::V6(_) => endpoint.ipv6,
        };
        let Some(own) = own else { return Ok(()) };
        let socket = rustix::io::fcntl_dupfd_cloexec(socket, 3)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match protocol {
            Protocol::Udp => rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 1 << 20)?,
            _ => rustix::net::listen(&socket, BACKLOG)?,
        }
        let key = self.key();
        reactor.watch(socket.as_fd(), Source::Published(key))?;
        let target = SocketAddr::new(own.address, port.container_port);
        let network_id = endpoint.network_id.clone();
        self.ports.insert(key, Published { network_id, socket, protocol, target, waiting: false });
        Ok(())
    }

    /// Something came to a port.
    pub(super) fn arrived(&mut self, key: u32, reactor: &mut Reactor) {
        match self.ports.get(&key).map(|port| port.protocol) {
            Some(Protocol::Udp) => self.datagrams(key, reactor),
            Some(_) => self.connections(key, reactor),
            None => {}
        }
    }

    // === connections ===

    fn connections(&mut self, key: u32, reactor: &Reactor) {
        for _ in 0..TURN {
            let Some(port) = self.ports.get(&key) else { return };
            if self.flows.len() >= FLOWS_MAX {
                return self.suspend(key, reactor);
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let client = match rustix::net::accept_with(&port.socket, flags) {
                Ok(client) => client,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return self.suspend(key, reactor);
                }
                Err(Errno::AGAIN) => return,
                Err(_) => continue,
            };
            let target = port.target;
            let Some(server) = self.socket(target, SocketType::STREAM) else { continue };
            if !matches!(rustix::net::connect(&server, &target), Ok(()) | Err(Errno::INPROGRESS)) {
                continue;
            }
            let flow = self.key();
            let source = Source::Flow(flow);
            let watched = reactor
                .watch_edges(client.as_fd(), source)
                .and_then(|()| reactor.watch_edges(server.as_fd(), source));
            if watched.is_ok() {
                self.flows.insert(flow, Flow::new(client, server));
            }
        }
    }

    /// Takes no more from a port until something has ended.
    fn suspend(&mut self, key: u32, reactor: &Reactor) {
        // With nothing that could end, somebody else has the descriptors: the next one is tried again.
        if let Some(port) = self.ports.get_mut(&key)
            && !self.flows.is_empty()
        {
            reactor.forget(port.socket.as_fd());
            port.waiting = true;
        }
    }

    /// One end of a connection has something, or room.
    pub(super) fn flow(&mut self, key: u32, reactor: &Reactor, chunk: &mut [u8]) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        match flow.go_on(TURN, chunk) {
            Outcome::Waits => {}
            Outcome::HasMore => flow.ends().into_iter().for_each(|end| {
                let _ = reactor.rearm_edges(end, Source::Flow(key));
            }),
            Outcome::Over => {
                self.flows.remove(&key);
                for (key, port) in &mut self.ports {
                    if port.waiting {
                        port.waiting = false;
                        let _ = reactor.watch(port.socket.as_fd(), Source::Published(*key));
                    }
                }
            }
        }
    }

    // === datagrams ===

    fn datagrams(&mut self, key: u32, reactor: &mut Reactor) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for _ in 0..TURN {
            let Some(port) = self.ports.get(&key) else { return };
            let received =
                rustix::net::recvfrom(&port.socket, &mut buffer[..], RecvFlags::DONTWAIT);
            let Ok((length, _, Some(sender))) = received else { return };
            let Ok(sender) = SocketAddr::try_from(sender) else { continue };
            let known = self.sessions.values_mut().find(|s| s.port == key && s.sender == sender);
            let session = match known {
                Some(session) => session,
                None => match self.session(key, sender, reactor) {
                    Some(session) => session,
                    None => continue,
                },
            };
            session.heard = Instant::now();
            let _ = rustix::net::send(&session.socket, &buffer[..length], SendFlags::DONTWAIT);
        }
    }

    fn session(
        &mut self,
        port: u32,
        sender: SocketAddr,
        reactor: &mut Reactor,
    ) -> Option<&mut Session> {
        let target = self.ports.get(&port)?.target;
        if self.sessions.len() >= SESSIONS_MAX {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.heard);
            let oldest = oldest.map(|(key, _)| *key)?;
            self.sessions.remove(&oldest);
        }
        let socket = self.socket(target, SocketType::DGRAM)?;
        rustix::net::connect(&socket, &target).ok()?;
        let key = self.key();
        reactor.watch(socket.as_fd(), Source::Session(key)).ok()?;
        if !reactor.is_set(Timer::Sessions) {
            reactor.set(Timer::Sessions, SWEEP_EVERY);
        }
        let session = Session { port, sender, socket, heard: Instant::now() };
        Some(self.sessions.entry(key).or_insert(session))
    }

    /// The container answered.
    pub(super) fn answered(&mut self, key: u32) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(port) = self.ports.get(&session.port) else { return };
        session.heard = Instant::now();
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for _ in 0..TURN {
            // "Refused" is told once, and means that nobody listens there (yet).
            match rustix::net::recv(&session.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    let (data, flags) = (&buffer[..length], SendFlags::DONTWAIT);
                    let _ = rustix::net::sendto(&port.socket, data, flags, &session.sender);
                }
                Err(_) => return,
            }
        }
    }

    /// Forgets who has not been heard of.
    pub(super) fn sweep(&mut self, reactor: &mut Reactor) {
        self.sessions.retain(|_, session| session.heard.elapsed() < SESSION_IDLE);
        if !self.sessions.is_empty() {
            reactor.set(Timer::Sessions, SWEEP_EVERY);
        }
    }

    // === sockets ===

    fn key(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// A socket of the user's network. Going there costs a thread, so some are made ahead.
    fn socket(&mut self, target: SocketAddr, kind: SocketType) -> Option<OwnedFd> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let wanted = (family, kind);
        if let Some(at) = self.spare.iter().position(|(kind, _)| *kind == wanted) {
            return Some(self.spare.swap_remove(at).1);
        }
        let site = crate::rootless::here()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let made = teu_sys::netlink::within(site, || {
            let one = || rustix::net::socket_with(family, kind, flags, None);
            let first = one()?;
            // Fewer will do where descriptors are scarce.
            let more: Vec<OwnedFd> = (1..SPARE).map_while(|_| one().ok()).collect();
            Ok((first, more))
        });
        let (first, more) = made.ok()?;
        self.spare.extend(more.into_iter().map(|socket| (wanted, socket)));
        Some(first)
    }
}
