//! The writing end of a body that a task or a thread produces.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Sends a body's frames; when the last clone is dropped the body ends well.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: mpsc::Sender<Frame<Bytes>>,
    failure: Failure,
}

/// Why the body broke off, told after the last frame.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// The reading end.
#[derive(Debug)]
pub(super) struct Frames {
    queue: mpsc::Receiver<Frame<Bytes>>,
    failure: Failure,
}

pub(super) fn channel(frames: usize) -> (Sender, Frames) {
    let (sender, queue) = mpsc::channel(frames.max(1));
    let failure = Failure::default();
    (Sender { queue: sender, failure: failure.clone() }, Frames { queue, failure })
}

impl Frames {
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.queue.poll_recv(context).map(|frame| match frame {
            Some(frame) => Some(Ok(frame)),
            None => self.failure.lock().ok().and_then(|mut failure| failure.take()).map(Err),
        })
    }
}

impl Sender {
    /// Sends one frame, waiting for the client to take the ones before.
    pub async fn send(&self, bytes: impl Into<Bytes>) -> io::Result<()> {
        self.queue.send(Frame::data(bytes.into())).await.map_err(|_| gone())
    }

    /// As [`Sender::send`], from a thread that may block.
    pub fn send_blocking(&self, bytes: impl Into<Bytes>) -> io::Result<()> {
        self.queue.blocking_send(Frame::data(bytes.into())).map_err(|_| gone())
    }

    /// Sends the trailers, after which nothing comes.
    pub async fn send_trailers(&self, trailers: HeaderMap) -> io::Result<()> {
        self.queue.send(Frame::trailers(trailers)).await.map_err(|_| gone())
    }

    /// Makes the body break off (frames that are still on their way may be lost), so that the client cannot take it for whole.
    pub fn abort(self, error: io::Error) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error);
        }
    }

    /// Waits until the client has gone.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Says whether the client has gone.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// A `std::io::Write` for threads that may block: collected into frames of up to `frame_bytes`,
    /// sent when they are full and at each `flush`. What is left is sent by
    /// [`SenderWriter::finish`]; without it the body breaks off.
    pub fn into_writer(self, frame_bytes: usize) -> SenderWriter {
        SenderWriter { sender: self, frame: Vec::new(), frame_bytes, is_finished: false }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

/// See [`Sender::into_writer`].
#[derive(Debug)]
pub struct SenderWriter {
    sender: Sender,
    frame: Vec<u8>,
    frame_bytes: usize,
    is_finished: bool,
}

impl SenderWriter {
    /// Sends what is left and ends the body well.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.is_finished = true;
        Ok(())
    }
}

impl Write for SenderWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = &bytes[..bytes.len().min(self.frame_bytes.max(1) - self.frame.len())];
        self.frame.extend_from_slice(taken);
        if self.frame.len() >= self.frame_bytes {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        self.sender.send_blocking(std::mem::take(&mut self.frame))
    }
}

impl Drop for SenderWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            self.sender.clone().abort(io::Error::other("what wrote the body has failed"));
        }
    }
}
