//! Connections: accepted from ourselves and root only, counted, dropped when they misbehave.

use super::super::protocol::{CLIENT_LIMIT, Reply, Request};
use super::super::reactor::{Source, Timer};
use super::super::{Error, channel};
use super::Shim;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// A pause after a connection could not be accepted.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// Requests taken from one client before others have their turn.
const TURN: usize = 8;

impl Shim {
    pub(super) fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            let socket = match accept_with(&self.listener, flags) {
                Ok(socket) => socket,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(Errno::AGAIN) => return,
                // No descriptor or no memory for it: it waits, and the listener goes on saying so.
                Err(_) => {
                    self.reactor.forget(self.listener.as_fd());
                    return self.reactor.set(Timer::Listen, LISTEN_AGAIN);
                }
            };
            // The path is 0600 in a folder 0700 already; this is the second lock (B2 row 16).
            let own = rustix::process::geteuid();
            let allowed = rustix::net::sockopt::socket_peercred(&socket)
                .is_ok_and(|peer| peer.uid.is_root() || peer.uid == own);
            if allowed && self.clients.len() < CLIENT_LIMIT {
                self.adopt(socket);
            }
        }
    }

    /// Connections that could not be accepted are tried again.
    pub(super) fn listen_again(&mut self) {
        let _ = self.reactor.watch(self.listener.as_fd(), Source::Listener);
    }

    pub(super) fn adopt(&mut self, socket: OwnedFd) -> u32 {
        let client = self.key();
        if self.reactor.watch(socket.as_fd(), Source::Client(client)).is_ok() {
            self.clients.insert(client, socket);
        }
        client
    }

    pub(super) fn client_ready(&mut self, client: u32, hung_up: bool) {
        self.untidy = true;
        for _ in 0..TURN {
            let Some(socket) = self.clients.get(&client) else { return };
            match channel::receive::<Request>(socket.as_fd(), RecvFlags::DONTWAIT) {
                Ok(Some((request, descriptors))) => self.request(client, request, descriptors),
                Err(Error::Silent) if !hung_up => return,
                Err(Error::Decode(error)) => {
                    let message = format!("the shim does not understand the request: {error}");
                    self.reply(client, &Reply::Failed { exit_code: 125, message }, &[]);
                }
                _ => return self.drop_client(client),
            }
        }
    }

    /// Forgets a connection and what waited for it. What it was to get by now it still gets.
    pub(super) fn drop_client(&mut self, client: u32) {
        if let Some(socket) = self.clients.remove(&client) {
            self.reactor.forget(socket.as_fd());
        }
        for container in self.containers.values_mut() {
            container.waiters.retain(|waiter| waiter.client() != client);
            container.streams.client_gone(client, &mut self.reactor);
        }
        self.settle();
    }
}
