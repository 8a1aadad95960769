//! Asking upstreams: every question by a socket and an id of its own, so that a stranger must guess
//! both, and nobody but the one who was asked is heard (the sockets are connected).
//!
//! A datagram's answer that was cut short is handed on as it is: the client asks again over a
//! connection, and is then answered over one.

use crate::message::{HEADER_BYTES, Query};
use crate::server::Watch;
use crate::sockets::open;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketType};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Questions on the way at the same time; the rest fail at once.
const FLIGHTS_MAX: usize = 128;
/// The same question on the way so often comes from ourselves, in a circle.
const SAME_MAX: usize = 8;
/// How long one upstream is waited for.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How often a question is sent at most.
const ATTEMPTS_MAX: usize = 4;
const LENGTH_BYTES: usize = 2;

/// Who wants to know.
#[derive(Debug, Clone)]
pub enum Asker {
    /// By a datagram from there.
    Datagram(SocketAddrAny),
    /// Over a connection: its number and generation.
    Connection(u64, u64),
}

/// What is handed back: who asked, what, and the answer if there was one.
pub type Done = Vec<(Asker, Vec<u8>, Option<Vec<u8>>)>;

/// All questions on the way.
#[derive(Debug)]
pub struct Forwarder {
    upstreams: Vec<SocketAddr>,
    first_token: u64,
    slots: Vec<Option<Flight>>,
}

#[derive(Debug)]
struct Flight {
    asker: Asker,
    /// As it was asked.
    question: Vec<u8>,
    /// Our id instead of the asker's.
    id: [u8; 2],
    /// How often it was sent; also tells which upstream is next.
    attempts: usize,
    socket: OwnedFd,
    /// Over a connection: what is still to be sent, what has come.
    stream: Option<(Vec<u8>, Vec<u8>)>,
    deadline: Instant,
}

impl Forwarder {
    /// Asks these, in this order.
    pub fn new(upstreams: Vec<SocketAddr>, first_token: u64) -> Self {
        Self { upstreams, first_token, slots: Vec::new() }
    }

    /// From now on these are asked, also what is on its way.
    pub fn set_upstreams(&mut self, upstreams: Vec<SocketAddr>) {
        self.upstreams = upstreams;
    }

    /// Sends a question on its way; what is handed back has failed.
    pub fn ask(&mut self, question: &[u8], asker: Asker, watch: &Watch, now: Instant) -> Done {
        let question = question.to_vec();
        let same = |flight: &&Flight| flight.question.get(2..) == question.get(2..);
        let in_circle = self.slots.iter().flatten().filter(same).count() >= SAME_MAX;
        let slot = self.slots.iter().position(Option::is_none).or_else(|| {
            (self.slots.len() < FLIGHTS_MAX).then(|| {
                self.slots.push(None);
                self.slots.len() - 1
            })
        });
        match slot {
            Some(slot) if !in_circle => self.launch(slot, (asker, question), 0, watch, now),
            _ => vec![(asker, question, None)],
        }
    }

    /// Sends it to the next upstream that can be sent to.
    fn launch(
        &mut self,
        slot: usize,
        (asker, question): (Asker, Vec<u8>),
        attempts: usize,
        watch: &Watch,
        now: Instant,
    ) -> Done {
        let attempts_max = ATTEMPTS_MAX.min(self.upstreams.len() * 2);
        for attempt in attempts..attempts_max {
            let upstream = self.upstreams[attempt % self.upstreams.len()];
            let token = self.first_token + slot as u64;
            let over_stream = matches!(asker, Asker::Connection(..));
            let sent = send(&question, upstream, over_stream, token, watch);
            let Ok((socket, id, stream)) = sent else { continue };
            self.slots[slot] = Some(Flight {
                asker,
                question,
                id,
                attempts: attempt + 1,
                socket,
                stream,
                deadline: now + PATIENCE,
            });
            return Vec::new();
        }
        vec![(asker, question, None)]
    }

    /// Something can be read or sent for a question.
    pub fn ready(&mut self, token: u64, watch: &Watch, now: Instant) -> Done {
        let slot = token.checked_sub(self.first_token).map_or(usize::MAX, |slot| slot as usize);
        let Some(flight) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return Vec::new();
        };
        let attempts = flight.attempts;
        match flight.advance(token, watch) {
            Ok(None) => Vec::new(),
            // One that cannot say may stand beside one that can.
            Ok(Some(reply)) if attempts < self.upstreams.len() && is_helpless(&reply) => {
                self.again(slot, watch, now)
            }
            Ok(Some(reply)) => match self.slots[slot].take() {
                Some(flight) => vec![(flight.asker, flight.question, Some(reply))],
                None => Vec::new(),
            },
            Err(_) => self.again(slot, watch, now),
        }
    }

    fn again(&mut self, slot: usize, watch: &Watch, now: Instant) -> Done {
        let Some(flight) = self.slots[slot].take() else { return Vec::new() };
        self.launch(slot, (flight.asker, flight.question), flight.attempts, watch, now)
    }

    /// Asks the next upstream where one has been waited for too long.
    pub fn expire(&mut self, watch: &Watch, now: Instant) -> Done {
        let mut done = Vec::new();
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|flight| flight.deadline <= now) {
                done.extend(self.again(slot, watch, now));
            }
        }
        done
    }

    /// When that will be.
    pub fn deadline(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(|flight| flight.deadline).min()
    }
}

/// Server failure, or refused.
fn is_helpless(reply: &[u8]) -> bool {
    matches!(reply.get(3).map(|code| code & 0xf), Some(2 | 5))
}

type Sent = (OwnedFd, [u8; 2], Option<(Vec<u8>, Vec<u8>)>);

fn send(
    question: &[u8],
    upstream: SocketAddr,
    over_stream: bool,
    token: u64,
    watch: &Watch,
) -> io::Result<Sent> {
    let mut id = [0; 2];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
    let mut message = question.to_vec();
    message.get_mut(..2).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(&id);
    let kind = if over_stream { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = open(kind, upstream)?;
    match rustix::net::connect(&socket, &upstream) {
        Err(Errno::INPROGRESS) if over_stream => {}
        outcome => outcome?,
    }
    if over_stream {
        let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let unsent = [&length.to_be_bytes()[..], &message].concat();
        watch.add(socket.as_fd(), token, EventFlags::OUT)?;
        return Ok((socket, id, Some((unsent, Vec::new()))));
    }
    watch.add(socket.as_fd(), token, EventFlags::IN)?;
    rustix::net::send(&socket, &message, SendFlags::DONTWAIT)?;
    Ok((socket, id, None))
}

impl Flight {
    /// An answer once it is whole and to this question.
    fn advance(&mut self, token: u64, watch: &Watch) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        if self.stream.is_none() {
            return loop {
                match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                    Ok((length, _)) => {
                        if let Some(reply) = self.accept(&buffer[..length]) {
                            break Ok(Some(reply));
                        }
                    }
                    Err(Errno::AGAIN) => break Ok(None),
                    Err(Errno::INTR) => {}
                    Err(errno) => break Err(errno.into()),
                }
            };
        }
        let Some((unsent, received)) = &mut self.stream else { return Ok(None) };
        while !unsent.is_empty() {
            match rustix::io::write(&self.socket, unsent) {
                Ok(sent) => drop(unsent.drain(..sent)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        watch.change(self.socket.as_fd(), token, EventFlags::IN)?;
        loop {
            if let Some(length) = received.first_chunk::<LENGTH_BYTES>() {
                let whole = LENGTH_BYTES + usize::from(u16::from_be_bytes(*length));
                if received.len() >= whole {
                    let reply = received[LENGTH_BYTES..whole].to_vec();
                    let reply = self.accept(&reply).ok_or(io::ErrorKind::InvalidData)?;
                    return Ok(Some(reply));
                }
            }
            match rustix::io::read(&self.socket, &mut *buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => received.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The reply with the asker's id, when it answers the question.
    fn accept(&self, reply: &[u8]) -> Option<Vec<u8>> {
        let is_answer =
            reply.len() >= HEADER_BYTES && reply[2] & 0x80 != 0 && reply[..2] == self.id;
        if !is_answer {
            return None;
        }
        // Some leave the question out when they refuse; where there is one it must be this.
        if reply[4..6] != [0, 0] {
            let asked = Query::read(&self.question).ok()?;
            let end = asked.question_end;
            let same = reply
                .get(HEADER_BYTES..end)?
                .eq_ignore_ascii_case(&self.question[HEADER_BYTES..end]);
            if !same {
                return None;
            }
        }
        let mut reply = reply.to_vec();
        reply[..2].copy_from_slice(self.question.get(..2)?);
        Some(reply)
    }
}
