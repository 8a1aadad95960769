//! What a container's probe means, and when the next is due. Pure; the rules are Docker's.
//!
//! ```text
//! starting ──success──▶ healthy ◀──success── unhealthy
//!    └──retries failures in a row──▶ unhealthy ◀──┘ (healthy likewise)
//! ```
//! Failures within the start period count only once the container has been healthy.

use crate::state::{Health, Probe};
use std::time::Duration;
use teu_oci::image::Healthcheck;

/// Most bytes of a probe's output that are kept.
pub(super) const OUTPUT_LIMIT_BYTES: usize = 4096;
/// Most probes that are remembered.
const PROBES_KEPT: usize = 5;

const STARTING: &str = "starting";
const HEALTHY: &str = "healthy";
pub(super) const UNHEALTHY: &str = "unhealthy";

/// A probe's program and times, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Program and arguments.
    pub(super) command: Vec<String>,
    pub(super) timeout: Duration,
    interval: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
}

impl Check {
    /// `None` where there is nothing to probe.
    pub(super) fn new(asked: &Healthcheck) -> Option<Self> {
        let command = match asked.test.split_first() {
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => rest.to_vec(),
            Some((kind, rest)) if kind == "CMD-SHELL" && !rest.is_empty() => {
                vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.join(" ")]
            }
            _ => return None,
        };
        Some(Self {
            command,
            timeout: or_seconds(asked.timeout, 30),
            interval: or_seconds(asked.interval, 30),
            start_period: or_seconds(asked.start_period, 0),
            start_interval: or_seconds(asked.start_interval, 5),
            retries: u32::try_from(asked.retries).ok().filter(|&n| n > 0).unwrap_or(3),
        })
    }

    /// The health of a container that has just started.
    pub(super) fn first() -> Health {
        Health { status: STARTING.to_owned(), ..Health::default() }
    }

    /// The pause before the next probe of a container that has run for `ran`.
    pub(super) fn pause(&self, health: &Health, ran: Duration) -> Duration {
        if ran < self.start_period && health.status == STARTING {
            self.start_interval
        } else {
            self.interval
        }
    }

    /// Counts a probe that was started when the container had run for `ran`. Whether the status
    /// changed.
    pub(super) fn record(&self, health: &mut Health, probe: Probe, ran: Duration) -> bool {
        let before = health.status.clone();
        if probe.exit_code == 0 {
            health.failing_streak = 0;
            HEALTHY.clone_into(&mut health.status);
        } else if ran >= self.start_period || health.status != STARTING {
            health.failing_streak = health.failing_streak.saturating_add(1);
            if health.failing_streak >= self.retries {
                UNHEALTHY.clone_into(&mut health.status);
            }
        }
        health.log.push(probe);
        if health.log.len() > PROBES_KEPT {
            health.log.remove(0);
        }
        before != health.status
    }
}

/// Nanoseconds as the image has them, where 0 (and nonsense) means the default.
fn or_seconds(nanoseconds: i64, default_s: u64) -> Duration {
    match u64::try_from(nanoseconds) {
        Ok(given) if given > 0 => Duration::from_nanos(given),
        _ => Duration::from_secs(default_s),
    }
}

#[cfg(test)]
mod tests;
