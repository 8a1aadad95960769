//! Watches: the changes of a span of keys from a revision on, in order, none left out, none twice.
//!
//! A watcher that does not take its events is cut off with [`Error::Slow`]; one that asks for what
//! was compacted gets [`Error::Compacted`]. After an error a watch is over.

use crate::error::Error;
use crate::kv::{Event, Revision, Span};
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Events that may wait for one watcher unless it says otherwise.
pub const DEFAULT_LAG: usize = 10_000;

/// What to watch.
#[derive(Debug, Clone)]
pub struct WatchRequest {
    /// The keys.
    pub span: Span,
    /// The first revision to see; 0 for what comes from now on.
    pub from: Revision,
    /// Events that may wait before the watcher is cut off.
    pub lag: usize,
}

impl WatchRequest {
    /// All changes of a span from a revision on.
    pub fn new(span: Span, from: Revision) -> Self {
        Self { span, from, lag: DEFAULT_LAG }
    }
}

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Changes in order; those of one revision are never torn apart.
    Events(Vec<Event>),
    /// Nothing up to and including this revision is still to come.
    Progress(Revision),
}

/// Where messages come from.
pub trait Source: Send {
    /// The next message. An error is the last.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>>;

    /// Asks for a report of how far it has come.
    fn ask(&mut self) -> Result<(), Error>;
}

/// A running watch; dropping it ends it.
pub struct Watch {
    source: Box<dyn Source>,
    over: Option<Error>,
}

impl Watch {
    /// Of a backend's source.
    pub fn new(source: impl Source + 'static) -> Self {
        Self { source: Box::new(source), over: None }
    }

    /// The next message. An error stays.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        if let Some(error) = &self.over {
            return Poll::Ready(Err(error.clone()));
        }
        let polled = self.source.poll_next(context);
        if let Poll::Ready(Err(error)) = &polled {
            self.over = Some(error.clone());
        }
        polled
    }

    /// Asks for a [`Message::Progress`] that is at least the store's revision of now, or says that
    /// the backend cannot ([`Error::Unsupported`]).
    pub fn ask(&mut self) -> Result<(), Error> {
        self.source.ask()
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<Message, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("over", &self.over).finish_non_exhaustive()
    }
}
