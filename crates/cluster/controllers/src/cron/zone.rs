//! When a schedule is due, in its time zone. The zones are in the binary, as they are in the real
//! controller's: a machine without them must not run jobs at other hours.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use teu_api::kinds::batch::schedule::Schedule;

/// Times of a calendar that are looked at where a clock that is put back shows them twice.
const TRIES: usize = 200;

/// A schedule and the clock it is meant for.
#[derive(Debug)]
pub struct Clockwork {
    schedule: Schedule,
    zone: TimeZone,
}

impl Clockwork {
    /// In UTC if no zone is named; `None` if there is no such zone.
    pub fn new(schedule: Schedule, zone: &str) -> Option<Self> {
        let zone = match zone {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).ok()?,
        };
        Some(Self { schedule, zone })
    }

    /// The first time after this one, in seconds since 1970.
    pub fn next_after(&self, now: i64) -> Option<i64> {
        if let Schedule::Every(seconds) = self.schedule {
            return Some(now + seconds);
        }
        let mut shown = now + self.offset(now)?;
        for _ in 0..TRIES {
            shown = self.schedule.next_after(shown)?;
            let at = self.when_shown(shown)?;
            if at > now {
                return Some(at);
            }
        }
        None
    }

    /// Seconds east of UTC.
    fn offset(&self, at: i64) -> Option<i64> {
        Some(i64::from(self.zone.to_offset(Timestamp::from_second(at).ok()?).seconds()))
    }

    /// When the zone's clocks show this: the first time where they do twice, later where they never do.
    fn when_shown(&self, shown: i64) -> Option<i64> {
        let shown = Timestamp::from_second(shown).ok()?.to_zoned(TimeZone::UTC).datetime();
        let at = self.zone.to_ambiguous_timestamp(shown).compatible().ok()?;
        Some(at.as_second())
    }

    /// A time as the zone's clocks show it, RFC 3339.
    pub fn text(&self, at: i64) -> Option<String> {
        let offset = self.offset(at)?;
        let shown = teu_api::time::rfc3339(at + offset);
        if offset == 0 {
            return Some(shown);
        }
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        let shown = shown.trim_end_matches('Z');
        Some(format!("{shown}{sign}{:02}:{:02}", minutes / 60, minutes % 60))
    }
}
