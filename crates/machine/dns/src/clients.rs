//! Connections of clients (RFC 7766): each asks one question after another, the answers in order.

use crate::server::{QUERY_BYTES_MAX, Watch};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Connections at the same time; more wait to be accepted.
const CLIENTS_MAX: usize = 16;
/// How long one may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
const LENGTH_BYTES: usize = 2;

/// All connections.
#[derive(Debug)]
pub struct Clients {
    first_token: u64,
    slots: Vec<Option<Client>>,
    generations: u64,
}

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    generation: u64,
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// A question is being forwarded: no more are read.
    waits: bool,
    deadline: Instant,
}

impl Clients {
    /// None yet.
    pub fn new(first_token: u64) -> Self {
        Self { first_token, slots: Vec::new(), generations: 0 }
    }

    /// Accepts who waits. One that has been silent longest makes room.
    pub fn accept(&mut self, listener: &OwnedFd, watch: &Watch, now: Instant) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = rustix::net::accept_with(listener, flags) {
            let slot = self.free_slot();
            let token = self.first_token + slot as u64;
            if watch.add(socket.as_fd(), token, EventFlags::IN).is_err() {
                continue;
            }
            self.generations += 1;
            self.slots[slot] = Some(Client {
                socket,
                generation: self.generations,
                received: Vec::new(),
                unsent: Vec::new(),
                waits: false,
                deadline: now + PATIENCE,
            });
        }
    }

    fn free_slot(&mut self) -> usize {
        if let Some(slot) = self.slots.iter().position(Option::is_none) {
            return slot;
        }
        if self.slots.len() < CLIENTS_MAX {
            self.slots.push(None);
            return self.slots.len() - 1;
        }
        let deadline = |slot: &Option<Client>| slot.as_ref().map(|client| client.deadline);
        let oldest = self.slots.iter().enumerate().min_by_key(|(_, slot)| deadline(slot));
        oldest.map_or(0, |(slot, _)| slot)
    }

    fn get(&mut self, token: u64) -> Option<&mut Client> {
        let slot = usize::try_from(token.checked_sub(self.first_token)?).ok()?;
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Which connection a number means now; numbers are used again.
    pub fn generation(&mut self, token: u64) -> u64 {
        self.get(token).map_or(0, |client| client.generation)
    }

    /// Ends a connection.
    pub fn close(&mut self, token: u64) {
        if let Some(slot) = token.checked_sub(self.first_token)
            && let Some(client) = self.slots.get_mut(slot as usize)
        {
            *client = None;
        }
    }

    /// Sends and receives what can be; a question that is whole.
    pub fn ready(&mut self, token: u64, watch: &Watch, now: Instant) -> Option<Vec<u8>> {
        let client = self.get(token)?;
        match client.exchange(token, watch, now) {
            Ok(question) => question,
            Err(_) => {
                self.close(token);
                None
            }
        }
    }

    /// Sends an answer; the next question, when it is here already.
    pub fn reply(
        &mut self,
        token: u64,
        reply: &[u8],
        watch: &Watch,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let client = self.get(token)?;
        client.waits = false;
        client.unsent.extend_from_slice(&(reply.len() as u16).to_be_bytes());
        client.unsent.extend_from_slice(reply);
        self.ready(token, watch, now)
    }

    /// Ends those that have been silent too long.
    pub fn expire(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|client| client.deadline <= now) {
                *slot = None;
            }
        }
    }

    /// When the next one will have been.
    pub fn deadline(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(|client| client.deadline).min()
    }
}

impl Client {
    fn exchange(
        &mut self,
        token: u64,
        watch: &Watch,
        now: Instant,
    ) -> rustix::io::Result<Option<Vec<u8>>> {
        while !self.unsent.is_empty() {
            match rustix::io::write(&self.socket, &self.unsent) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                    self.deadline = now + PATIENCE;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        let question = if self.unsent.is_empty() && !self.waits { self.question()? } else { None };
        if question.is_some() {
            self.waits = true;
            self.deadline = now + PATIENCE;
        }
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::OUT, !self.unsent.is_empty());
        wanted.set(EventFlags::IN, self.unsent.is_empty() && !self.waits);
        watch.change(self.socket.as_fd(), token, wanted).map_err(|_| Errno::INVAL)?;
        Ok(question)
    }

    fn question(&mut self) -> rustix::io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 1024];
        loop {
            if let Some(length) = self.received.first_chunk::<LENGTH_BYTES>() {
                let length = usize::from(u16::from_be_bytes(*length));
                if length > QUERY_BYTES_MAX {
                    return Err(Errno::MSGSIZE);
                }
                if self.received.len() >= LENGTH_BYTES + length {
                    let rest = self.received.split_off(LENGTH_BYTES + length);
                    let question = std::mem::replace(&mut self.received, rest);
                    return Ok(Some(question[LENGTH_BYTES..].to_vec()));
                }
            }
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) => return Err(Errno::PIPE),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}
