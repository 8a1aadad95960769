//! One connection: two sockets, and what is on its way between them.

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Until one of the ends has news.
    Waits,
    /// The turn is over, and not all was carried.
    HasMore,
    /// Both have ended, or one has failed.
    Over,
}

/// One way: what was read and could not be written yet.
#[derive(Debug, Default)]
struct Way {
    pending: Vec<u8>,
    written: usize,
    ended: bool,
    closed: bool,
}

/// A client and the container.
#[derive(Debug)]
pub(super) struct Flow {
    client: OwnedFd,
    server: OwnedFd,
    connected: bool,
    there: Way,
    back: Way,
}

impl Flow {
    /// The connection to the container has been begun.
    pub(super) fn new(client: OwnedFd, server: OwnedFd) -> Self {
        Self { client, server, connected: false, there: Way::default(), back: Way::default() }
    }

    pub(super) fn ends(&self) -> [BorrowedFd<'_>; 2] {
        [self.client.as_fd(), self.server.as_fd()]
    }

    /// Carries what there is, `turn` chunks at most each way.
    pub(super) fn go_on(&mut self, turn: usize, chunk: &mut [u8]) -> Outcome {
        if !self.connected {
            match rustix::net::sockopt::socket_error(&self.server) {
                Ok(Ok(())) => {}
                _ => return Outcome::Over,
            }
            if rustix::net::getpeername(&self.server).is_err() {
                return Outcome::Waits;
            }
            self.connected = true;
        }
        let there = self.there.carry(&self.client, &self.server, turn, chunk);
        let back = self.back.carry(&self.server, &self.client, turn, chunk);
        match (there, back) {
            (Err(_), _) | (_, Err(_)) => Outcome::Over,
            _ if self.there.closed && self.back.closed => Outcome::Over,
            (Ok(false), Ok(false)) => Outcome::Waits,
            _ => Outcome::HasMore,
        }
    }
}

impl Way {
    /// Whether there may be more.
    fn carry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        turn: usize,
        chunk: &mut [u8],
    ) -> Result<bool, Errno> {
        for _ in 0..turn {
            if !self.pending.is_empty() {
                self.written += send(to, &self.pending[self.written..])?;
                if self.written < self.pending.len() {
                    return Ok(false);
                }
                *self = Self { pending: Vec::new(), written: 0, ..*self };
            }
            if self.ended {
                if !self.closed {
                    self.closed = true;
                    // It may have gone by itself.
                    let _ = rustix::net::shutdown(to, Shutdown::Write);
                }
                return Ok(false);
            }
            let length = match rustix::io::read(from, &mut *chunk) {
                Ok(0) => {
                    self.ended = true;
                    continue;
                }
                Ok(length) => length,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            let sent = send(to, &chunk[..length])?;
            if sent < length {
                self.pending = chunk[sent..length].to_vec();
                self.written = 0;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// As much as there is room for.
fn send(to: &OwnedFd, mut data: &[u8]) -> Result<usize, Errno> {
    let all = data.len();
    while !data.is_empty() {
        match rustix::net::send(to, data, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => data = &data[sent..],
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(all - data.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        (ours.into(), theirs)
    }

    #[test]
    fn carries_both_ways_and_ends_one_by_one() {
        let ((mut client, left), (mut server, right)) = (pair(), pair());
        let mut flow = Flow::new(left, right);
        let mut chunk = [0; 16];
        client.write_all(b"a question longer than a chunk").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(flow.go_on(64, &mut chunk), Outcome::Waits);
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a question longer than a chunk");
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(flow.go_on(64, &mut chunk), Outcome::Over);
        drop(flow);
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
    }

    #[test]
    fn what_the_slow_cannot_take_waits_and_is_not_lost() {
        let ((mut client, left), (mut server, right)) = (pair(), pair());
        let mut flow = Flow::new(left, right);
        let mut chunk = vec![0; 4096];
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let (mut sent, mut got) = (0, 0);
        let data = [7; 10_000];
        let mut buffer = [0; 10_000];
        while got < 3_000_000 {
            if sent < 3_000_000 {
                sent += client.write(&data[..data.len().min(3_000_000 - sent)]).unwrap_or(0);
            }
            assert_ne!(flow.go_on(4, &mut chunk), Outcome::Over);
            got += server.read(&mut buffer).unwrap_or(0);
        }
        assert_eq!(sent, got);
    }

    #[test]
    fn a_turn_has_an_end() {
        let ((mut client, left), (_server, right)) = (pair(), pair());
        let mut flow = Flow::new(left, right);
        client.write_all(&[1; 100]).unwrap();
        assert_eq!(flow.go_on(2, &mut [0; 10]), Outcome::HasMore);
        assert_eq!(flow.go_on(20, &mut [0; 10]), Outcome::Waits);
    }
}
