//! A watch as a body: events are taken from the watch when the client's connection has room for
//! them. No task and no queue of its own: who reads slowly falls behind the cache's window.

use crate::api::Api;
use crate::encode::{Look, event};
use crate::table::Entry;
use crate::verbs::watch::Changes;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use teu_web::Begun;
use tokio::time::Sleep;

/// Bytes that are put into one frame when many events wait.
const FRAME_BYTES: usize = 64 << 10;

/// A watch on its way to a client.
pub struct Stream {
    api: Arc<Api>,
    entry: Arc<Entry>,
    changes: Changes,
    look: Look,
    marks_initial_end: bool,
    over: Pin<Box<Sleep>>,
    /// The server stops; the resource is no longer served.
    stopped: [Begun; 2],
    is_over: bool,
}

impl Stream {
    /// For so long.
    pub fn new(
        api: &Arc<Api>,
        entry: &Arc<Entry>,
        changes: Changes,
        look: Look,
        time: Duration,
    ) -> Self {
        api.metrics.watches.fetch_add(1, Ordering::Relaxed);
        Self {
            api: Arc::clone(api),
            entry: Arc::clone(entry),
            changes,
            look,
            marks_initial_end: false,
            over: Box::pin(tokio::time::sleep(time)),
            stopped: [api.shutdown.begun(), entry.shelf.retired()],
            is_over: false,
        }
    }

    /// Tells where the initial events end.
    pub fn marking_initial_end(mut self, marks: bool) -> Self {
        self.marks_initial_end = marks;
        self
    }

    /// Whether its time is over, or the server's or the resource's.
    fn poll_over(&mut self, context: &mut Context<'_>) -> bool {
        let is_stopped =
            self.stopped.iter_mut().any(|stopped| Pin::new(stopped).poll(context).is_ready());
        is_stopped || self.over.as_mut().poll(context).is_ready()
    }

    /// The next event alone; none at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|context| {
            if self.is_over {
                return Poll::Ready(None);
            }
            if let Poll::Ready(event) = self.poll_event(context) {
                self.api.metrics.watch_events.fetch_add(1, Ordering::Relaxed);
                return Poll::Ready(Some(event));
            }
            if self.poll_over(context) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// The next event that is to be sent.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            let change = match self.changes.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(change) => change,
            };
            let encoded = change.and_then(|change| {
                event::change(&self.entry, &change, &self.look, self.marks_initial_end)
            });
            match encoded {
                Ok(None) => {}
                Ok(Some(bytes)) => return Poll::Ready(bytes),
                Err(status) => {
                    self.is_over = true;
                    return Poll::Ready(event::error(&status, &self.look));
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.api.metrics.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(first) = self.poll_event(context) else {
            return if self.poll_over(context) { Poll::Ready(None) } else { Poll::Pending };
        };
        let mut events = 1;
        let mut many: Option<BytesMut> = None;
        while !self.is_over && many.as_ref().map_or(first.len(), BytesMut::len) < FRAME_BYTES {
            let Poll::Ready(next) = self.poll_event(context) else { break };
            events += 1;
            many.get_or_insert_with(|| BytesMut::from(&*first)).extend_from_slice(&next);
        }
        self.api.metrics.watch_events.fetch_add(events, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(many.map_or(first, BytesMut::freeze)))))
    }
}
