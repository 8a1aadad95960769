//! An object on its way to a client.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use http_body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

/// So many bytes of a stream; fewer are an error.
pub(super) struct ObjectBody {
    /// Only polled by who has the body; the lock lets it be shared as bodies must.
    stream: Mutex<BoxStream<'static, object_store::Result<Bytes>>>,
    left: u64,
}

impl ObjectBody {
    pub(super) fn new(stream: BoxStream<'static, object_store::Result<Bytes>>, left: u64) -> Self {
        Self { stream: Mutex::new(stream), left }
    }
}

impl http_body::Body for ObjectBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Ok(stream) = self.stream.get_mut() else {
            return Poll::Ready(Some(Err(io::ErrorKind::Other.into())));
        };
        let next = match Pin::new(stream).poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        Poll::Ready(Some(match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                Ok(Frame::data(bytes))
            }
            Some(Ok(_)) => {
                Err(io::Error::other("the object storage sent more than it was asked for"))
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
