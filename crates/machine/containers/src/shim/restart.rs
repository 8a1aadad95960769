//! Whether and when a container that ended is started again. Pure; the rules are Docker's.
//!
//! The pause before a restart starts at 100 ms and doubles to a minute; a run of ten seconds resets
//! it. A person's `stop` holds every policy still.

use crate::record::RestartPolicy;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A run this long was no failure to start.
const STEADY_RUN: Duration = Duration::from_secs(10);

/// How one run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// 0 to 255.
    pub(super) exit_code: i32,
    /// How long it ran.
    pub(super) ran: Duration,
    /// Restarts so far.
    pub(super) restart_count: u32,
    /// Somebody asked for the end.
    pub(super) stopped_by_user: bool,
}

/// The memory between two runs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    last_pause: Option<Duration>,
}

impl Backoff {
    /// The pause before the next run, `None` when there is none.
    pub(super) fn next(&mut self, policy: RestartPolicy, ending: Ending) -> Option<Duration> {
        if ending.stopped_by_user || !wants_restart(policy, ending) {
            return None;
        }
        let pause = match self.last_pause {
            Some(last) if ending.ran < STEADY_RUN => (last * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last_pause = Some(pause);
        Some(pause)
    }
}

fn wants_restart(policy: RestartPolicy, ending: Ending) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure { max_retries } => {
            ending.exit_code != 0 && (max_retries == 0 || ending.restart_count < max_retries)
        }
    }
}

#[cfg(test)]
mod tests;
