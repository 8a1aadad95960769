//! An answer that is there at once, or comes from another thread, or from a future.
//!
//! Reads of the embedded store are answered from memory: they cost no allocation and no thread hop.
//! Its writes wait for the writer thread; everything of etcd is a boxed future. One type for the
//! three keeps the trait usable as `dyn Store`. It needs no runtime: [`Reply::wait`] blocks a plain
//! thread.

use crate::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use tokio::sync::oneshot;

/// What the other side of a waiting reply sends.
pub type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// The answer of a store.
#[must_use = "nothing has been answered before this was awaited"]
pub struct Reply<T>(Inner<T>);

enum Inner<T> {
    Now(Option<Result<T, Error>>),
    Waiting(oneshot::Receiver<Result<T, Error>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>),
}

impl<T> Reply<T> {
    /// An answer that is there.
    pub fn now(result: Result<T, Error>) -> Self {
        Self(Inner::Now(Some(result)))
    }

    /// An answer that will be sent; a sender that is dropped answers [`Error::Closed`].
    pub fn waiting() -> (Answer<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Inner::Waiting(receiver)))
    }

    /// An answer that has to be computed.
    pub fn boxed(future: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        Self(Inner::Boxed(Box::pin(future)))
    }

    /// Blocks this thread until the answer is there. Not for threads that drive others' futures.
    pub fn wait(self) -> Result<T, Error> {
        block_on(self)
    }
}

impl<T> Unpin for Reply<T> {}

impl<T> Future for Reply<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Now(result) => Poll::Ready(result.take().unwrap_or(Err(Error::Closed))),
            Inner::Waiting(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|received| received.unwrap_or(Err(Error::Closed))),
            Inner::Boxed(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> std::fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Inner::Now(_) => "Reply::Now",
            Inner::Waiting(_) => "Reply::Waiting",
            Inner::Boxed(_) => "Reply::Boxed",
        })
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives one future on this thread, which sleeps between its polls.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}
