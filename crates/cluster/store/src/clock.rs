//! Time as it is handed in, so that a simulation can hold it still.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A future that ends when time has passed.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time that only moves forward, from a beginning that means nothing.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Duration;
}

/// A clock that can be waited for.
pub trait Timer: Clock {
    /// Ends when so much time has passed.
    fn sleep(&self, time: Duration) -> Sleep;
}

/// The machine's monotonic clock; waiting for it needs a runtime of tokio.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Begins at zero.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for Monotonic {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Timer for Monotonic {
    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(time))
    }
}
