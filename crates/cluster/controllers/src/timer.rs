//! Time as it is handed in, so that a simulation can drive it: nothing else here looks at a clock.

use std::future::Future;
use std::pin::Pin;
use teu_api::time::rfc3339;

/// Waits, and tells the time.
pub trait Timer: Send + Sync + 'static {
    /// For so many milliseconds.
    fn sleep(&self, milliseconds: u64) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Milliseconds since a beginning that means nothing; only forward.
    fn now(&self) -> u64;

    /// The time of day, in milliseconds since 1970.
    fn wall(&self) -> i64;

    /// The time of day in seconds.
    fn seconds(&self) -> i64 {
        self.wall().div_euclid(1000)
    }

    /// The time of day as it is written in objects.
    fn text(&self) -> String {
        rfc3339(self.seconds())
    }

    /// The same with fractions, as `MicroTime` wants it.
    fn micro_text(&self) -> String {
        let fraction = self.wall().rem_euclid(1000);
        format!("{}.{fraction:03}000Z", self.text().trim_end_matches('Z'))
    }
}
