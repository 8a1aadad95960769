//! Bytes between the person's standard streams and a container's.
//!
//! The container never sees a descriptor of the person's. With `run` the shim stands between them
//! and is handed the streams themselves; with `exec` pipes do, which the kernel moves pages through
//! (`splice`) where both ends allow it. Each direction has a thread of its own, so that a reader who
//! stalls holds up nothing else. An end of input closes the container's input and leaves its output
//! alone.

use crate::failure::Result;
use detach::{DetachKeys, Scan};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use rustix::termios::isatty;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use teu_containers::exec::ExecStreams;
use teu_containers::lifecycle::Attach;

pub mod detach;

/// Moved at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// What a pipe may hold, so that two processes need not take turns for every page.
const PIPE_BYTES: usize = 1 << 20;

/// What a foreground command waits for.
#[derive(Debug)]
pub enum Event {
    /// The process has ended with this code.
    Exited(Result<i32>),
    /// The person typed the detach keys.
    Detached,
    /// Nobody reads our output any more.
    Unread,
    /// A signal arrived.
    Signal(i32),
}

/// Our ends of pipes, where the container is not given the person's own streams.
#[derive(Debug, Default)]
pub struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// Which streams are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Refused when the person's share of pipe memory is used up: then it stays small.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE_BYTES);
    Ok((read, write))
}

fn duplicate(stream: BorrowedFd<'_>) -> Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(stream, 3)?)
}

/// Standard input without a buffer between, for streams of gigabytes.
pub fn stdin_file() -> Result<std::fs::File> {
    Ok(duplicate(rustix::stdio::stdin())?.into())
}

/// For a container: the shim, which is ours, is handed the person's own streams, so that nothing is
/// copied twice. Only a terminal that is typed at stays in our hands: it is searched for the keys
/// that leave, and nobody else may eat what is typed after them.
pub fn for_container(wanted: Wanted) -> Result<(Attach, Ends)> {
    let (mut theirs, mut ours) = (Attach::default(), Ends::default());
    if wanted.stdin && isatty(rustix::stdio::stdin()) {
        let (read, write) = pair()?;
        (theirs.stdin, ours.stdin) = (Some(read), Some(write));
    } else if wanted.stdin {
        theirs.stdin = Some(duplicate(rustix::stdio::stdin())?);
    }
    for (wanted, stream, theirs, ours) in [
        (wanted.stdout, rustix::stdio::stdout(), &mut theirs.stdout, &mut ours.stdout),
        (wanted.stderr, rustix::stdio::stderr(), &mut theirs.stderr, &mut ours.stderr),
    ] {
        if wanted && can_be_opened_again(stream) {
            *theirs = Some(duplicate(stream)?);
        } else if wanted {
            let (read, write) = pair()?;
            (*theirs, *ours) = (Some(write), Some(read));
        }
    }
    Ok((theirs, ours))
}

/// The shim opens pipes and terminals anew, so as not to block. One that another user made (`su`,
/// `sudo -u`) is ours to write to, and not to open: then we stand between.
fn can_be_opened_again(stream: BorrowedFd<'_>) -> bool {
    let kind = rustix::fs::fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if !matches!(kind, Ok(FileType::Fifo | FileType::CharacterDevice)) {
        return true;
    }
    let path = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&stream));
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).is_ok()
}

/// For a process in a container, which will hold what it is given: only pipes. A directory, a file
/// or a terminal of the host would be a way out of the container (CVE-2024-21626's kind).
pub fn for_process(stdin: bool) -> Result<(ExecStreams, Ends)> {
    let (mut theirs, mut ours) = (ExecStreams::default(), Ends::default());
    let is_pipe = |stream: BorrowedFd<'_>| {
        let stat = rustix::fs::fstat(stream);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
    };
    if stdin && is_pipe(rustix::stdio::stdin()) {
        theirs.stdin = Some(duplicate(rustix::stdio::stdin())?);
    } else if stdin {
        let (read, write) = pair()?;
        (theirs.stdin, ours.stdin) = (Some(read), Some(write));
    }
    for (stream, theirs, ours) in [
        (rustix::stdio::stdout(), &mut theirs.stdout, &mut ours.stdout),
        (rustix::stdio::stderr(), &mut theirs.stderr, &mut ours.stderr),
    ] {
        if is_pipe(stream) {
            *theirs = Some(duplicate(stream)?);
        } else {
            let (read, write) = pair()?;
            (*theirs, *ours) = (Some(write), Some(read));
        }
    }
    Ok((theirs, ours))
}

/// Tells `events` when nobody reads our output any more. Only a pipe can tell.
pub fn watch_reader(events: &Sender<Event>) {
    let events = events.clone();
    std::thread::spawn(move || {
        let stdout = rustix::stdio::stdout();
        loop {
            let mut ends = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
            match poll(&mut ends, None) {
                Ok(_) if ends[0].revents().contains(PollFlags::ERR) => {
                    let _ = events.send(Event::Unread);
                    return;
                }
                Ok(_) | Err(Errno::INTR) if ends[0].revents().is_empty() => {}
                _ => return,
            }
        }
    });
}

/// The output threads; joined when the container has ended, so that nothing it wrote is lost.
#[derive(Debug, Default)]
pub struct Pumps {
    outputs: Vec<JoinHandle<()>>,
}

impl Pumps {
    /// Waits until all output has arrived.
    pub fn drain(self) {
        for thread in self.outputs {
            let _ = thread.join();
        }
    }

    fn add(&mut self, source: OwnedFd, to: BorrowedFd<'static>, events: &Sender<Event>) {
        let events = events.clone();
        self.outputs.push(std::thread::spawn(move || {
            if copy(source.as_fd(), to) == Err(Errno::PIPE) {
                let _ = events.send(Event::Unread);
            }
        }));
    }
}

impl Ends {
    /// Starts the threads; they tell `events` of detaching and of a reader that is gone.
    pub fn pump(self, keys: Option<DetachKeys>, events: &Sender<Event>) -> Pumps {
        let mut pumps = Pumps::default();
        if let Some(sink) = self.stdin {
            feed(sink, keys, events.clone());
        }
        if let Some(source) = self.stdout {
            pumps.add(source, rustix::stdio::stdout(), events);
        }
        if let Some(source) = self.stderr {
            pumps.add(source, rustix::stdio::stderr(), events);
        }
        pumps
    }
}

/// Copies a terminal both ways, as `exec -t` needs it: the master is ours.
pub fn pump_terminal(
    master: OwnedFd,
    stdin: bool,
    keys: Option<DetachKeys>,
    events: &Sender<Event>,
) -> Result<Pumps> {
    let mut pumps = Pumps::default();
    if stdin {
        feed(rustix::io::fcntl_dupfd_cloexec(&master, 3)?, keys, events.clone());
    }
    pumps.add(master, rustix::stdio::stdout(), events);
    Ok(pumps)
}

fn feed(sink: OwnedFd, keys: Option<DetachKeys>, events: Sender<Event>) {
    std::thread::spawn(move || match keys {
        Some(keys) => typed(sink, keys, &events),
        None => {
            let _ = copy(rustix::stdio::stdin(), sink.as_fd());
        }
    });
}

/// What is typed goes to the container, except the keys that leave it.
fn typed(sink: OwnedFd, keys: DetachKeys, events: &Sender<Event>) {
    let mut scan = Scan::new(keys);
    let mut buffer = [0; 4096];
    loop {
        let length = match read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => return,
            Ok(length) => length,
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        let (bytes, leaves) = scan.feed(&buffer[..length]);
        if write_all(sink.as_fd(), &bytes).is_err() {
            return;
        }
        if leaves {
            let _ = events.send(Event::Detached);
            return;
        }
    }
}

/// Copies until the end of input. A closed reader is `EPIPE`; the end of a terminal is an end.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    while !is_file(to) {
        match splice(from, None, to, None, CHUNK_BYTES, SpliceFlags::MOVE) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            // Neither end is a pipe, or the other end cannot take pages (append, terminal).
            Err(Errno::INVAL | Errno::NOSYS | Errno::BADF) => break,
            Err(Errno::IO) => return Ok(()),
            Err(Errno::AGAIN) => wait(from, to)?,
            Err(error) => return Err(error),
        }
    }
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match read(from, &mut buffer) {
            Ok(0) | Err(Errno::IO) => return Ok(()),
            Ok(length) => write_all(to, &buffer[..length])?,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(from, to)?,
            Err(error) => return Err(error),
        }
    }
}

/// A splice into a file keeps the position it began at while it waits and sets it again when it is
/// over: where output and errors go to the same file, each would undo what the other wrote.
fn is_file(to: BorrowedFd<'_>) -> bool {
    let kind = rustix::fs::fstat(to).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind == Ok(FileType::RegularFile)
}

/// Somebody else made a stream non-blocking: waits until both ends can go on.
fn wait(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    for (end, flags) in [(from, PollFlags::IN), (to, PollFlags::OUT)] {
        let mut ends = [PollFd::from_borrowed_fd(end, flags)];
        match poll(&mut ends, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> std::result::Result<(), Errno> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
