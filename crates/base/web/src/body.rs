//! What an answer carries: nothing, bytes, what a task sends, or a range of a file.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

mod file;
mod sender;

pub use sender::{Sender, SenderWriter};

/// The body of an answer.
pub struct Body(Kind);

enum Kind {
    Empty,
    Bytes(Option<Bytes>),
    Channel { frames: sender::Frames, length: Option<u64> },
    File(file::FileBody),
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// What is sent through the other end, at most `frames` ahead of the client. Each frame is
    /// flushed to the client unless the next one is there already.
    pub fn channel(frames: usize) -> (Sender, Self) {
        let (sender, frames) = sender::channel(frames);
        (sender, Self(Kind::Channel { frames, length: None }))
    }

    /// As [`Body::channel`], of a length that is known and becomes `Content-Length`.
    pub fn channel_of(frames: usize, length_bytes: u64) -> (Sender, Self) {
        let (sender, frames) = sender::channel(frames);
        (sender, Self(Kind::Channel { frames, length: Some(length_bytes) }))
    }

    /// A range of a file. What the page cache has is copied from it once; what is on disk is read on
    /// a blocking thread. A file that turns out to be shorter breaks the connection.
    pub fn file(
        file: impl Into<std::sync::Arc<std::fs::File>>,
        range: std::ops::Range<u64>,
    ) -> Self {
        Self(Kind::File(file::FileBody::new(file.into(), range)))
    }

    /// Any other body.
    pub fn boxed(
        body: impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
    ) -> Self {
        Self(Kind::Boxed(Box::pin(body)))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = http_body::Body::size_hint(self);
        f.debug_struct("Body").field("bytes", &size.exact()).finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Bytes(Some(bytes)) })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Channel { frames, .. } => frames.poll_next(context),
            Kind::File(file) => file.poll_piece(context).map(|p| p.map(|p| p.map(Frame::data))),
            Kind::Boxed(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Bytes(bytes) => bytes.is_none(),
            Kind::Channel { .. } => false,
            Kind::File(file) => file.left_bytes() == 0,
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Channel { length: Some(length), .. } => SizeHint::with_exact(*length),
            Kind::Channel { length: None, .. } => SizeHint::default(),
            Kind::File(file) => SizeHint::with_exact(file.left_bytes()),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}
