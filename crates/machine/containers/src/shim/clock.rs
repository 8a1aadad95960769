//! The wall clock, for what is written down.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the epoch.
pub(super) fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
