//! The loop that accepts, and the way it ends: no new connections, those under way brought to their
//! end, the rest cut at the deadline.

use crate::connection::Service;
use crate::error::Result;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::peer::Peer;
use crate::shutdown::Shutdown;
use crate::stream::{Duplex, Stream, Transport};
use crate::{Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// After accepting failed for want of descriptors or memory, before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests. An `Fn(Request) -> impl Future<Output = Response>` is one.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. If the client goes first, this future is dropped.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Says whether a request of this method and path takes its connection over even if it has no
    /// `Upgrade` header; it then has an [`Upgrade`](crate::Upgrade) whose answer begins with
    /// `200 OK`. Only the first request of a connection is looked at: clients that do so (old Docker
    /// clients) open a connection for it.
    fn expects_raw_stream(&self, _method: &str, _path: &str) -> bool {
        false
    }
}

impl<F, A> Handler for F
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Response> + Send,
{
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        self(request)
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut at the deadline.
    pub cut: usize,
}

/// Serves until the shutdown begins and what was under way has ended, or [`Limits::drain`] is over.
/// Streams that were taken over by an upgrade are their takers' and not waited for.
pub async fn serve<H: Handler>(
    listener: Listener,
    limits: Limits,
    handler: H,
    shutdown: Shutdown,
) -> Result<Drained> {
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let drain = limits.drain;
    let service = Arc::new(Service { handler, limits, shutdown: shutdown.clone() });
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = tokio::select! {
            permit = places.clone().acquire_owned() => permit,
            () = shutdown.begun() => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break Some(accepted),
                // Ended ones are reaped while nobody comes.
                Some(_) = connections.join_next() => {}
                () = shutdown.begun() => break None,
            }
        };
        match accepted {
            None => break,
            Some(Ok(transport)) => {
                connections.spawn(service.clone().accepted(transport, listener.tls(), permit));
            }
            // The client has gone already.
            Some(Err(error)) if is_clients(&error) => {}
            Some(Err(_)) => tokio::select! {
                () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                () = shutdown.begun() => break,
            },
        }
    }
    // The socket goes now, so that a successor can take its place.
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_ok() {
        return Ok(Drained { cut: 0 });
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    connections.shutdown().await;
    Ok(Drained { cut })
}

/// Serves HTTP on a stream that is there already: one end of a pair, or what an upgrade gave (the
/// `h2c` that BuildKit's clients speak after `101`).
pub async fn serve_stream<H: Handler>(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    limits: Limits,
    handler: H,
    shutdown: Shutdown,
) {
    let boxed: Box<dyn Duplex> = Box::new(stream);
    let stream = Stream::new(Transport::Other(boxed), limits.send_idle);
    Arc::new(Service { handler, limits, shutdown }).serve(stream, peer).await;
}

fn is_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
