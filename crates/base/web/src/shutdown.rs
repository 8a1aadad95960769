//! The wish to stop, told to all who serve.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

/// A wish to stop that many can wait for; clones are one and the same.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Wish>);

#[derive(Debug)]
struct Wish {
    /// The same as what is told, for those who ask often.
    has_begun: AtomicBool,
    told: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Nobody wants to stop yet.
    pub fn new() -> Self {
        let (has_begun, told) = (AtomicBool::new(false), watch::Sender::new(false));
        Self(Arc::new(Wish { has_begun, told }))
    }

    /// From now on, all stop.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::SeqCst);
        self.0.told.send_replace(true);
    }

    /// Says whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::SeqCst)
    }

    /// Waits for it.
    pub fn begun(&self) -> Begun {
        let shutdown = self.clone();
        let mut told = self.0.told.subscribe();
        let waiting = Box::pin(async move {
            // The sender lives as long as who waits does.
            let _ = told.wait_for(|begun| *begun).await;
        });
        Begun { shutdown, waiting, known: None }
    }
}

/// Waits for a shutdown to begin. It may be polled with every event of a connection: whoever waits
/// already is not put into the queue again, which all connections share.
pub struct Begun {
    shutdown: Shutdown,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whom the queue will call.
    known: Option<Waker>,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Begun").field(&self.shutdown.has_begun()).finish()
    }
}

impl Future for Begun {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.shutdown.has_begun() {
            return Poll::Ready(());
        }
        if self.known.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            return Poll::Pending;
        }
        self.known = Some(context.waker().clone());
        self.waiting.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_is_called_however_often_he_asked() {
        let shutdown = Shutdown::new();
        let mut begun = pin!(shutdown.begun());
        let calls = [Arc::<Count>::default(), Arc::default()];
        // The last one that asked is called.
        for call in [&calls[0], &calls[0], &calls[1], &calls[1]] {
            let waker = Waker::from(Arc::clone(call));
            assert_eq!(begun.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        shutdown.begin();
        assert_eq!(calls.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(begun.as_mut().poll(&mut context), Poll::Ready(()));
        assert_eq!(pin!(shutdown.begun()).poll(&mut context), Poll::Ready(()));
    }
}
