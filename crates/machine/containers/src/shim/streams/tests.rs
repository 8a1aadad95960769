//! Pipes on both sides, a loop in the middle.

use super::*;
use crate::record::LogRecord;
use crate::shim::reactor::Wake;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

const KEY: u32 = 1;
const SINK: u32 = 2;
const INPUT: u32 = 3;
const CLIENT: u32 = 4;

struct Bench {
    reactor: Reactor,
    streams: Streams,
    chunk: Vec<u8>,
    folder: PathBuf,
}

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

impl Bench {
    fn new(name: &str, keep: bool) -> Self {
        let folder =
            std::env::temp_dir().join(format!("teu-streams-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let fd = rustix::fs::open(&folder, OFlags::PATH, Mode::empty()).unwrap();
        let log = Log::new(fd, LogRecord { keep, ..LogRecord::default() });
        let streams = Streams::new(KEY, log);
        Self { reactor: Reactor::new().unwrap(), streams, chunk: vec![0; CHUNK_BYTES], folder }
    }

    /// A container whose output is written to what is returned.
    fn output(&mut self) -> File {
        let (read, write) = pipe();
        let ends = Ends { stdout: Some(read), ..Ends::default() };
        self.streams.connect(ends, &self.reactor).unwrap();
        File::from(write)
    }

    fn sink(&mut self, fd: OwnedFd, patience: Patience) {
        let sink = Sink::new((SINK, CLIENT), Output::Stdout, fd, patience).unwrap();
        self.streams.add_sink(sink);
    }

    /// Handles what happens within a moment. Whether anything did.
    fn turn(&mut self) -> bool {
        let mut wakes = Vec::new();
        self.reactor.set(Timer::Idle, Duration::from_millis(20));
        self.reactor.wait(&mut wakes).unwrap();
        let mut busy = false;
        for wake in wakes {
            busy |= !matches!(wake, Wake::Due(Timer::Idle));
            match wake {
                Wake::Ready { source: Source::Stdout(_), .. } => {
                    self.streams.readable(Output::Stdout, &mut self.reactor, &mut self.chunk);
                }
                Wake::Ready { source: Source::Sink(id), .. } => {
                    self.streams.writable(id, &mut self.reactor);
                }
                Wake::Ready { source: Source::Input(id), .. } => {
                    self.streams.pump(id, &self.reactor);
                }
                Wake::Ready { source: Source::Stdin(_), .. } => {
                    self.streams.stdin_writable(&self.reactor);
                }
                _ => {}
            }
        }
        busy
    }

    fn run_dry(&mut self) {
        while self.turn() {}
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Bytes whose place can be told.
fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| format!("{number:07}\n").into_bytes()).take(length).collect()
}

#[test]
fn a_flood_reaches_client_and_log_whole() {
    let mut bench = Bench::new("flood", true);
    let mut container = bench.output();
    let (read, write) = pipe();
    bench.sink(write, Patience::Forever);
    let sent = pattern(2 << 20);
    let expected = sent.clone();
    let writer = std::thread::spawn(move || container.write_all(&sent).unwrap());
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        File::from(read).read_to_end(&mut all).unwrap();
        all
    });
    while !bench.streams.feeds.is_empty() {
        bench.turn();
    }
    while !bench.streams.finish(&mut bench.reactor) {
        bench.turn();
    }
    writer.join().unwrap();
    assert!(reader.join().unwrap() == expected, "the client got something else");
    // Five files of 10 MiB hold all of it; the oldest comes first.
    let mut logged = Vec::new();
    for number in [".4", ".3", ".2", ".1", ""] {
        let path = bench.folder.join(format!("container.log{number}"));
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for line in text.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            logged.extend_from_slice(entry["log"].as_str().unwrap().as_bytes());
        }
    }
    assert!(logged == expected, "the log holds {} bytes", logged.len());
}

#[test]
fn a_full_client_holds_the_container_and_memory_stays_bounded() {
    let mut bench = Bench::new("full", false);
    let container = bench.output();
    rustix::io::ioctl_fionbio(&container, true).unwrap();
    let (read, write) = pipe();
    bench.sink(write, Patience::Forever);
    let mut sent = 0;
    loop {
        let written = rustix::io::write(&container, &[b'x'; 4096]).unwrap_or(0);
        sent += written;
        if !bench.turn() && written == 0 {
            break;
        }
    }
    let behind = BEHIND_LIMIT_BYTES + 4 * CHUNK_BYTES;
    assert!(sent > BEHIND_LIMIT_BYTES && sent < behind, "{sent} bytes were taken");
    assert!(bench.streams.feeds[0].held);
    drop(container);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        File::from(read).read_to_end(&mut all).unwrap();
        all.len()
    });
    while !bench.streams.feeds.is_empty() || !bench.streams.finish(&mut bench.reactor) {
        bench.turn();
    }
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn a_late_client_that_does_not_read_is_cut_off() {
    let mut bench = Bench::new("late", false);
    let container = bench.output();
    rustix::io::ioctl_fionbio(&container, true).unwrap();
    let (read, write) = pipe();
    bench.sink(write, Patience::Limited);
    while bench.turn() || rustix::io::write(&container, &[b'x'; 4096]).is_ok() {}
    assert!(bench.reactor.is_set(Timer::Stalled(SINK)));
    bench.streams.stalled(SINK, &mut bench.reactor);
    assert!(bench.streams.sinks.is_empty() && !bench.streams.feeds[0].held);
    bench.run_dry();
    assert!(rustix::io::write(&container, b"on it goes").is_ok());
    drop(read);
}

#[test]
fn a_client_that_has_gone_is_forgotten() {
    let mut bench = Bench::new("gone", false);
    let mut container = bench.output();
    let (read, write) = pipe();
    bench.sink(write, Patience::Forever);
    drop(read);
    container.write_all(b"to nobody\n").unwrap();
    bench.run_dry();
    assert!(bench.streams.sinks.is_empty());
}

#[test]
fn flags_of_a_clients_descriptor_stay() {
    let mut bench = Bench::new("flags", false);
    let mut container = bench.output();
    let (read, write) = pipe();
    let kept = write.try_clone().unwrap();
    bench.sink(write, Patience::Forever);
    container.write_all(b"x").unwrap();
    bench.run_dry();
    assert!(!rustix::fs::fcntl_getfl(&kept).unwrap().contains(OFlags::NONBLOCK));
    let mut byte = [0];
    File::from(read).read_exact(&mut byte).unwrap();
}

#[test]
fn a_file_is_written_where_its_owner_left_it() {
    let mut bench = Bench::new("file", false);
    let mut container = bench.output();
    let path = bench.folder.join("out");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"before ").unwrap();
    bench.sink(file.try_clone().unwrap().into(), Patience::Forever);
    container.write_all(b"container ").unwrap();
    bench.run_dry();
    file.write_all(b"after").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "before container after");
}

/// What the container reads when a client types `text` and closes.
fn typed(name: &str, text: &[u8], closes: bool) -> (Vec<u8>, bool) {
    let mut bench = Bench::new(name, false);
    let (stdin, write) = pipe();
    let ends = Ends { stdin: Some(write), ..Ends::default() };
    bench.streams.connect(ends, &bench.reactor).unwrap();
    let (read, client) = pipe();
    bench.streams.add_input((INPUT, CLIENT), read, closes, &bench.reactor);
    let text = text.to_vec();
    let writer = std::thread::spawn(move || File::from(client).write_all(&text).unwrap());
    rustix::io::ioctl_fionbio(&stdin, true).unwrap();
    let mut got = Vec::new();
    let mut chunk = [0; 8192];
    let mut idle = 0;
    while idle < 5 {
        idle = if bench.turn() { 0 } else { idle + 1 };
        while let Ok(length) = rustix::io::read(&stdin, &mut chunk) {
            got.extend_from_slice(&chunk[..length]);
            if length == 0 {
                writer.join().unwrap();
                return (got, true);
            }
        }
    }
    writer.join().unwrap();
    (got, false)
}

#[test]
fn input_and_its_end() {
    let long = pattern(300_000);
    assert!(typed("once", &long, true) == (long.clone(), true));
    assert!(typed("open", &long, false) == (long, false));
    assert_eq!(typed("empty", b"", true), (Vec::new(), true));
}

#[test]
fn input_from_a_file() {
    let mut bench = Bench::new("infile", false);
    let path = bench.folder.join("in");
    let text = pattern(200_000);
    std::fs::write(&path, &text).unwrap();
    let (stdin, write) = pipe();
    bench.streams.add_input(
        (INPUT, CLIENT),
        File::open(path).unwrap().into(),
        true,
        &bench.reactor,
    );
    let ends = Ends { stdin: Some(write), ..Ends::default() };
    bench.streams.connect(ends, &bench.reactor).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        File::from(stdin).read_to_end(&mut all).unwrap();
        all
    });
    while bench.streams.stdin.is_some() {
        bench.turn();
    }
    assert!(reader.join().unwrap() == text);
}

/// After `ctrl-p ctrl-q` the terminal is a shell's again, and a pipe's reader sees its end.
#[test]
fn a_client_that_has_left_gets_nothing_more() {
    let mut bench = Bench::new("left", false);
    let mut container = bench.output();
    let (read, write) = pipe();
    bench.sink(write, Patience::Forever);
    container.write_all(b"before").unwrap();
    bench.run_dry();
    bench.streams.client_gone(CLIENT, &mut bench.reactor);
    container.write_all(b"after").unwrap();
    bench.run_dry();
    let mut all = String::new();
    File::from(read).read_to_string(&mut all).unwrap();
    assert_eq!(all, "before");
}

/// Somebody else may hold an end of a container's output, and write without end.
#[test]
fn what_is_drained_has_an_end() {
    let mut bench = Bench::new("endless", false);
    let endless = rustix::fs::open("/dev/random", OFlags::RDONLY, Mode::empty()).unwrap();
    let ends = Ends { stdout: Some(endless), ..Ends::default() };
    bench.streams.connect(ends, &bench.reactor).unwrap();
    bench.streams.drain(&mut bench.reactor, &mut bench.chunk);
    assert!(bench.streams.feeds.is_empty());
}
