//! The server: descriptors in, answers out. All waiting is in one epoll, which is itself the
//! descriptor that the caller polls.

use crate::answer::{Outcome, Transport, answer, failure};
use crate::clients::Clients;
use crate::forward::{Asker, Forwarder};
use crate::sockets::Sockets;
use crate::zone::Zone;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The longest query that is read.
pub const QUERY_BYTES_MAX: usize = 4096;
/// Datagrams that are answered before the caller has its say again.
const DATAGRAMS_AT_ONCE: usize = 64;
const EVENTS_AT_ONCE: usize = 32;

const GONE: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

const UDP: u64 = 0;
const TCP: u64 = 1;
const TIMER: u64 = 2;
/// Connections of clients are numbered from here.
const CLIENTS: u64 = 0x100;
/// Questions to upstreams are numbered from here.
const FLIGHTS: u64 = 0x1000;

/// What a server waits on.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
}

impl Watch {
    /// Waits for a descriptor. Closing it ends that.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }

    /// Waits for something else of it.
    pub fn change(&self, fd: BorrowedFd<'_>, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags)?)
    }
}

/// A name server. Poll its descriptor for reading, then call [`Server::handle`].
#[derive(Debug)]
pub struct Server {
    sockets: Sockets,
    watch: Watch,
    timer: OwnedFd,
    /// What the timer is set to.
    armed: Option<Instant>,
    clients: Clients,
    forwarder: Forwarder,
    turn: usize,
}

impl Server {
    /// Takes the sockets; `upstreams` are asked in their order, from the namespace that the process
    /// is in.
    pub fn new(sockets: Sockets, upstreams: Vec<SocketAddr>) -> io::Result<Self> {
        let watch = Watch { epoll: epoll::create(CreateFlags::CLOEXEC)? };
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        watch.add(sockets.udp.as_fd(), UDP, EventFlags::IN)?;
        watch.add(sockets.tcp.as_fd(), TCP, EventFlags::IN)?;
        watch.add(timer.as_fd(), TIMER, EventFlags::IN)?;
        Ok(Self {
            sockets,
            watch,
            timer,
            armed: None,
            clients: Clients::new(CLIENTS),
            forwarder: Forwarder::new(upstreams, FLIGHTS),
            turn: 0,
        })
    }

    /// From now on these are asked.
    pub fn set_upstreams(&mut self, upstreams: Vec<SocketAddr>) {
        self.forwarder.set_upstreams(upstreams);
    }

    /// Does all that can be done without waiting. An error means the server is of no use any more.
    pub fn handle(&mut self, zone: &dyn Zone) -> io::Result<()> {
        let now = Instant::now();
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(
            &self.watch.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&none),
        ) {
            Err(Errno::INTR) => return Ok(()),
            outcome => outcome?,
        };
        for event in events {
            let flags = event.flags;
            match event.data.u64() {
                UDP => self.datagrams(zone, now)?,
                TCP => self.clients.accept(&self.sockets.tcp, &self.watch, now),
                TIMER => {}
                // It is told even of one that waits for its answer, over and over: nobody is left
                // to read that.
                token if token < FLIGHTS && flags.intersects(GONE) => {
                    self.clients.close(token);
                }
                token if token < FLIGHTS => {
                    let messages = self.clients.ready(token, &self.watch, now);
                    self.queries(messages, token, zone, now);
                }
                token => {
                    let done = self.forwarder.ready(token, &self.watch, now);
                    self.finish(done, zone, now);
                }
            }
        }
        let expired = self.forwarder.expire(&self.watch, now);
        self.finish(expired, zone, now);
        self.clients.expire(now);
        self.arm(now)
    }

    fn datagrams(&mut self, zone: &dyn Zone, now: Instant) -> io::Result<()> {
        let mut buffer = [0u8; QUERY_BYTES_MAX];
        for _ in 0..DATAGRAMS_AT_ONCE {
            let (length, from) =
                match rustix::net::recvfrom(&self.sockets.udp, &mut buffer, RecvFlags::DONTWAIT) {
                    Ok((length, _, Some(from))) => (length, from),
                    Ok((_, _, None)) => continue,
                    Err(Errno::AGAIN) => return Ok(()),
                    // An answer of ours that came back as undeliverable, or a signal.
                    Err(Errno::CONNREFUSED | Errno::INTR) => continue,
                    Err(errno) => return Err(errno.into()),
                };
            self.turn = self.turn.wrapping_add(1);
            let message = &buffer[..length];
            match answer(message, zone, Transport::Udp, self.turn) {
                Outcome::Reply(reply) => self.send(&reply, &from),
                Outcome::Ignore => {}
                Outcome::Forward => {
                    let asker = Asker::Datagram(from);
                    let refused = self.forwarder.ask(message, asker, &self.watch, now);
                    self.finish(refused, zone, now);
                }
            }
        }
        Ok(())
    }

    fn send(&self, reply: &[u8], to: &SocketAddrAny) {
        // A client that does not listen any more has what it wants.
        let _ = rustix::net::sendto(&self.sockets.udp, reply, SendFlags::DONTWAIT, to);
    }

    fn queries(&mut self, message: Option<Vec<u8>>, token: u64, zone: &dyn Zone, now: Instant) {
        let mut next = message;
        while let Some(message) = next {
            self.turn = self.turn.wrapping_add(1);
            next = match answer(&message, zone, Transport::Tcp, self.turn) {
                Outcome::Reply(reply) => self.clients.reply(token, &reply, &self.watch, now),
                Outcome::Ignore => {
                    self.clients.close(token);
                    None
                }
                Outcome::Forward => {
                    let asker = Asker::Connection(token, self.clients.generation(token));
                    let refused = self.forwarder.ask(&message, asker, &self.watch, now);
                    self.finish(refused, zone, now);
                    None
                }
            };
        }
    }

    /// Hands on what the upstreams said, or that they said nothing.
    fn finish(
        &mut self,
        done: Vec<(Asker, Vec<u8>, Option<Vec<u8>>)>,
        zone: &dyn Zone,
        now: Instant,
    ) {
        for (asker, question, reply) in done {
            let transport = match asker {
                Asker::Datagram(_) => Transport::Udp,
                Asker::Connection(..) => Transport::Tcp,
            };
            let Some(reply) = reply.or_else(|| failure(&question, transport)) else { continue };
            match asker {
                Asker::Datagram(from) => self.send(&reply, &from),
                Asker::Connection(token, generation) => {
                    if self.clients.generation(token) == generation {
                        let next = self.clients.reply(token, &reply, &self.watch, now);
                        self.queries(next, token, zone, now);
                    }
                }
            }
        }
    }

    /// Sets the timer to what ends next.
    fn arm(&mut self, now: Instant) -> io::Result<()> {
        let next = self.forwarder.deadline().into_iter().chain(self.clients.deadline()).min();
        if next == self.armed && next.is_none_or(|next| next > now) {
            return Ok(());
        }
        let left = next.map_or(Duration::ZERO, |next| {
            next.saturating_duration_since(now).max(Duration::from_millis(1))
        });
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let setting = Itimerspec { it_interval: zero, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting)?;
        self.armed = next;
        Ok(())
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.epoll.as_fd()
    }
}
