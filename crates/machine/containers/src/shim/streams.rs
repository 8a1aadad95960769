//! Standard streams of one container: from its pipes or terminal to the log and to clients, and back.
//!
//! ```text
//! stdout, stderr ──▶ Feed ──▶ Log
//!                      └────▶ Sink (buffer ≤ 256 KiB) ──▶ a client's pipe, file or terminal
//! a client's input ──▶ Input ──▶ stdin of the container
//! ```
//! Nothing is lost: when a sink's buffer is full the feed is not read, and the container waits as it
//! would on a full pipe. That holds without end for the command that started the container (it is
//! the pipe), and for [`PATIENCE`] for those that attached later: a forgotten `attach` behind a
//! stopped terminal is cut off, instead of standing in the way of a service.

use super::log::{Log, entry};
use super::reactor::{Reactor, Source, Timer};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

mod sink;

pub(super) use sink::{Patience, Sink};

/// Taken from a pipe at a time; also what a pipe holds.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// What a client may be behind.
const BEHIND_LIMIT_BYTES: usize = 256 << 10;
/// How long a late client may stay behind that much.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Input taken from a client at a time.
const INPUT_BYTES: usize = 16 << 10;

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One output of a container.
#[derive(Debug)]
struct Feed {
    fd: OwnedFd,
    output: Output,
    open_line: Vec<u8>,
    /// Not read while a sink is full.
    held: bool,
}

/// Our ends of a container's streams.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Write end, or the terminal.
    pub(super) stdin: Option<OwnedFd>,
    /// Read end, or the terminal.
    pub(super) stdout: Option<OwnedFd>,
    /// Read end.
    pub(super) stderr: Option<OwnedFd>,
}

/// Streams of one container; sinks and inputs outlive a run.
#[derive(Debug)]
pub(super) struct Streams {
    key: u32,
    log: Log,
    feeds: Vec<Feed>,
    sinks: Vec<Sink>,
    stdin: Option<Stdin>,
    inputs: Vec<Input>,
    /// Nothing more will come.
    over: bool,
}

#[derive(Debug)]
struct Stdin {
    fd: OwnedFd,
    /// Taken from a client, not yet by the container.
    pending: Vec<u8>,
    /// Closed once `pending` is through.
    ending: bool,
}

#[derive(Debug)]
struct Input {
    id: u32,
    client: u32,
    fd: OwnedFd,
    /// Its end is the end of the container's input.
    closes: bool,
    /// A regular file is always readable and cannot be watched.
    watched: bool,
}

impl Streams {
    pub(super) fn new(key: u32, log: Log) -> Self {
        Self {
            key,
            log,
            feeds: Vec::new(),
            sinks: Vec::new(),
            stdin: None,
            inputs: Vec::new(),
            over: false,
        }
    }

    /// Takes the ends of a run that starts.
    pub(super) fn connect(&mut self, ends: Ends, reactor: &Reactor) -> Result<(), Errno> {
        let outputs = [(ends.stdout, Output::Stdout), (ends.stderr, Output::Stderr)];
        for (fd, output) in outputs {
            let Some(fd) = fd else { continue };
            rustix::io::ioctl_fionbio(&fd, true)?;
            reactor.watch(fd.as_fd(), self.source(output))?;
            self.feeds.push(Feed { fd, output, open_line: Vec::new(), held: false });
        }
        if let Some(fd) = ends.stdin {
            rustix::io::ioctl_fionbio(&fd, true)?;
            self.stdin = Some(Stdin { fd, pending: Vec::new(), ending: false });
            let ids: Vec<u32> = self.inputs.iter().map(|input| input.id).collect();
            for id in ids {
                self.rewatch(id, reactor);
            }
        }
        Ok(())
    }

    /// Size of the container's terminal.
    pub(super) fn resize(&self, rows: u16, columns: u16) -> Result<(), Errno> {
        let terminal = self.feeds.first().ok_or(Errno::NOTTY)?;
        let size =
            rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&terminal.fd, size)
    }

    /// A client's descriptor to which output goes from now on.
    pub(super) fn add_sink(&mut self, sink: Sink) {
        self.sinks.push(sink);
    }

    /// A client's input.
    pub(super) fn add_input(
        &mut self,
        (id, client): (u32, u32),
        fd: OwnedFd,
        closes: bool,
        reactor: &Reactor,
    ) {
        let watched = reactor.watch(fd.as_fd(), Source::Input(id)).is_ok();
        self.inputs.push(Input { id, client, fd, closes, watched });
        if !watched {
            self.pump(id, reactor);
        }
    }

    fn source(&self, output: Output) -> Source {
        match output {
            Output::Stdout => Source::Stdout(self.key),
            Output::Stderr => Source::Stderr(self.key),
        }
    }

    // === output ===

    /// Takes what there is of an output. Whether the stream has ended.
    pub(super) fn readable(
        &mut self,
        output: Output,
        reactor: &mut Reactor,
        chunk: &mut [u8],
    ) -> bool {
        let Some(at) = self.feeds.iter().position(|feed| feed.output == output) else {
            return true;
        };
        if self.sinks.iter().any(|sink| sink.takes(output) && sink.is_full()) {
            self.hold(at, reactor);
            return false;
        }
        match rustix::io::read(&self.feeds[at].fd, &mut *chunk) {
            Ok(0) => self.end(at, reactor),
            Ok(length) => {
                self.deliver(at, &chunk[..length], reactor);
                return false;
            }
            Err(Errno::AGAIN | Errno::INTR) => return false,
            // A terminal nobody has open any more says EIO.
            Err(_) => self.end(at, reactor),
        }
        true
    }

    fn hold(&mut self, at: usize, reactor: &mut Reactor) {
        reactor.forget(self.feeds[at].fd.as_fd());
        self.feeds[at].held = true;
        for sink in &self.sinks {
            if sink.is_full() && sink.patience == Patience::Limited {
                let timer = Timer::Stalled(sink.id);
                if !reactor.is_set(timer) {
                    reactor.set(timer, PATIENCE);
                }
            }
        }
    }

    fn deliver(&mut self, at: usize, bytes: &[u8], reactor: &mut Reactor) {
        let feed = &mut self.feeds[at];
        let output = feed.output;
        if self.log.keeps() {
            let source = entry::Source::new(output.name(), crate::shim::clock::now_ns());
            self.log.append(&source, bytes, &mut feed.open_line);
        }
        let takes = |sink: &Sink| sink.takes(output) && !sink.leaving;
        self.sinks.retain_mut(|sink| !takes(sink) || sink.write(bytes, reactor));
    }

    fn end(&mut self, at: usize, reactor: &Reactor) {
        let mut feed = self.feeds.remove(at);
        reactor.forget(feed.fd.as_fd());
        let source = entry::Source::new(feed.output.name(), crate::shim::clock::now_ns());
        self.log.finish(&source, &mut feed.open_line);
    }

    /// The process has gone: takes what is left in the pipes, however full the sinks are, and lets go
    /// of them. It is no more than a pipe holds: who was handed an end of it may go on writing.
    pub(super) fn drain(&mut self, reactor: &mut Reactor, chunk: &mut [u8]) {
        while let Some(feed) = self.feeds.first() {
            let holds = rustix::pipe::fcntl_getpipe_size(&feed.fd).unwrap_or(CHUNK_BYTES);
            let mut left = holds.max(CHUNK_BYTES);
            while left > 0 {
                match rustix::io::read(&self.feeds[0].fd, &mut *chunk) {
                    Ok(length) if length > 0 => {
                        left = left.saturating_sub(length);
                        self.deliver(0, &chunk[..length], reactor);
                    }
                    Err(Errno::INTR) => {}
                    // Ended, or held open by a process that outlived the container's first one.
                    _ => break,
                }
            }
            self.end(0, reactor);
        }
        self.drop_stdin(reactor);
    }

    /// Room in a client's pipe.
    pub(super) fn writable(&mut self, sink: u32, reactor: &mut Reactor) {
        let over = self.over;
        self.sinks.retain_mut(|other| {
            let ends = over || other.leaving;
            other.id != sink || (other.flush(reactor) && !(ends && other.is_empty()))
        });
        self.release(reactor);
    }

    /// A late client stayed behind for too long.
    pub(super) fn stalled(&mut self, sink: u32, reactor: &mut Reactor) {
        self.sinks.retain(|other| {
            let gone = other.id == sink && (self.over || other.leaving || other.is_full());
            if gone {
                other.forget(reactor);
            }
            !gone
        });
        self.release(reactor);
    }

    /// Reads on where no sink is full any more.
    fn release(&mut self, reactor: &Reactor) {
        for at in 0..self.feeds.len() {
            let output = self.feeds[at].output;
            let holds = |sink: &Sink| sink.takes(output) && !sink.leaving && sink.is_behind();
            let full = self.sinks.iter().any(holds);
            if self.feeds[at].held && !full {
                let source = self.source(output);
                self.feeds[at].held = reactor.watch(self.feeds[at].fd.as_fd(), source).is_err();
            }
        }
    }

    /// A client has gone: its terminal is a shell's again, its pipe has readers who wait for an end.
    /// What was to go there still goes, for as long as a late client has; nothing more does, and
    /// nothing more is taken from its input.
    pub(super) fn client_gone(&mut self, client: u32, reactor: &mut Reactor) {
        self.sinks.retain_mut(|sink| {
            if sink.client != client {
                return true;
            }
            if sink.is_empty() {
                sink.forget(reactor);
                return false;
            }
            sink.patience = Patience::Limited;
            sink.leaving = true;
            reactor.set(Timer::Stalled(sink.id), PATIENCE);
            true
        });
        while let Some(at) = self.inputs.iter().position(|input| input.client == client) {
            let mut input = self.inputs.remove(at);
            input.unwatch(reactor);
            if input.closes {
                self.close_stdin(reactor);
            }
        }
        self.release(reactor);
    }

    /// No more will come: sinks close as soon as they are through. Whether all are.
    pub(super) fn finish(&mut self, reactor: &mut Reactor) -> bool {
        if self.over {
            return self.sinks.is_empty();
        }
        self.over = true;
        for input in self.inputs.drain(..) {
            reactor.forget(input.fd.as_fd());
        }
        self.sinks.retain(|sink| !sink.is_empty());
        for sink in &self.sinks {
            if sink.patience == Patience::Limited {
                reactor.set(Timer::Stalled(sink.id), PATIENCE);
            }
        }
        self.sinks.is_empty()
    }

    /// Whether this sink is one of these streams'.
    pub(super) fn has_sink(&self, sink: u32) -> bool {
        self.sinks.iter().any(|other| other.id == sink)
    }

    /// Whether this input is one of these streams'.
    pub(super) fn has_input(&self, input: u32) -> bool {
        self.inputs.iter().any(|other| other.id == input)
    }

    // === input ===

    /// Takes what a client has typed; to be called only when there is something, or for a file.
    pub(super) fn pump(&mut self, id: u32, reactor: &Reactor) {
        loop {
            let Some(at) = self.inputs.iter().position(|input| input.id == id) else { return };
            let Some(stdin) = &mut self.stdin else {
                // Nothing reads: the input waits for the next run, unwatched.
                self.inputs[at].unwatch(reactor);
                return;
            };
            if !stdin.pending.is_empty() || stdin.ending {
                self.inputs[at].unwatch(reactor);
                return;
            }
            let mut chunk = [0; INPUT_BYTES];
            let input = &mut self.inputs[at];
            match rustix::io::read(&input.fd, &mut chunk) {
                Err(Errno::AGAIN | Errno::INTR) => return,
                Ok(length) if length > 0 => {
                    stdin.pending.extend_from_slice(&chunk[..length]);
                }
                _ => {
                    let closes = input.closes;
                    reactor.forget(input.fd.as_fd());
                    self.inputs.remove(at);
                    if closes {
                        self.close_stdin(reactor);
                    }
                    return;
                }
            }
            self.feed_stdin(reactor);
            if self.inputs.get(at).is_none_or(|input| input.watched) {
                return;
            }
        }
    }

    /// Room in the container's input.
    pub(super) fn stdin_writable(&mut self, reactor: &Reactor) {
        if let Some(stdin) = &self.stdin {
            reactor.forget(stdin.fd.as_fd());
        }
        self.feed_stdin(reactor);
        let room = self.stdin.as_ref().is_some_and(|stdin| stdin.pending.is_empty());
        let waiting: Vec<u32> =
            self.inputs.iter().filter(|input| !input.watched).map(|input| input.id).collect();
        for id in waiting {
            if room {
                self.rewatch(id, reactor);
            }
        }
    }

    fn rewatch(&mut self, id: u32, reactor: &Reactor) {
        let Some(input) = self.inputs.iter_mut().find(|input| input.id == id) else { return };
        if input.watched {
            return;
        }
        input.watched = reactor.watch(input.fd.as_fd(), Source::Input(id)).is_ok();
        if !input.watched {
            self.pump(id, reactor);
        }
    }

    /// Hands on what is pending; watches for room if it does not fit.
    fn feed_stdin(&mut self, reactor: &Reactor) {
        let Some(stdin) = &mut self.stdin else { return };
        while !stdin.pending.is_empty() {
            match rustix::io::write(&stdin.fd, &stdin.pending) {
                Ok(length) => drop(stdin.pending.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let _ = reactor.watch_writable(stdin.fd.as_fd(), Source::Stdin(self.key));
                    return;
                }
                // The container closed its input: nobody will read what comes.
                Err(_) => return self.drop_stdin(reactor),
            }
        }
        stdin.pending = Vec::new();
        if stdin.ending {
            self.drop_stdin(reactor);
        }
    }

    /// A terminal stays open by our other descriptor of it: without this its room would be told, for
    /// ever, to nobody.
    fn drop_stdin(&mut self, reactor: &Reactor) {
        if let Some(stdin) = self.stdin.take() {
            reactor.forget(stdin.fd.as_fd());
        }
    }

    fn close_stdin(&mut self, reactor: &Reactor) {
        if let Some(stdin) = &mut self.stdin {
            stdin.ending = true;
        }
        self.feed_stdin(reactor);
    }
}

impl Output {
    /// As the log says it.
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Input {
    fn unwatch(&mut self, reactor: &Reactor) {
        if self.watched {
            reactor.forget(self.fd.as_fd());
            self.watched = false;
        }
    }
}

#[cfg(test)]
mod tests;
