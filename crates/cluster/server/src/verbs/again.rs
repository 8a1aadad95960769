//! A change that names no version is made anew on what somebody else wrote meanwhile, for as long as a client
//! waits, and not for a number of times: of many writers one is always the first, and the slowest of them could
//! be last any number of times in a row. After some tries each waits a moment, longer each time, so that they
//! do not chase each other. Invariant: it ends.

use std::time::Duration;
use tokio::time::Instant;

/// How long it is tried. Clients wait a little longer.
const LIMIT: Duration = Duration::from_secs(30);
/// Tries without a pause before each.
const EAGER: u64 = 3;
/// The longest pause.
const LONGEST_PAUSE_MILLISECONDS: u64 = 20;

/// The tries of one change.
#[derive(Debug)]
pub struct Again {
    begun: Instant,
    tries: u64,
}

impl Again {
    /// Before the first.
    pub fn new() -> Self {
        Self { begun: Instant::now(), tries: 0 }
    }

    /// Whether there is another try; waits until it is time for it.
    pub async fn may(&mut self) -> bool {
        let pause = self.tries.saturating_sub(EAGER).min(LONGEST_PAUSE_MILLISECONDS);
        if pause > 0 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.tries += 1;
        self.tries == 1 || self.begun.elapsed() < LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_tried_often_and_ends() {
        let mut again = Again::new();
        for _ in 0..30 {
            assert!(again.may().await);
        }
        let mut late = Again { begun: Instant::now() - LIMIT, tries: 0 };
        assert!(late.may().await, "the first is always made");
        assert!(!late.may().await);
    }
}
