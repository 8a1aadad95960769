//! A thousand watchers as the informers of a few processes are: client-go has all watches of a process on
//! one connection of HTTP/2, as many as the server lets it have there, then opens another.

use crate::MAPS;
use crate::server::Server;
use crate::watchers::{EVENTS, Seen, WATCHERS, measure, name};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::RecvStream;
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// Watches on one connection.
const STREAMS: usize = 250;

/// What may be under way, as Go's client has it.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;

/// Opens a connection's watches.
async fn open(server: &Server) -> Result<Vec<RecvStream>> {
    let socket = TcpStream::connect(&server.address).await?;
    socket.set_nodelay(true)?;
    let mut tls = (*server.tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(tls));
    let stream = connector.connect(ServerName::try_from("localhost")?, socket).await?;
    let mut h2 = h2::client::Builder::new();
    h2.initial_window_size(STREAM_WINDOW_BYTES);
    h2.initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let (mut client, connection) = h2.handshake::<_, Bytes>(stream).await?;
    tokio::spawn(connection);
    let mut bodies = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        client = client.ready().await?;
        let request = http::Request::get(format!("https://localhost{MAPS}?watch=1")).body(())?;
        let response = client.send_request(request, true)?.0.await?;
        ensure!(response.status() == 200, "a watch is refused");
        bodies.push(response.into_body());
    }
    // The connection lives as long as it has streams.
    Ok(bodies)
}

/// Reads one of them.
async fn read(mut body: RecvStream, seen: mpsc::UnboundedSender<Instant>) -> Result<()> {
    let mut text = Vec::new();
    for number in 0..EVENTS {
        let name = name(number);
        loop {
            let data: Bytes = body.data().await.context("a watch has ended")??;
            body.flow_control().release_capacity(data.len())?;
            // An event is one line, which frames may cut.
            text.extend_from_slice(&data);
            if text.ends_with(b"\n") && std::str::from_utf8(&text)?.contains(&name) {
                break;
            }
        }
        text.clear();
        seen.send(Instant::now())?;
    }
    Ok(())
}

/// All of them, on this thread.
async fn read_all(server: &Server, opened: Sender<()>, told: Sender<Seen>) -> Result<()> {
    let (sender, mut seen) = mpsc::unbounded_channel();
    for _ in 0..WATCHERS / STREAMS {
        for body in open(server).await? {
            tokio::spawn(read(body, sender.clone()));
        }
    }
    drop(sender);
    opened.send(())?;
    let mut used = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
    for _ in 0..EVENTS {
        let mut at = Vec::with_capacity(WATCHERS);
        while at.len() < WATCHERS {
            at.push(seen.recv().await.context("a watch has ended")?);
        }
        let now = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
        let cpu = now - std::mem::replace(&mut used, now);
        told.send(Seen { at, cpu })?;
    }
    Ok(())
}

/// Their figures.
pub fn run(server: &Server, runtime: &Runtime) -> Result<()> {
    let ((opened, ready), (told, seen)) = (channel(), channel());
    std::thread::scope(|threads| {
        let reader = threads.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(read_all(server, opened, told))
        });
        let measured = match ready.recv() {
            Ok(()) => runtime.block_on(measure(server, &seen, ", HTTP/2")),
            Err(_) => Ok(()),
        };
        drop(seen);
        reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
        measured
    })
}
