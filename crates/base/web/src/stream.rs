//! One connection as bytes: a socket, TLS over it, or another stream, with what was read ahead.

use bytes::{Buf, Bytes};
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// What bytes go through.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<tokio_rustls::server::TlsStream<Transport>>),
    Other(Box<dyn Duplex>),
}

/// Anything that reads and writes.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

macro_rules! each {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self {
            Transport::Tcp($inner) => $call,
            Transport::Unix($inner) => $call,
            Transport::Tls($inner) => $call,
            Transport::Other($inner) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        // TLS writes one slice after the other: the kernel takes one for less than a vector of one.
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        each!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}

/// A connection taken over from HTTP: bytes both ways. `shutdown` closes our way only.
pub struct Stream {
    transport: Transport,
    /// Read ahead, to be given first.
    ahead: Bytes,
    /// The next status line is an answer to a client that knows no upgrade.
    pub(crate) is_raw: bool,
    /// Written already as far as HTTP knows.
    owed: Bytes,
    send_idle: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// The connection's place among those there may be.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.transport {
            Transport::Tcp(_) => "tcp",
            Transport::Unix(_) => "unix",
            Transport::Tls(_) => "tls",
            Transport::Other(_) => "other",
        };
        f.debug_struct("Stream").field("kind", &kind).field("ahead", &self.ahead.len()).finish()
    }
}

impl Stream {
    pub(crate) fn new(transport: Transport, send_idle: Option<Duration>) -> Self {
        Self {
            transport,
            ahead: Bytes::new(),
            is_raw: false,
            owed: Bytes::new(),
            send_idle,
            timer: None,
            is_waiting: false,
            permit: None,
        }
    }

    /// Puts bytes back that were read.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.ahead = match self.ahead.is_empty() {
            true => bytes,
            false => [&bytes[..], &self.ahead[..]].concat().into(),
        };
    }

    /// From here on a peer may be as slow as it likes.
    pub(crate) fn without_deadline(mut self) -> Self {
        self.send_idle = None;
        self.timer = None;
        self
    }

    /// The socket itself and what was read ahead of it, for who works with descriptors; the stream
    /// back, if it is TLS or no socket. The socket does not block; to be called in the runtime.
    pub fn into_socket(self) -> Result<(OwnedFd, Bytes), Box<Self>> {
        let is_socket = matches!(self.transport, Transport::Tcp(_) | Transport::Unix(_));
        if !is_socket || !self.owed.is_empty() {
            return Err(Box::new(self));
        }
        let Self { transport, ahead, .. } = self;
        let socket = match transport {
            Transport::Tcp(tcp) => tcp.into_std().map(OwnedFd::from),
            Transport::Unix(unix) => unix.into_std().map(OwnedFd::from),
            Transport::Tls(_) | Transport::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        // Taking a socket out of the runtime fails only when the runtime is going down.
        socket
            .map(|socket| (socket, ahead))
            .map_err(|_| Box::new(Self::new(Transport::Other(Box::new(tokio::io::empty())), None)))
    }

    fn poll_send_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(idle) = self.send_idle else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(Instant::now() + idle);
        }
        let message = "the peer takes nothing of what is sent";
        timer.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::TimedOut, message))
    }

    /// Puts the deadline on an attempt to send.
    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match attempt {
            Poll::Pending => self.poll_send_idle(cx).map(Err),
            ready => {
                self.is_waiting = false;
                ready
            }
        }
    }

    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.owed.is_empty() {
            let written = match Pin::new(&mut self.transport).poll_write(cx, &self.owed) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(written) => written?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Says `200 OK` in place of `101 …` to a client that knows no upgrade; gives the bytes of HTTP's
    /// line that this stands for.
    fn rewrite(&mut self, bytes: &[u8]) -> Option<usize> {
        if !std::mem::take(&mut self.is_raw) || !bytes.starts_with(b"HTTP/1.1 101 ") {
            return None;
        }
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
        self.owed = Bytes::from_static(b"HTTP/1.1 200 OK\r\n");
        Some(end)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.transport).poll_read(cx, buffer);
        }
        let length = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(done) = this.rewrite(bytes) {
            return Poll::Ready(Ok(done));
        }
        let attempt = match this.poll_owed(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.transport).poll_write(cx, bytes),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        this.timed(cx, attempt)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_raw || !self.owed.is_empty() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(cx, first.map_or(&[], |slice| slice));
        }
        let attempt = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.timed(cx, attempt)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = match this.poll_owed(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.transport).poll_flush(cx),
            other => other,
        };
        this.timed(cx, attempt)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = match this.poll_owed(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.transport).poll_shutdown(cx),
            other => other,
        };
        this.timed(cx, attempt)
    }
}
