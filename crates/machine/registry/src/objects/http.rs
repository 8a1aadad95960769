//! HTTP as the storage's library wants it: HTTP/1.1 over plain or ring's TLS, connections kept for the
//! next request. Why not the library's own: it brings a second TLS and a second crypto.

use super::StorageError;
use crate::upstreams::Outside;
use ::http::header::HOST;
use ::http::{HeaderValue, Uri};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};
use tokio_rustls::TlsConnector;

/// Until a connection stands, with TLS.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Until an answer begins, and between any two pieces of it.
const STALL_TIME: Duration = Duration::from_secs(60);
/// Connections that are kept for the next request.
const IDLE: usize = 32;

type Idle = Mutex<HashMap<String, Vec<SendRequest<HttpRequestBody>>>>;

/// Connects; clones share their connections.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    idle: Arc<Idle>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    pub(super) fn new(authorities: Option<&Path>, outside: &Outside) -> Result<Self, StorageError> {
        let mut roots = RootCertStore::empty();
        let path = authorities.or(outside.trust.bundle.as_deref());
        if let Some(path) = path {
            // A bundle may hold what is no authority; the rest of it is good.
            roots.add_parsable_certificates(teu_pki::load_certificates(path)?);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| StorageError::Tls { source })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), idle: Arc::default() })
    }

    async fn exchange(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        let authority = uri.authority().ok_or_else(|| unknown("a URL without a host"))?;
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| unknown("a wrong host"))?;
        request.headers_mut().insert(HOST, host);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| unknown("a wrong path"))?;
        let key = format!("{} {authority}", uri.scheme_str().unwrap_or_default());
        let mut sender = match self.idle_for(&key) {
            Some(sender) => sender,
            None => timeout(CONNECT_TIME, self.connect(&uri))
                .await
                .map_err(|late| HttpError::new(HttpErrorKind::Connect, late))?
                .map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?,
        };
        let answer = timeout(STALL_TIME, sender.send_request(request))
            .await
            .map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?
            .map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
        let idle = self.idle.clone();
        tokio::spawn(async move {
            // It is free when the answer was read to its end.
            if sender.ready().await.is_ok() {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                let free = idle.entry(key).or_default();
                if free.len() < IDLE {
                    free.push(sender);
                }
            }
        });
        let (parts, body) = answer.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(Watched::new(body))))
    }

    fn idle_for(&self, key: &str) -> Option<SendRequest<HttpRequestBody>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let free = idle.get_mut(key)?;
        std::iter::from_fn(|| free.pop()).find(SendRequest::is_ready)
    }

    async fn connect(&self, uri: &Uri) -> io::Result<SendRequest<HttpRequestBody>> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tcp = TcpStream::connect((bare, port)).await?;
        tcp.set_nodelay(true)?;
        if !is_tls {
            return begin(tcp).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
        begin(self.tls.connect(name, tcp).await?).await
    }
}

async fn begin<S>(stream: S) -> io::Result<SendRequest<HttpRequestBody>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // What ends a connection is told to who waits for its answer.
        let _ = connection.await;
    });
    Ok(sender)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

// As `async_trait` would write it.
impl HttpService for Connector {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.exchange(request))
    }
}

fn unknown(what: &'static str) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, io::Error::other(what))
}

/// A body that fails where nothing comes for too long.
struct Watched {
    body: hyper::body::Incoming,
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    fn new(body: hyper::body::Incoming) -> Self {
        Self { body, timer: Box::pin(tokio::time::sleep(STALL_TIME)) }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer.as_mut().reset(Instant::now() + STALL_TIME);
            let failed = |error| HttpError::new(HttpErrorKind::Interrupted, error);
            return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => {
                let late = io::Error::from(io::ErrorKind::TimedOut);
                Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, late))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
