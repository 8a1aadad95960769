//! Bytes between a client's connection and a container: framed outputs one way, typed input the
//! other.
//!
//! One thread serves a connection and sleeps in `poll`. It never waits for the container to read
//! while output is there: what the container does not take yet is kept (one chunk of it) and offered
//! again when there is room. The connection's half-close is the end of input, and of nothing else.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use teu_docker::frame::{HEADER_BYTES, Stream, header};

/// Moved at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// What a pipe may hold.
const PIPE_BYTES: usize = 256 << 10;

/// Detach keys when none were asked for: ctrl-p ctrl-q.
const DETACH_KEYS: [u8; 2] = [16, 17];

/// A pipe: read end, write end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // Refused when root's share of pipe memory is used up: then it stays small.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE_BYTES);
    Ok((read, write))
}

/// One connection's ends.
#[derive(Debug)]
pub struct Pump {
    /// The client.
    pub client: OwnedFd,
    /// Where its input goes; `None` when it gives none, or somebody else reads it.
    pub input: Option<Input>,
    /// Outputs and the frames they get; no frame for a terminal.
    pub outputs: Vec<(OwnedFd, Option<Stream>)>,
    /// Readable when all is over, however open the outputs are.
    pub end: Option<OwnedFd>,
}

/// The way in.
#[derive(Debug)]
pub struct Input {
    /// Not blocking.
    sink: OwnedFd,
    keys: Option<Keys>,
    /// Not taken yet.
    pending: Vec<u8>,
    /// The client says no more.
    ended: bool,
}

impl Input {
    /// Into this write end. With a terminal, typed keys may detach.
    pub fn new(sink: OwnedFd, keys: Option<Keys>) -> Result<Self, Errno> {
        rustix::io::ioctl_fionbio(&sink, true)?;
        Ok(Self { sink, keys, pending: Vec::new(), ended: false })
    }

    /// Offers what is there; false once nobody reads it.
    fn push(&mut self) -> bool {
        while !self.pending.is_empty() {
            match write(&self.sink, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        !self.ended
    }
}

/// How a pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The container closed its outputs, or ended.
    Finished,
    /// The client has gone.
    Gone,
    /// The client typed the detach keys.
    Detached,
}

impl Pump {
    /// Runs to its end.
    pub fn run(mut self) -> Ended {
        let mut buffer = vec![0; HEADER_BYTES + CHUNK_BYTES];
        loop {
            let ready = match self.ready() {
                Ok(ready) => ready,
                Err(_) => return Ended::Gone,
            };
            for index in (0..self.outputs.len()).rev() {
                if ready.outputs[index] && !self.output(index, &mut buffer) {
                    return Ended::Gone;
                }
            }
            if ready.client || ready.sink {
                let ended = self.feed(ready.client, &mut buffer[..CHUNK_BYTES]);
                if let Some(ended) = ended {
                    return ended;
                }
            }
            if ready.gone {
                return Ended::Gone;
            }
            if ready.end || (self.outputs.is_empty() && self.end.is_none()) {
                self.drain(&mut buffer);
                return Ended::Finished;
            }
        }
    }

    fn ready(&self) -> Result<Ready, Errno> {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        let wants = match &self.input {
            Some(input) if input.pending.is_empty() && !input.ended => PollFlags::IN,
            // Only its hanging up.
            _ => PollFlags::empty(),
        };
        fds.push(PollFd::from_borrowed_fd(self.client.as_fd(), wants));
        for (output, _) in &self.outputs {
            fds.push(PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN));
        }
        let end = self.end.as_ref().map(|end| {
            fds.push(PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN));
            fds.len() - 1
        });
        let sink = self.input.as_ref().map(|input| {
            let wants = if input.pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            fds.push(PollFd::from_borrowed_fd(input.sink.as_fd(), wants));
            fds.len() - 1
        });
        loop {
            match poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
                Ok(_) => break,
            }
        }
        let any = |index: usize| !fds[index].revents().is_empty();
        let client = fds[0].revents();
        Ok(Ready {
            client: client.contains(PollFlags::IN),
            gone: client.intersects(PollFlags::HUP | PollFlags::ERR)
                && !client.contains(PollFlags::IN),
            outputs: (1..=self.outputs.len()).map(any).collect(),
            end: end.is_some_and(any),
            sink: sink.is_some_and(any),
        })
    }

    /// One piece of an output; false when the client takes no more.
    fn output(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let (source, frame) = &self.outputs[index];
        match read(source, &mut buffer[HEADER_BYTES..]) {
            Err(Errno::INTR | Errno::AGAIN) => true,
            // A terminal whose last user has gone reads as an error.
            Ok(0) | Err(_) => {
                self.outputs.remove(index);
                true
            }
            Ok(count) => {
                let length = u32::try_from(count).unwrap_or(u32::MAX);
                let start = match frame {
                    None => HEADER_BYTES,
                    Some(stream) => {
                        buffer[..HEADER_BYTES].copy_from_slice(&header(*stream, length));
                        0
                    }
                };
                write_all(self.client.as_fd(), &buffer[start..HEADER_BYTES + count])
            }
        }
    }

    /// What the outputs still hold after the end.
    fn drain(&mut self, buffer: &mut [u8]) {
        while !self.outputs.is_empty() {
            let index = self.outputs.len() - 1;
            let (source, _) = &self.outputs[index];
            let mut now = [PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)];
            let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            if !matches!(poll(&mut now, Some(&none)), Ok(count) if count > 0) {
                self.outputs.remove(index);
            } else if !self.output(index, buffer) {
                return;
            }
        }
    }

    fn feed(&mut self, readable: bool, buffer: &mut [u8]) -> Option<Ended> {
        let input = self.input.as_mut()?;
        if readable && input.pending.is_empty() && !input.ended {
            match read(&self.client, &mut *buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(0) => input.ended = true,
                Err(_) => return Some(Ended::Gone),
                Ok(count) => match &mut input.keys {
                    None => input.pending.extend_from_slice(&buffer[..count]),
                    Some(keys) => {
                        let (typed, detached) = keys.feed(&buffer[..count]);
                        input.pending = typed;
                        if detached {
                            input.push();
                            return Some(Ended::Detached);
                        }
                    }
                },
            }
        }
        if !input.push() {
            self.input = None;
        }
        None
    }
}

struct Ready {
    client: bool,
    gone: bool,
    outputs: Vec<bool>,
    end: bool,
    sink: bool,
}

/// Writes all; false when the reader has gone.
pub fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None);
            }
            Err(_) => return false,
        }
    }
    true
}

/// Looks for the keys that detach in what is typed.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<u8>,
    matched: usize,
}

impl Keys {
    /// `ctrl-p,ctrl-q`, `a,b`; empty for the usual ones. `None` for what cannot be typed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut keys = Vec::new();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let key = match word.strip_prefix("ctrl-") {
                Some(letter) => match letter.as_bytes() {
                    [letter @ b'a'..=b'z'] => letter - b'a' + 1,
                    [b'@'] => 0,
                    [symbol @ (b'[' | b'\\' | b']' | b'^' | b'_')] => symbol - b'@',
                    _ => return None,
                },
                None => match word.as_bytes() {
                    [key] => *key,
                    _ => return None,
                },
            };
            keys.push(key);
        }
        if keys.is_empty() {
            keys = DETACH_KEYS.to_vec();
        }
        Some(Self { keys, matched: 0 })
    }

    /// What goes on to the container, and whether the keys were complete.
    fn feed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(*byte == self.keys[0] && self.keys.len() > 1);
            if self.matched == 0 {
                out.push(*byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_detach() {
        for (keys, typed, passed, detached) in [
            ("", &b"ab\x10\x11cd"[..], &b"ab"[..], true),
            ("", b"\x10x\x10\x10\x11", b"\x10x\x10", true),
            ("", b"\x10", b"", false),
            ("ctrl-a,b", b"\x01\x01b", b"\x01", true),
            ("q", b"xq", b"x", true),
        ] {
            let (out, end) = Keys::parse(keys).unwrap().feed(typed);
            assert_eq!((&out[..], end), (passed, detached), "{keys} {typed:?}");
        }
        assert!(Keys::parse("ctrl-ab").is_none());
    }

    #[test]
    fn frames_and_input() {
        use std::io::{Read as _, Write as _};
        use std::os::unix::net::UnixStream;
        let (mut client, theirs) = UnixStream::pair().unwrap();
        let (out, out_write) = pipe().unwrap();
        let (input_read, input) = pipe().unwrap();
        let pump = Pump {
            client: theirs.into(),
            input: Some(Input::new(input, None).unwrap()),
            outputs: vec![(out, Some(Stream::Stdout))],
            end: None,
        };
        let thread = std::thread::spawn(move || pump.run());
        client.write_all(b"typed").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut typed = String::new();
        std::fs::File::from(input_read).read_to_string(&mut typed).unwrap();
        assert_eq!(typed, "typed");
        std::fs::File::from(out_write).write_all(b"said").unwrap();
        let mut said = Vec::new();
        assert_eq!(thread.join().unwrap(), Ended::Finished);
        client.read_to_end(&mut said).unwrap();
        assert_eq!(said, b"\x01\0\0\0\0\0\0\x04said");
    }
}
