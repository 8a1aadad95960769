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

/// The machine's monotonic clock.
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
