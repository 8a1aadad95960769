//! A thousand watchers, as a thousand machines would be them: each has a connection of its own, with TLS.
//!
//! The machine is shared with the server, so reading is as cheap as it can be: two threads wait in epoll,
//! read once, decrypt, and only look for the end of the event and its name. Their share of the
//! processors is a figure of its own, and part of the times: on machines of their own the watchers would
//! not take it from the server, nor wait for each other. An event has been seen when it stands
//! decrypted; it begins before the request that makes it is sent.

use crate::server::Server;
use crate::{MAPS, map, median, milliseconds, print};
use anyhow::{Context, Result, ensure};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{ClockId, clock_gettime};
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
pub const EVENTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);
/// Threads that read.
const READERS: usize = 2;
/// Connections looked at after each sleep.
const AT_ONCE: usize = 256;
/// What a response's head or an event has at most.
const TEXT_BYTES: usize = 16 << 10;

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
        self.seen += 1;
        Ok(true)
    }
}

/// How an event is told from others.
pub fn name(number: usize) -> String {
    format!("\"name\":\"w-{number}\"")
}

/// Reads all of them until every event has been seen.
fn read_all(mut watchers: Vec<Watcher>, seen: &Sender<Seen>) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (number, watcher) in watchers.iter().enumerate() {
        epoll::add(&epoll, &watcher.socket, EventData::new_u64(number as u64), EventFlags::IN)?;
    }
    let mut ready = Vec::with_capacity(AT_ONCE);
    let mut used = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
    for event in 0..EVENTS {
        let name = name(event);
        let mut at = Vec::with_capacity(watchers.len());
        while at.len() < watchers.len() {
            ready.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), None)?;
            for ready in &ready {
                let number = usize::try_from(ready.data.u64())?;
                let watcher = watchers.get_mut(number).context("no such watcher")?;
                if watcher.seen == event && watcher.read(&name)? {
                    at.push(Instant::now());
                }
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
    let watchers = (0..WATCHERS).map(|_| Watcher::open(server)).collect::<Result<Vec<_>>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let each = (server.resident_kib()? - before) / WATCHERS as f64;
    print("resident for each of 1,000 watchers", each, "KiB");
    let (sender, seen) = channel();
    let mut readers = Vec::new();
    let mut watchers = watchers.into_iter();
    for _ in 0..READERS {
        let (own, sender) = (watchers.by_ref().take(WATCHERS / READERS).collect(), sender.clone());
        readers.push(std::thread::spawn(move || read_all(own, &sender)));
    }
    drop(sender);
    runtime.block_on(measure(server, &seen, ""))?;
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
