//! What HTTP/2 writes, gathered. Its codec writes and flushes each frame alone: over TLS a record and a
//! system call for every event of every stream, and client-go has all its watches on one connection.
//! Here frames wait while the connection's task runs, and leave together when it has no more to say.
//!
//! Bounded: beyond [`GATHERED_BYTES`] the codec waits for the peer as it would without. Nothing
//! waits for time or for another task: whoever polls the connection sends before he sleeps.

use crate::stream::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is held back at most: a record of TLS.
const GATHERED_BYTES: usize = 16 << 10;

/// The connection's stream; clones are one and the same.
#[derive(Clone)]
pub(crate) struct Gathered(Arc<Mutex<Inner>>);

struct Inner {
    stream: Stream,
    /// Written as far as HTTP knows, sent as far as `sent`.
    waiting: Vec<u8>,
    sent: usize,
}

impl Gathered {
    pub(crate) fn new(stream: Stream) -> Self {
        Self(Arc::new(Mutex::new(Inner { stream, waiting: Vec::new(), sent: 0 })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives a connection that writes here, and sends what it wrote each time it rests.
    pub(crate) async fn drive<C: Future>(&self, mut connection: Pin<&mut C>) {
        let mut has_ended = false;
        std::future::poll_fn(|cx| {
            has_ended = has_ended || connection.as_mut().poll(cx).is_ready();
            match self.inner().poll_flush(cx) {
                Poll::Ready(Ok(())) if !has_ended => Poll::Pending,
                Poll::Pending => Poll::Pending,
                // The end; or the peer has gone, and HTTP need not be asked what it thinks of it.
                Poll::Ready(_) => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Inner {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        // A connection that rests keeps no memory for it.
        (self.waiting, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Whether so many bytes more may wait; if not, once all that waits is sent.
    fn poll_room(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<bool>> {
        if self.waiting.len() + length > GATHERED_BYTES {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(length <= GATHERED_BYTES))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.inner();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if !ready!(inner.poll_room(cx, length))? {
            return Pin::new(&mut inner.stream).poll_write_vectored(cx, slices);
        }
        slices.iter().for_each(|slice| inner.waiting.extend_from_slice(slice));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// [`Gathered::drive`] does it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
