//! When a cron job runs: `*/5 * * * *`, `@daily`, `@every 1h30m`.
//!
//! The grammar and the words for what is wrong are those of the library that Kubernetes uses. A field
//! is a set of numbers in 64 bits; a day is right if both its fields are, or either where neither is a
//! star.

#[cfg(test)]
mod tests;

/// How far ahead a time is looked for.
const HORIZON_YEARS: i64 = 5;
const STAR: u64 = 1 << 63;
const DAY: i64 = 86_400;

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "their texts say it")]
pub enum ScheduleError {
    #[error("empty spec string")]
    Empty,
    #[error("expected exactly 5 fields, found {0}: [{1}]")]
    Fields(usize, String),
    #[error("too many hyphens: {0}")]
    Hyphens(String),
    #[error("too many slashes: {0}")]
    Slashes(String),
    #[error("failed to parse int from {0}: strconv.Atoi: parsing {0:?}: invalid syntax")]
    Number(String),
    #[error("negative number ({0}) not allowed: {0}")]
    Negative(String),
    #[error("beginning of range ({0}) below minimum ({1}): {2}")]
    Below(u32, u32, String),
    #[error("end of range ({0}) above maximum ({1}): {2}")]
    Above(u32, u32, String),
    #[error("beginning of range ({0}) beyond end of range ({1}): {2}")]
    Order(u32, u32, String),
    #[error("step of range should be a positive number: {0}")]
    Step(String),
    #[error("unrecognized descriptor: {0}")]
    Descriptor(String),
    #[error("failed to parse duration {0}: time: invalid duration {1:?}")]
    Duration(String, String),
}

/// When something runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At times of the calendar.
    Calendar(Calendar),
    /// So many seconds after the last time.
    Every(i64),
}

/// Sets of numbers, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
}

struct Bounds {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { least: 0, most: 59, names: &[] };
const HOURS: Bounds = Bounds { least: 0, most: 23, names: &[] };
const DAYS: Bounds = Bounds { least: 1, most: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    least: 1,
    most: 12,
    names: &[
        "", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAYS: Bounds =
    Bounds { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Schedule {
    /// Reads a schedule; `TZ=…` before it is left to the caller.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let mut text = text;
        if let Some(rest) = ["TZ=", "CRON_TZ="].iter().find_map(|start| text.strip_prefix(start)) {
            text = rest.split_once(' ').map_or("", |(_, rest)| rest).trim();
        }
        if text.is_empty() {
            return Err(ScheduleError::Empty);
        }
        if text.starts_with('@') {
            return descriptor(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(ScheduleError::Fields(fields.len(), fields.join(" ")));
        };
        Ok(Self::Calendar(Calendar {
            minutes: field(minutes, &MINUTES)?,
            hours: field(hours, &HOURS)?,
            days: field(days, &DAYS)?,
            months: field(months, &MONTHS)?,
            weekdays: field(weekdays, &WEEKDAYS)?,
        }))
    }

    /// The next time behind this one, in seconds since 1970 of a clock that shows the schedule's zone;
    /// none within five years.
    pub fn next_after(&self, now: i64) -> Option<i64> {
        match self {
            Self::Every(seconds) => Some(now + seconds),
            Self::Calendar(calendar) => calendar.next_after(now),
        }
    }
}

impl Calendar {
    fn next_after(&self, now: i64) -> Option<i64> {
        let start = now - now.rem_euclid(60) + 60;
        let first_day = start.div_euclid(DAY);
        let last_day = first_day + HORIZON_YEARS * 366;
        for day in first_day..=last_day {
            if !self.is_day(day) {
                continue;
            }
            let from = if day == first_day { start.rem_euclid(DAY) / 60 } else { 0 };
            let found = (from..1440)
                .find(|minute| has(self.hours, minute / 60) && has(self.minutes, minute % 60));
            if let Some(minute) = found {
                return Some(day * DAY + minute * 60);
            }
        }
        None
    }

    fn is_day(&self, day: i64) -> bool {
        let (_, month, of_month) = crate::time::civil(day);
        if !has(self.months, month) {
            return false;
        }
        let right_day = has(self.days, of_month);
        let right_weekday = has(self.weekdays, (day + 4).rem_euclid(7));
        if self.days & STAR != 0 || self.weekdays & STAR != 0 {
            right_day && right_weekday
        } else {
            right_day || right_weekday
        }
    }
}

fn has(set: u64, number: i64) -> bool {
    set & (1 << number) != 0
}

fn descriptor(text: &str) -> Result<Schedule, ScheduleError> {
    let all = |bounds: &Bounds| range(bounds.least, bounds.most, 1) | STAR;
    let calendar = |hours, days, months, weekdays| {
        Ok(Schedule::Calendar(Calendar { minutes: 1, hours, days, months, weekdays }))
    };
    match text {
        "@yearly" | "@annually" => calendar(1, 1 << 1, 1 << 1, all(&WEEKDAYS)),
        "@monthly" => calendar(1, 1 << 1, all(&MONTHS), all(&WEEKDAYS)),
        "@weekly" => calendar(1, all(&DAYS), all(&MONTHS), 1),
        "@daily" | "@midnight" => calendar(1, all(&DAYS), all(&MONTHS), all(&WEEKDAYS)),
        "@hourly" => calendar(all(&HOURS), all(&DAYS), all(&MONTHS), all(&WEEKDAYS)),
        _ => match text.strip_prefix("@every ") {
            Some(duration) => match seconds(duration) {
                Some(seconds) => Ok(Schedule::Every(seconds.max(1))),
                None => Err(ScheduleError::Duration(text.to_owned(), duration.to_owned())),
            },
            None => Err(ScheduleError::Descriptor(text.to_owned())),
        },
    }
}

/// Whole seconds of `1h30m`.
fn seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?;
        let units = [
            ("ms", 1e-3),
            ("us", 1e-6),
            ("µs", 1e-6),
            ("ns", 1e-9),
            ("h", 3600.0),
            ("m", 60.0),
            ("s", 1.0),
        ];
        let (unit, factor) = units.iter().find(|(unit, _)| after.starts_with(unit))?;
        total += number * factor;
        rest = after.get(unit.len()..)?;
    }
    (!text.is_empty() && total < 1e12).then_some(total as i64)
}

fn field(text: &str, bounds: &Bounds) -> Result<u64, ScheduleError> {
    let mut bits = 0;
    for part in text.split(',').filter(|part| !part.is_empty()) {
        bits |= one(part, bounds)?;
    }
    Ok(bits)
}

fn one(text: &str, bounds: &Bounds) -> Result<u64, ScheduleError> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts.first().map(|ends| ends.split('-').collect()).unwrap_or_default();
    let mut extra = 0;
    let (first, mut last) = match ends[..] {
        ["*" | "?"] => {
            extra = STAR;
            (bounds.least, bounds.most)
        }
        [only] => {
            let number = number(only, bounds)?;
            (number, number)
        }
        [first, last] => (number(first, bounds)?, number(last, bounds)?),
        _ => return Err(ScheduleError::Hyphens(text.to_owned())),
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            if ends.len() == 1 {
                last = bounds.most;
            }
            let step = number(step, &MINUTES)?;
            if step > 1 {
                extra = 0;
            }
            step
        }
        _ => return Err(ScheduleError::Slashes(text.to_owned())),
    };
    let shown = || text.to_owned();
    if first < bounds.least {
        return Err(ScheduleError::Below(first, bounds.least, shown()));
    }
    if last > bounds.most {
        return Err(ScheduleError::Above(last, bounds.most, shown()));
    }
    if first > last {
        return Err(ScheduleError::Order(first, last, shown()));
    }
    if step == 0 {
        return Err(ScheduleError::Step(shown()));
    }
    Ok(range(first, last, step) | extra)
}

fn number(text: &str, bounds: &Bounds) -> Result<u32, ScheduleError> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = bounds.names.iter().position(|name| *name == lower && !name.is_empty()) {
        return Ok(at as u32);
    }
    match text.parse::<i32>() {
        Ok(number) => u32::try_from(number).map_err(|_| ScheduleError::Negative(text.to_owned())),
        Err(_) => Err(ScheduleError::Number(text.to_owned())),
    }
}

fn range(first: u32, last: u32, step: u32) -> u64 {
    (first..=last).step_by(step as usize).fold(0, |bits, number| bits | 1 << number)
}
