//! The time of day: seconds and microseconds since 1970, and as RFC 3339, as Kubernetes writes it.
//! Read in one place, so that a simulation can hold it still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

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

/// `2026-11-26T16:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date so many days after 1970-01-01; years are counted from March, so that leap days are last.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates() {
        let check = |seconds, wanted: &str| assert_eq!(rfc3339(seconds), wanted);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_795_705_296, "2026-11-26T15:01:36Z");
    }
}
