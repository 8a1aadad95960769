//! A thousand watchers, as a thousand machines would be them: each has a connection of its own, with TLS.
//!
//! The machine is shared with the server, so reading is as cheap as it can be: two threads wait in epoll,
//! read once, decrypt, and only look for the end of the event and its name. An event has been seen when it
//! stands decrypted; it begins before the request that makes it is sent. What the watchers take from
//! the server's processors is a figure of its own, and part of these times, as is that each waits for
//! the others: on machines of their own they would not. So the same is measured once more with watchers
//! that read only when all have the event in their sockets ([`Reading::Afterwards`]).

use crate::server::Server;
use crate::{MAPS, map, median, milliseconds, print};
use anyhow::{Context, Result, ensure};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Watchers of one resource.
pub const WATCHERS: usize = 1000;
/// Events, each when the one before has been seen by all, and a while later.
pub const EVENTS: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks at what has arrived; a time is late by up to this.
const LOOK: Duration = Duration::from_micros(500);
/// Connections looked at after each sleep.
const AT_ONCE: usize = 256;
/// What a response's head or an event has at most.
const TEXT_BYTES: usize = 16 << 10;

/// When the watchers read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Each as soon as it can.
    AtOnce,
    /// When all have the event: the times are those at which it arrived.
    Afterwards,
}

/// One watcher.
struct Watcher {
    socket: TcpStream,
    tls: ClientConnection,
    /// What came and was not understood yet.
    text: Vec<u8>,
    seen: usize,
}

/// What a reading thread tells of an event that all of its watchers have seen.
pub struct Seen {
    pub at: Vec<Instant>,
    /// What the thread has used of the processors for it.
    pub cpu: Duration,
}

impl Watcher {
    fn open(server: &Server) -> Result<Self> {
        let socket = TcpStream::connect(&server.address)?;
        socket.set_nodelay(true)?;
        let tls =
            ClientConnection::new(Arc::clone(&server.tls), ServerName::try_from("localhost")?)?;
        let mut watcher = Self { socket, tls, text: Vec::new(), seen: 0 };
        let head = format!("GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut stream = rustls::Stream::new(&mut watcher.tls, &mut watcher.socket);
        stream.write_all(head.as_bytes())?;
        let end = loop {
            let mut piece = [0; 1024];
            let count =
                rustls::Stream::new(&mut watcher.tls, &mut watcher.socket).read(&mut piece)?;
            ensure!(count > 0 && watcher.text.len() < TEXT_BYTES, "no response to a watch");
            watcher.text.extend_from_slice(&piece[..count]);
            if let Some(end) = watcher.text.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
        };
        ensure!(watcher.text.starts_with(b"HTTP/1.1 200"), "a watch is refused");
        watcher.text.drain(..end + 4);
        watcher.socket.set_nonblocking(true)?;
        Ok(watcher)
    }

    /// Reads what has come; answers whether the next event is whole.
    fn read(&mut self, name: &str) -> Result<bool> {
        let count = self.tls.read_tls(&mut self.socket)?;
        ensure!(count > 0, "the server has gone");
        let state = self.tls.process_new_packets()?;
        let before = self.text.len();
        self.text.resize(before + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.text[before..])?;
        ensure!(self.text.len() < TEXT_BYTES, "a watch says what was not asked");
        // An event is one line, and one chunk of the response.
        let is_whole = self.text.ends_with(b"}\n\r\n");
        if !is_whole || !std::str::from_utf8(&self.text)?.contains(name) {
            return Ok(false);
        }
        self.text.clear();
        Ok(true)
    }
}

/// How an event is told from others.
pub fn name(number: usize) -> String {
    format!("\"name\":\"w-{number}\"")
}

/// Reads all of them until every event has been seen.
fn read_all(mut watchers: Vec<Watcher>, reading: Reading, seen: &Sender<Seen>) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let (flags, pause) = match reading {
        Reading::AtOnce => (EventFlags::IN, None),
        // Each arrival is told once, and wakes nobody.
        Reading::Afterwards => (EventFlags::IN | EventFlags::ET, Some(Timespec::default())),
    };
    for (number, watcher) in watchers.iter().enumerate() {
        epoll::add(&epoll, &watcher.socket, EventData::new_u64(number as u64), flags)?;
    }
    let mut ready = Vec::with_capacity(AT_ONCE);
    let mut used = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
    for event in 0..EVENTS {
        let name = name(event);
        let mut at = Vec::with_capacity(watchers.len());
        while at.len() < watchers.len() {
            ready.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), pause.as_ref())?;
            for ready in &ready {
                let number = usize::try_from(ready.data.u64())?;
                let watcher = watchers.get_mut(number).context("no such watcher")?;
                let is_new = watcher.seen == event;
                if is_new && (reading == Reading::Afterwards || watcher.read(&name)?) {
                    watcher.seen += 1;
                    at.push(Instant::now());
                }
            }
            if pause.is_some() && ready.len() < AT_ONCE {
                std::thread::sleep(LOOK);
            }
        }
        if reading == Reading::Afterwards {
            for watcher in &mut watchers {
                ensure!(watcher.read(&name)?, "an event came in pieces");
            }
        }
        let now = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
        let cpu = now - std::mem::replace(&mut used, now);
        if seen.send(Seen { at, cpu }).is_err() {
            break;
        }
    }
    Ok(())
}

/// Their figures.
pub fn run(server: &Server, runtime: &Runtime) -> Result<()> {
    let before = server.resident_kib()?;
    let watchers = open_all(server)?;
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let each = (server.resident_kib()? - before) / WATCHERS as f64;
    print("resident for each of 1,000 watchers", each, "KiB");
    read(server, runtime, watchers, Reading::AtOnce, 2, "")?;
    read(server, runtime, open_all(server)?, Reading::Afterwards, 1, ", arrived")
}

fn open_all(server: &Server) -> Result<Vec<Watcher>> {
    (0..WATCHERS).map(|_| Watcher::open(server)).collect()
}

/// Measures with so many threads that read.
fn read(
    server: &Server,
    runtime: &Runtime,
    watchers: Vec<Watcher>,
    reading: Reading,
    threads: usize,
    how: &str,
) -> Result<()> {
    let (sender, seen) = channel();
    let mut readers = Vec::new();
    let mut watchers = watchers.into_iter();
    for _ in 0..threads {
        let (own, sender) = (watchers.by_ref().take(WATCHERS / threads).collect(), sender.clone());
        readers.push(std::thread::spawn(move || read_all(own, reading, &sender)));
    }
    drop(sender);
    runtime.block_on(measure(server, &seen, how))?;
    drop(seen);
    for reader in readers {
        reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    }
    Ok(())
}

/// Makes the events and measures how long each took to each watcher.
pub async fn measure(server: &Server, seen: &Receiver<Seen>, how: &str) -> Result<()> {
    let mut writer = server.connect().await?;
    let mut times = Vec::new();
    let mut own = Duration::ZERO;
    let ticks = server.cpu_ms()?;
    for number in 0..EVENTS {
        std::thread::sleep(PAUSE);
        let begun = Instant::now();
        writer.ask("POST", MAPS, &map(&format!("w-{number}"))).await?;
        while times.len() < WATCHERS * (number + 1) {
            let Seen { at, cpu } = seen.recv().context("a watcher has gone")?;
            own += cpu;
            times.extend(at.into_iter().map(|at| at.saturating_duration_since(begun)));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let events = EVENTS as f64;
    let cpu = (server.cpu_ms()? - ticks) / events;
    writer.ask("DELETE", MAPS, "").await?;
    times.sort();
    let p99 = times.get(times.len() * 99 / 100).map_or(0.0, milliseconds);
    print(&format!("CPU of an event for 1,000 watchers{how}"), cpu, "ms");
    print(&format!("CPU of the client for it{how}"), milliseconds(&own) / events, "ms");
    print(&format!("an event at 1,000 watchers, p50{how}"), median(times), "ms");
    print(&format!("an event at 1,000 watchers, p99{how}"), p99, "ms");
    Ok(())
}
