//! A watch on a cluster: one stream, resumed on another member when it breaks.
//!
//! A task reads the stream into a queue that is bounded by the watcher's lag; beyond it the watch
//! ends with [`Error::Slow`]. It knows the revision to go on from, so nothing is missed or seen
//! twice over any number of reconnections. It ends when the watcher is dropped.

use super::members::Members;
use super::message::{self, WatchCreate, WatchEvent, WatchMessage, WatchResponse};
use super::rpc::{Call, Failure};
use super::{kv, number, unsigned};
use crate::error::Error;
use crate::kv::{Event, KeyValue, Revision};
use crate::watch::{Message, Source, WatchRequest};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

const PATH: &str = "/etcdserverpb.Watch/Watch";
/// Pauses between tries, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Inner {
    messages: VecDeque<Message>,
    events: usize,
    over: Option<Error>,
    dropped: bool,
    waker: Option<Waker>,
}

/// Between the task and the watcher.
struct Pipe {
    inner: Mutex<Inner>,
    lag: usize,
    /// The watcher has gone, or wants to know how far it is.
    signal: Notify,
    asked: std::sync::atomic::AtomicBool,
}

impl Pipe {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the member how far it is.
    fn ask(&self) {
        self.asked.store(true, std::sync::atomic::Ordering::Relaxed);
        self.signal.notify_one();
    }

    /// Adds a message; answers whether to go on.
    fn push(&self, message: Message) -> bool {
        let mut inner = self.inner();
        if let Message::Events(events) = &message {
            inner.events += events.len();
            if inner.events > self.lag {
                inner.over = Some(Error::Slow { limit: self.lag });
                inner.messages.clear();
            }
        }
        if inner.over.is_none() {
            // Only the newest of several reports says anything.
            if matches!(
                (inner.messages.back(), &message),
                (Some(Message::Progress(_)), Message::Progress(_))
            ) {
                inner.messages.pop_back();
            }
            inner.messages.push_back(message);
        }
        let go_on = inner.over.is_none() && !inner.dropped;
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
        go_on
    }

    fn end(&self, error: Error) {
        let mut inner = self.inner();
        inner.over.get_or_insert(error);
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The watcher's end.
pub struct Receiver {
    pipe: Arc<Pipe>,
    ordered_progress: bool,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.pipe.inner().dropped = true;
        self.pipe.signal.notify_one();
    }
}

impl Source for Receiver {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let mut inner = self.pipe.inner();
        if let Some(message) = inner.messages.pop_front() {
            if let Message::Events(events) = &message {
                inner.events -= events.len().min(inner.events);
            }
            return Poll::Ready(Ok(message));
        }
        if let Some(error) = &inner.over {
            return Poll::Ready(Err(error.clone()));
        }
        inner.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn ask(&mut self) -> Result<(), Error> {
        if !self.ordered_progress {
            return Err(Error::Unsupported {
                what: "report how far a watch has come",
                instead: "this version of etcd may send the report before earlier events: use 3.4.25, 3.5.8 or later, or read the keys themselves",
            });
        }
        self.pipe.ask();
        Ok(())
    }
}

/// Begins a watch; its first answer says that it runs.
pub fn start(
    members: Arc<Members>,
    request: WatchRequest,
    ordered_progress: bool,
) -> (Receiver, oneshot::Receiver<Result<(), Error>>) {
    let pipe = Arc::new(Pipe {
        inner: Mutex::default(),
        lag: request.lag.max(1),
        signal: Notify::new(),
        asked: false.into(),
    });
    let (started, starting) = oneshot::channel();
    let task = Task { members, request, pipe: Arc::clone(&pipe), started: Some(started) };
    tokio::spawn(task.run());
    (Receiver { pipe, ordered_progress }, starting)
}

struct Task {
    members: Arc<Members>,
    request: WatchRequest,
    pipe: Arc<Pipe>,
    started: Option<oneshot::Sender<Result<(), Error>>>,
}

/// How a stream ended.
enum End {
    /// For good.
    Over(Error),
    /// The watcher has gone.
    Dropped,
    /// To be resumed.
    Broken(Failure),
}

impl Task {
    async fn run(mut self) {
        let begun = tokio::time::Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.request.from;
            let failure = match self.stream().await {
                End::Dropped => return,
                End::Over(error) => {
                    if let Some(started) = self.started.take() {
                        let _ = started.send(Err(error.clone()));
                    }
                    return self.pipe.end(error);
                }
                End::Broken(failure) => failure,
            };
            // Whoever waits for the beginning does not wait for ever; a watch that runs does.
            if self.started.is_some() && begun.elapsed() > self.members.times().call {
                let error = self.members.error(failure, super::members::Repeat::Always);
                let _ = self.started.take().map(|started| started.send(Err(error)));
                return;
            }
            if self.pipe.inner().dropped {
                return;
            }
            pause =
                if self.request.from > before { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.pipe.signal.notified() => {}
            }
        }
    }

    async fn stream(&mut self) -> End {
        let connection = match self.members.connection().await {
            Ok(connection) => connection,
            Err(failure) => return End::Broken(failure),
        };
        let mut call = match connection.start_with_leader(PATH).await {
            Ok(call) => call,
            Err(failure) => {
                connection.give_up();
                return End::Broken(failure);
            }
        };
        let create = WatchCreate {
            key: self.request.span.start.clone(),
            range_end: super::range_end(&self.request.span),
            start_revision: number(self.request.from),
            prev_kv: true,
        };
        let create = WatchMessage { request: Some(message::Watch::Create(create)) };
        if let Err(failure) = call.send(&create, false) {
            return End::Broken(failure);
        }
        let end = self.read(&mut call).await;
        if let End::Broken(Failure::Lost(_) | Failure::Status { code: 14, .. }) = &end {
            connection.give_up();
        }
        end
    }

    async fn read(&mut self, call: &mut Call) -> End {
        let mut created = false;
        loop {
            let response: WatchResponse = {
                let next = call.next::<WatchResponse>();
                let attempt = self.members.times().attempt;
                tokio::select! {
                    response = next => match response {
                        Ok(Some(response)) => response,
                        Ok(None) => return End::Broken(Failure::Lost("the stream ended".to_owned())),
                        Err(failure) => return End::Broken(failure),
                    },
                    () = self.pipe.signal.notified() => {
                        if self.pipe.inner().dropped {
                            return End::Dropped;
                        }
                        if created && self.pipe.asked.swap(false, std::sync::atomic::Ordering::Relaxed) {
                            let ask = message::Watch::Progress(message::Nothing {});
                            let _ = call.send(&WatchMessage { request: Some(ask) }, false);
                        }
                        continue;
                    }
                    () = tokio::time::sleep(attempt), if !created => {
                        return End::Broken(Failure::Lost("the watch was not begun in time".to_owned()));
                    }
                }
            };
            let revision = unsigned(response.header.as_ref().map_or(0, |header| header.revision));
            if response.canceled {
                return self.cancelled(response);
            }
            if response.created {
                created = true;
                if self.request.from == 0 {
                    self.request.from = revision + 1;
                }
                if let Some(started) = self.started.take() {
                    let _ = started.send(Ok(()));
                }
                // What was asked for before the stream stood.
                if self.pipe.asked.load(std::sync::atomic::Ordering::Relaxed) {
                    self.pipe.signal.notify_one();
                }
                continue;
            }
            if !self.deliver(response, revision) {
                return End::Dropped;
            }
        }
    }

    fn cancelled(&self, response: WatchResponse) -> End {
        if response.compact_revision > 0 {
            let compacted = unsigned(response.compact_revision).saturating_sub(1);
            return End::Over(Error::Compacted { asked: self.request.from, compacted });
        }
        match response.cancel_reason {
            reason if reason.contains("no leader") => End::Broken(Failure::Lost(reason)),
            message => End::Over(Error::Backend { code: 1, message }),
        }
    }

    /// Hands on what is new; answers whether to go on.
    fn deliver(&mut self, response: WatchResponse, revision: Revision) -> bool {
        if response.events.is_empty() {
            return self.pipe.push(Message::Progress(revision));
        }
        let from = self.request.from;
        let events = response.events.into_iter().filter_map(event);
        let events: Vec<Event> = events.filter(|event| event.kv.modified >= from).collect();
        let Some(last) = events.last() else { return true };
        self.request.from = last.kv.modified + 1;
        self.pipe.push(Message::Events(events))
    }
}

/// An event in the store's shape.
fn event(event: WatchEvent) -> Option<Event> {
    let found = event.kv?;
    let previous = event.prev_kv.map(|previous| Arc::new(kv(previous)));
    let kv = match event.kind {
        0 => kv(found),
        _ => KeyValue {
            modified: unsigned(found.mod_revision),
            key: found.key,
            value: bytes::Bytes::new(),
            created: 0,
            lease: 0,
        },
    };
    Some(Event { kv: Arc::new(kv), previous })
}
