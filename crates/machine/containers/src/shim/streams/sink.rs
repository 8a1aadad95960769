//! A client's descriptor that output goes to, and what it is behind.
//!
//! It may be anything a shell gives: a pipe, a terminal, a file, a socket. Writing must not block
//! the shim, and must not change the descriptor for others that share it (`O_NONBLOCK` would): a
//! pipe or terminal is opened anew, a socket is written with `MSG_DONTWAIT`, a file as it is.

use super::{BEHIND_LIMIT_BYTES, Output};
use crate::shim::reactor::{Reactor, Source, Timer};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How long a full sink may hold the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shim) enum Patience {
    /// For ever: it is the container's foreground.
    Forever,
    /// [`super::PATIENCE`].
    Limited,
}

#[derive(Debug)]
pub(in crate::shim) struct Sink {
    pub(in crate::shim) id: u32,
    pub(in crate::shim) client: u32,
    pub(in crate::shim) patience: Patience,
    /// Its client has gone: it gets nothing more than it was to get by then.
    pub(in crate::shim) leaving: bool,
    output: Output,
    fd: OwnedFd,
    socket: bool,
    behind: Vec<u8>,
    /// Bytes of `behind` that are written already.
    written: usize,
    watched: bool,
}

impl Sink {
    /// Takes a client's descriptor for one output.
    pub(in crate::shim) fn new(
        (id, client): (u32, u32),
        output: Output,
        fd: OwnedFd,
        patience: Patience,
    ) -> Result<Self, Errno> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        let socket = kind == FileType::Socket;
        let fd = match kind {
            FileType::Fifo | FileType::CharacterDevice => anew(fd)?,
            _ => fd,
        };
        Ok(Self {
            id,
            client,
            patience,
            leaving: false,
            output,
            fd,
            socket,
            behind: Vec::new(),
            written: 0,
            watched: false,
        })
    }

    pub(super) fn takes(&self, output: Output) -> bool {
        self.output == output
    }

    pub(super) fn is_full(&self) -> bool {
        self.behind.len() - self.written >= BEHIND_LIMIT_BYTES
    }

    /// Not yet far enough from full to go on.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.len() - self.written >= BEHIND_LIMIT_BYTES / 2
    }

    pub(super) fn is_empty(&self) -> bool {
        self.behind.is_empty()
    }

    /// Writes, and keeps what does not fit. `false` when the other end has gone.
    pub(super) fn write(&mut self, bytes: &[u8], reactor: &mut Reactor) -> bool {
        if !self.behind.is_empty() {
            if self.written >= BEHIND_LIMIT_BYTES {
                self.behind.drain(..self.written);
                self.written = 0;
            }
            self.behind.extend_from_slice(bytes);
            return true;
        }
        match self.write_some(bytes) {
            Ok(written) if written == bytes.len() => true,
            Ok(written) => {
                self.behind.extend_from_slice(&bytes[written..]);
                self.watch(reactor)
            }
            Err(_) => {
                self.forget(reactor);
                false
            }
        }
    }

    /// Writes what it is behind. `false` when the other end has gone.
    pub(super) fn flush(&mut self, reactor: &mut Reactor) -> bool {
        let rest = self.written..self.behind.len();
        match self.write_some(&self.behind[rest]) {
            Ok(written) => self.written += written,
            Err(_) => {
                self.forget(reactor);
                return false;
            }
        }
        if !self.is_full() {
            reactor.cancel(Timer::Stalled(self.id));
        }
        if self.written == self.behind.len() {
            self.behind = Vec::new();
            self.written = 0;
            reactor.forget(self.fd.as_fd());
            self.watched = false;
        }
        true
    }

    fn watch(&mut self, reactor: &Reactor) -> bool {
        if !self.watched {
            self.watched = reactor.watch_writable(self.fd.as_fd(), Source::Sink(self.id)).is_ok();
        }
        self.watched
    }

    pub(super) fn forget(&self, reactor: &mut Reactor) {
        reactor.cancel(Timer::Stalled(self.id));
        if self.watched {
            reactor.forget(self.fd.as_fd());
        }
    }

    fn write_some(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let mut written = 0;
        while written < bytes.len() {
            let rest = &bytes[written..];
            let result = if self.socket {
                rustix::net::send(&self.fd, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            } else {
                rustix::io::write(&self.fd, rest)
            };
            match result {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(written)
    }
}

/// The same pipe or terminal under a new open file description of our own, which does not block.
fn anew(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty())
}
