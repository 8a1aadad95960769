//! A request's body: counted, timed, and read by async code, whole, or by blocking code.
//!
//! A handler may answer without having read it all. The rest is read and thrown away while the answer
//! goes, if it is little: a connection that is closed over what a client still sends makes the
//! client's kernel forget the answer, and the client says "broken pipe" where it was told what is
//! wrong.

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

/// Why a request's body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More than is taken: 413.
    #[error("the request's body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The client stopped sending: 408.
    #[error("the client sent nothing for {} seconds", after.as_secs_f32())]
    Idle {
        /// How long nothing came.
        after: Duration,
    },
    /// The client has gone, or what it sends is no HTTP.
    #[error("the request's body broke off: {0}")]
    Broken(#[source] hyper::Error),
    /// The body is not the document that is wanted: 400.
    #[error("the request's body is not the JSON that is expected: {0}")]
    Json(#[source] serde_json::Error),
}

impl BodyError {
    /// The status that says it.
    pub fn status(&self) -> http::StatusCode {
        match self {
            Self::TooLarge { .. } => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::Idle { .. } => http::StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) | Self::Json(_) => http::StatusCode::BAD_REQUEST,
        }
    }
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match &error {
            BodyError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            BodyError::Idle { .. } => io::ErrorKind::TimedOut,
            BodyError::Broken(_) => io::ErrorKind::ConnectionAborted,
            BodyError::Json(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Bytes of a body nobody wants that are read nevertheless.
const UNWANTED_BYTES: u64 = 256 << 10;
/// How long that may take.
const UNWANTED_TIME: Duration = Duration::from_secs(5);

/// The body of a request.
#[derive(Debug)]
pub struct Incoming {
    /// There until it is dropped.
    inner: Option<hyper::body::Incoming>,
    /// Whether what is left is read when it is dropped.
    drains: bool,
    limit: u64,
    seen: u64,
    idle: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer runs: somebody waits for bytes.
    is_waiting: bool,
}

impl Incoming {
    pub(crate) fn new(inner: hyper::body::Incoming, limit: u64, idle: Option<Duration>) -> Self {
        let inner = Some(inner);
        Self { inner, drains: false, limit, seen: 0, idle, timer: None, is_waiting: false }
    }

    /// Reads what is left when it is dropped.
    pub(crate) fn draining(mut self) -> Self {
        self.drains = true;
        self
    }

    /// Takes another number of bytes than the server's [`Limits`](crate::Limits) say.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Waits for bytes as long as this (`None`: for ever).
    pub fn set_idle(&mut self, idle: Option<Duration>) {
        self.idle = idle;
        self.timer = None;
        self.is_waiting = false;
    }

    /// Its length, if the client said it.
    pub fn length_bytes(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// The next bytes; `None` at the end. Trailers are passed over.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) if bytes.is_empty() => {}
                Ok(Ok(bytes)) => return Some(Ok(bytes)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// All of it, if it has at most so many bytes.
    pub async fn collect(mut self, limit_bytes: u64) -> Result<Bytes, BodyError> {
        self.limit = limit_bytes;
        if self.length_bytes().is_some_and(|length| length > limit_bytes) {
            return Err(BodyError::TooLarge { limit: limit_bytes });
        }
        let Some(first) = self.next().await else { return Ok(Bytes::new()) };
        let first = first?;
        let Some(second) = self.next().await else { return Ok(first) };
        let mut all = Vec::from(first);
        all.extend_from_slice(&second?);
        while let Some(more) = self.next().await {
            all.extend_from_slice(&more?);
        }
        Ok(all.into())
    }

    /// A JSON document of at most so many bytes.
    pub async fn json<T: serde::de::DeserializeOwned>(
        self,
        limit_bytes: u64,
    ) -> Result<T, BodyError> {
        let bytes = self.collect(limit_bytes).await?;
        serde_json::from_slice(&bytes).map_err(BodyError::Json)
    }

    /// For blocking code, to be read on a blocking thread only (see [`Workers`](crate::Workers)).
    /// To be called in the runtime.
    pub fn into_reader(self) -> BodyReader {
        BodyReader { body: self, current: Bytes::new(), runtime: Handle::current() }
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some(idle) = self.idle else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(Instant::now() + idle);
        }
        timer.as_mut().poll(context).map(|()| idle)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = match Pin::new(inner).poll_frame(context) {
            Poll::Pending => {
                let idle = self.poll_idle(context);
                // A client that is too slow, here, or sends too much, below, is waited for no longer.
                self.drains &= idle.is_pending();
                return idle.map(|after| Some(Err(BodyError::Idle { after })));
            }
            Poll::Ready(frame) => frame,
        };
        self.is_waiting = false;
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(BodyError::Broken)?;
            self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
            match self.seen > self.limit {
                true => {
                    self.drains = false;
                    Err(BodyError::TooLarge { limit: self.limit })
                }
                false => Ok(frame),
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::new, Body::size_hint)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take().filter(|inner| !inner.is_end_stream()) else { return };
        let is_little = inner.size_hint().lower() <= UNWANTED_BYTES;
        if let (true, true, Ok(runtime)) = (self.drains, is_little, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME, throw_away(inner)));
        }
    }
}

/// Reads a body to its end, or as far as is reasonable.
async fn throw_away(mut body: hyper::body::Incoming) {
    let mut seen = 0;
    while seen <= UNWANTED_BYTES {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(Ok(frame)) = frame else { return };
        seen += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
}

/// A request's body for blocking code.
#[derive(Debug)]
pub struct BodyReader {
    body: Incoming,
    current: Bytes,
    runtime: Handle,
}

impl BodyReader {
    /// The next piece as it came, without a copy; `None` at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        if !self.current.is_empty() {
            return Ok(Some(std::mem::take(&mut self.current)));
        }
        let next = self.runtime.block_on(self.body.next());
        next.transpose().map_err(io::Error::from)
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            match self.next_piece()? {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
