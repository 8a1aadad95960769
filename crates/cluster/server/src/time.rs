//! The time of day, read in one place, so that a simulation can hold it still. How it is written is
//! [`teu_api::time`]'s affair.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
pub use teu_api::time::rfc3339;

/// Tells the time of day.
pub trait Wall: Send + Sync + 'static {
    /// Since 1970.
    fn since_epoch(&self) -> Duration;

    /// Seconds since 1970.
    fn seconds(&self) -> i64 {
        i64::try_from(self.since_epoch().as_secs()).unwrap_or(i64::MAX)
    }

    /// Now, to the second.
    fn text(&self) -> String {
        rfc3339(self.seconds())
    }
}

/// The machine's own.
#[derive(Debug, Clone, Copy)]
pub struct SystemWall;

impl Wall for SystemWall {
    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
