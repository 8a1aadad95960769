//! gRPC over one HTTP/2 connection to one member: calls, streams, and a heartbeat.
//!
//! A connection counts as made only when the member has answered a ping, so that a request is not
//! sent into a process that stands still. While it is open it is pinged; a member that does not
//! answer in time is given up and every call on it ends. Bounded: messages, and time.

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use prost::Message;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The largest message that is taken: a page of many large values, or a burst of events.
const MAX_MESSAGE_BYTES: usize = 512 << 20;
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Why a call failed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// It was not sent.
    NotSent(String),
    /// It was sent; no answer came.
    Lost(String),
    /// The member answered with an error.
    Status { code: u32, message: String },
}

/// Where and how.
#[derive(Debug, Clone)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub connect: Duration,
    pub heartbeat: Duration,
}

/// A connection that has answered. Clones share it.
#[derive(Clone)]
pub struct Connection {
    send: SendRequest<Bytes>,
    dead: Arc<AtomicBool>,
    secure: bool,
    authority: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.authority)
    }
}

impl Connection {
    /// Connects, and waits for a sign of life.
    pub async fn open(target: &Target) -> Result<Self, Failure> {
        let opening = async {
            let stream = TcpStream::connect((&*target.host, target.port)).await?;
            stream.set_nodelay(true)?;
            let authority = format!("{}:{}", target.host, target.port);
            match &target.tls {
                None => Self::over(stream, target, authority).await,
                Some(config) => {
                    let name = rustls::pki_types::ServerName::try_from(target.host.clone());
                    let name = name.map_err(std::io::Error::other)?;
                    let stream =
                        TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                    Self::over(stream, target, authority).await
                }
            }
        };
        match timeout(target.connect, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Failure::NotSent(error.to_string())),
            Err(_) => Err(Failure::NotSent("no answer to the connection in time".to_owned())),
        }
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        stream: S,
        target: &Target,
        authority: String,
    ) -> std::io::Result<Self> {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let handshake = builder.handshake::<_, Bytes>(stream).await;
        let (send, mut connection) = handshake.map_err(std::io::Error::other)?;
        let dead = Arc::new(AtomicBool::new(false));
        let pings = connection.ping_pong();
        let (driver_dead, heart_dead) = (Arc::clone(&dead), Arc::clone(&dead));
        let mut pings = pings.ok_or_else(|| std::io::Error::other("no pings"))?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
            driver_dead.store(true, Ordering::Relaxed);
        });
        let driver = AbortOnDrop(driver);
        pings.ping(h2::Ping::opaque()).await.map_err(std::io::Error::other)?;
        let heartbeat = target.heartbeat;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(heartbeat).await;
                let beat = timeout(heartbeat, pings.ping(h2::Ping::opaque())).await;
                if heart_dead.load(Ordering::Relaxed) || !matches!(beat, Ok(Ok(_))) {
                    break;
                }
            }
            heart_dead.store(true, Ordering::Relaxed);
            // Ends the connection, and with it every stream on it.
            drop(driver);
        });
        Ok(Self { send, dead, secure: target.tls.is_some(), authority })
    }

    /// Whether it has been given up.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Gives it up.
    pub fn give_up(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Begins a call that a member answers alone if it can.
    pub async fn start(&self, path: &str) -> Result<Call, Failure> {
        self.begin(path, None).await
    }

    /// Begins a call that a member which has lost the others ends, instead of waiting for them.
    pub async fn start_with_leader(&self, path: &str) -> Result<Call, Failure> {
        self.begin(path, Some("true")).await
    }

    async fn begin(&self, path: &str, leader: Option<&str>) -> Result<Call, Failure> {
        let not_sent = |error: &dyn std::fmt::Display| Failure::NotSent(error.to_string());
        if self.is_dead() {
            return Err(Failure::NotSent("the member does not answer".to_owned()));
        }
        let scheme = if self.secure { "https" } else { "http" };
        let mut request = http::Request::post(format!("{scheme}://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(leader) = leader {
            request = request.header("hasleader", leader);
        }
        let request = request.body(()).map_err(|error| not_sent(&error))?;
        let mut send = self.send.clone().ready().await.map_err(|error| not_sent(&error))?;
        let sent = send.send_request(request, false);
        let (response, sink) = sent.map_err(|error| not_sent(&error))?;
        Ok(Call { sink, source: Source::Waiting(response), buffer: BytesMut::new() })
    }

    /// One request, one answer.
    pub async fn unary<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: &Q,
        at_most: Duration,
    ) -> Result<A, Failure> {
        let call = async {
            let mut call = self.start(path).await?;
            call.send(request, true)?;
            let answer = call.next().await?;
            answer.ok_or_else(|| Failure::Lost("an empty answer".to_owned()))
        };
        timeout(at_most, call).await.unwrap_or_else(|_| {
            Err(Failure::Lost(format!("no answer within {} ms", at_most.as_millis())))
        })
    }
}

/// The driver of a connection, ended when nobody holds it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Source {
    Waiting(ResponseFuture),
    Open(RecvStream),
    Over,
}

/// A running call.
pub struct Call {
    sink: SendStream<Bytes>,
    source: Source,
    buffer: BytesMut,
}

impl Call {
    /// Sends a message.
    pub fn send<Q: Message>(&mut self, message: &Q, last: bool) -> Result<(), Failure> {
        let size = message.encoded_len();
        let mut frame = Vec::with_capacity(5 + size);
        frame.push(0);
        let length = u32::try_from(size).map_err(|error| Failure::NotSent(error.to_string()))?;
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&message.encode_to_vec());
        let sent = self.sink.send_data(frame.into(), last);
        sent.map_err(|error| Failure::Lost(error.to_string()))
    }

    /// The next message; `None` when the call ended well.
    pub async fn next<A: Message + Default>(&mut self) -> Result<Option<A>, Failure> {
        let lost = |error: h2::Error| Failure::Lost(error.to_string());
        if let Source::Waiting(response) = &mut self.source {
            let response = response.await.map_err(lost)?;
            if let Some(failure) = status_of(response.headers()) {
                failure?;
            }
            self.source = Source::Open(response.into_body());
        }
        let Source::Open(body) = &mut self.source else { return Ok(None) };
        loop {
            if let Some(message) = cut(&mut self.buffer)? {
                let decoded = A::decode(message);
                return decoded.map(Some).map_err(|error| Failure::Lost(error.to_string()));
            }
            match poll_fn(|context| body.poll_data(context)).await {
                Some(Ok(data)) => {
                    let _ = body.flow_control().release_capacity(data.len());
                    self.buffer.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(lost(error)),
                None => break,
            }
        }
        let trailers = poll_fn(|context| body.poll_trailers(context)).await.map_err(lost)?;
        self.source = Source::Over;
        match trailers.as_ref().and_then(status_of) {
            Some(Ok(())) => Ok(None),
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::Lost("the call ended without a status".to_owned())),
        }
    }
}

/// Takes a whole message out of what has come.
fn cut(buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    let Some(header) = buffer.get(..5) else { return Ok(None) };
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if header[0] != 0 || length > MAX_MESSAGE_BYTES {
        return Err(Failure::Lost(format!("a message of {length} bytes, or a compressed one")));
    }
    if buffer.len() < 5 + length {
        buffer.reserve(5 + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// What the headers say about the end of a call, if anything.
fn status_of(headers: &http::HeaderMap) -> Option<Result<(), Failure>> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    if code == 0 {
        return Some(Ok(()));
    }
    let text = headers.get("grpc-message").map_or(&b""[..], |text| text.as_bytes());
    Some(Err(Failure::Status { code, message: unescape(text) }))
}

/// Percent-encoding, as gRPC writes messages.
fn unescape(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (text[at], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (other, _) => {
                out.push(other);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut() {
        let mut buffer = BytesMut::from(&b"\0\0\0\0\x02ab\0\0\0"[..]);
        assert_eq!(cut(&mut buffer).unwrap(), Some(Bytes::from_static(b"ab")));
        assert_eq!(cut(&mut buffer).unwrap(), None);
        buffer.extend_from_slice(b"\0\0");
        assert_eq!(cut(&mut buffer).unwrap(), Some(Bytes::new()));
        assert!(cut(&mut BytesMut::from(&b"\x01\0\0\0\0"[..])).is_err(), "compressed");
        assert!(cut(&mut BytesMut::from(&b"\0\xff\0\0\0"[..])).is_err(), "too large");
    }

    #[test]
    fn messages_are_unescaped() {
        for (text, expected) in [("a%20b", "a b"), ("100%", "100%"), ("%zz", "%zz"), ("", "")] {
            assert_eq!(unescape(text.as_bytes()), expected);
        }
    }
}
