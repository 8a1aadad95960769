//! One connection from its acceptance to its end.

use crate::gather::Gathered;
use crate::incoming::Incoming;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::serve::Handler;
use crate::shutdown::Shutdown;
use crate::sniff::{Version, sniff};
use crate::stream::{Stream, Transport};
use crate::tls::Tls;
use crate::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that HTTP/1.1 reads or queues at a time, beyond which a sender waits.
const BUFFER_BYTES: usize = 400 << 10;
/// Headers of a request.
const HEADERS: usize = 200;

/// What all connections of a listener share.
pub(crate) struct Service<H> {
    pub(crate) handler: H,
    pub(crate) limits: Limits,
    pub(crate) shutdown: Shutdown,
}

impl<H: Handler> Service<H> {
    /// TLS first, if asked for; then HTTP of the version the client speaks, until it has gone or the
    /// server stops.
    pub(crate) async fn accepted(
        self: Arc<Self>,
        transport: Transport,
        tls: Option<Tls>,
        permit: OwnedSemaphorePermit,
    ) {
        let timeout = self.limits.header_timeout;
        let transport = match tls {
            None => transport,
            // A client that does not get through TLS hears it from TLS.
            Some(tls) => match tokio::time::timeout(timeout, tls.0.accept(transport)).await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                _ => return,
            },
        };
        let peer = Peer::of(&transport);
        let mut stream = Stream::new(transport, self.limits.send_idle);
        stream.permit = Some(permit);
        self.serve(stream, peer).await;
    }

    pub(crate) async fn serve(self: Arc<Self>, mut stream: Stream, peer: Peer) {
        let expects_raw = |method: &str, path: &str| self.handler.expects_raw_stream(method, path);
        let first = sniff(&mut stream, self.limits.header_bytes, expects_raw);
        let version = tokio::select! {
            version = tokio::time::timeout(self.limits.header_timeout, first) => version,
            // Nothing was asked for yet.
            () = self.shutdown.begun() => return,
        };
        let peer = Arc::new(peer);
        // Errors of a connection are the client's: it has gone, or spoke no HTTP and was told so.
        match version {
            Ok(Ok(Version::Http1)) => self.http1(stream, peer).await,
            Ok(Ok(Version::Http2)) => self.http2(stream, peer).await,
            _ => {}
        }
    }

    /// Boxed by its callers: hyper keeps room for it as long as the connection lasts, and a watch has
    /// its answer soon and its connection for an hour.
    async fn answer(
        &self,
        peer: Arc<Peer>,
        request: http::Request<hyper::body::Incoming>,
    ) -> Result<Response, Infallible> {
        let (body_bytes, idle) = (self.limits.body_bytes, self.limits.body_idle);
        // A stream of HTTP/2 is ended alone; a client that waits for `100 Continue` has sent nothing.
        let drains = request.version() < http::Version::HTTP_2
            && !request.headers().contains_key(http::header::EXPECT);
        let mut request: Request = request.map(|body| {
            let body = Incoming::new(body, body_bytes, idle);
            if drains { body.draining() } else { body }
        });
        request.extensions_mut().insert(peer);
        Ok(self.handler.handle(request).await)
    }

    async fn http1(self: Arc<Self>, stream: Stream, peer: Arc<Peer>) {
        let this = self.clone();
        let service = hyper::service::service_fn(move |request| {
            let (this, peer) = (this.clone(), peer.clone());
            Box::pin(async move { this.answer(peer, request).await })
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_headers(HEADERS)
            .max_buf_size(BUFFER_BYTES.max(self.limits.header_bytes))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.shutdown.begun() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn http2(self: Arc<Self>, stream: Stream, peer: Arc<Peer>) {
        let this = self.clone();
        let service = hyper::service::service_fn(move |request| {
            let (this, peer) = (this.clone(), peer.clone());
            Box::pin(async move { this.answer(peer, request).await })
        });
        let gathered = Gathered::new(stream);
        let header_list = u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(header_list)
            .adaptive_window(true)
            .serve_connection(TokioIo::new(gathered.clone()), service);
        let mut connection = pin!(connection);
        tokio::select! {
            () = gathered.drive(connection.as_mut()) => return,
            () = self.shutdown.begun() => {}
        }
        Pin::as_mut(&mut connection).graceful_shutdown();
        gathered.drive(connection).await;
    }
}
