//! Connections: how a client's going away is told to a thread, and how one is handed to a handler.

use super::in_background;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;
use teu_containers::Hangup;
use teu_web::{Response, Sender, Stream, Upgrade};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Moved at a time.
const CHUNK_BYTES: usize = 32 << 10;

/// Between two looks whether a head was read; no event tells.
const HEAD_LOOK: Duration = Duration::from_millis(1);
/// How often that is looked at.
const HEAD_LOOKS: u32 = 500;

/// Watches as long as it lives.
pub struct Watch(#[expect(dead_code, reason = "its end is what counts")] oneshot::Sender<()>);

/// Hangs up when the client of this body has gone. For threads that are none of the runtime's.
pub fn hangup(sender: &Sender, runtime: &Handle) -> io::Result<(Hangup, Watch)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (over, ended) = oneshot::channel::<()>();
    let sender = sender.clone();
    runtime.spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            _ = ended => {}
        }
        drop(write);
    });
    Ok((Hangup::of(read), Watch(over)))
}

/// Agrees to an upgrade, and hands the connection to `take` on a thread of its own.
pub fn hijack(
    upgrade: Upgrade,
    (name, value): (HeaderName, String),
    take: Box<dyn FnOnce(OwnedFd) + Send>,
) -> Response {
    let (mut response, upgraded) = upgrade.accept();
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(name, value);
    }
    tokio::spawn(async move {
        let Ok(stream) = upgraded.stream().await else { return };
        let Ok(socket) = descriptor(stream).await else { return };
        head_was_read(&socket).await;
        in_background(move || take(socket));
    });
    response
}

/// Waits a little for a client of this machine to have read the head of its answer. Libraries that
/// read ahead (Python's) throw away what they read with it, and output may come at once.
async fn head_was_read(socket: &OwnedFd) {
    for _ in 0..HEAD_LOOKS {
        match teu_sys::descriptors::unread_bytes(socket.as_fd()) {
            Ok(0) | Err(_) => return,
            Ok(_) => tokio::time::sleep(HEAD_LOOK).await,
        }
    }
}

/// A stream as a descriptor: its own socket where it is one, else the end of a pair that is bridged.
async fn descriptor(stream: Stream) -> io::Result<OwnedFd> {
    let stream = match stream.into_socket() {
        Ok((socket, ahead)) if ahead.is_empty() => return Ok(socket),
        Ok((socket, ahead)) => return bridge_socket(socket, ahead),
        Err(stream) => stream,
    };
    let (ours, theirs) = UnixStream::pair()?;
    tokio::spawn(bridge(stream, ours, Bytes::new()));
    theirs.into_std().map(OwnedFd::from)
}

fn bridge_socket(socket: OwnedFd, ahead: Bytes) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    match rustix::net::sockopt::socket_domain(&socket)? {
        rustix::net::AddressFamily::UNIX => {
            let stream = UnixStream::from_std(socket.into())?;
            tokio::spawn(bridge(stream, ours, ahead));
        }
        _ => {
            let stream = TcpStream::from_std(socket.into())?;
            tokio::spawn(bridge(stream, ours, ahead));
        }
    }
    theirs.into_std().map(OwnedFd::from)
}

/// Both ways. A client that says no more is still answered; when the handler says no more, it is
/// over.
async fn bridge<S>(client: S, handler: UnixStream, ahead: Bytes)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let (mut from_client, mut to_client) = split(client);
    let (mut from_handler, mut to_handler) = handler.into_split();
    let inward = async {
        if to_handler.write_all(&ahead).await.is_ok() {
            let _ = copy(&mut from_client, &mut to_handler).await;
        }
        let _ = to_handler.shutdown().await;
        // What the handler says still goes out.
        std::future::pending::<()>().await;
    };
    let outward = async {
        let _ = copy(&mut from_handler, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..count]).await?;
        to.flush().await?;
    }
}
