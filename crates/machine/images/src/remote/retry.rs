//! How often a request is made again, and after what time: a pure function.

use std::time::Duration;

/// Bounds on asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests after the first one.
    pub attempts: u32,
    /// Before the second request.
    pub first_wait: Duration,
    /// Between any two.
    pub longest_wait: Duration,
    /// What a server may ask to wait (`Retry-After`); beyond it the command fails and says so.
    pub longest_asked: Duration,
}

impl RetryPolicy {
    /// About 15 seconds in all.
    pub const DEFAULT: Self = Self {
        attempts: 6,
        first_wait: Duration::from_millis(250),
        longest_wait: Duration::from_secs(8),
        longest_asked: Duration::from_secs(60),
    };

    /// How long to wait before attempt `attempt` (1 is the first repetition); `None`: give up.
    /// `chance` is any number; it spreads clients that failed at the same moment.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, chance: u64) -> Option<Duration> {
        if attempt > self.attempts {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.longest_asked).then_some(asked);
        }
        let factor = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first_wait.saturating_mul(factor).min(self.longest_wait);
        // Between a half and the whole of it.
        let half = whole / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        Some(half + Duration::from_millis(chance % spread))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `Retry-After` in seconds; dates are not worth a parser here.
pub(super) fn asked(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

/// A number nobody can foresee.
pub(super) fn chance() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::RetryPolicy;
    use std::time::Duration;

    #[test]
    fn waits_grow_and_end() {
        let policy = RetryPolicy::DEFAULT;
        for (attempt, asked, chance, expected_ms) in [
            (1, None, 0, Some(125)),
            (1, None, 124, Some(249)),
            (2, None, 0, Some(250)),
            (6, None, 0, Some(4000)),
            (7, None, 0, None),
            (1, Some(3), 9, Some(3000)),
            (1, Some(61), 9, None),
        ] {
            let wait = policy.wait(attempt, asked.map(Duration::from_secs), chance);
            assert_eq!(wait, expected_ms.map(Duration::from_millis), "{attempt} {asked:?}");
        }
    }
}
