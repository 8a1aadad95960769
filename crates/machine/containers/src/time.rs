//! Times as Docker writes and reads them: RFC 3339 in UTC, seconds since the epoch, durations ago.
//!
//! Pure: whoever needs "now" hands it in, except [`now_ns`].

use crate::{Error, Result};
use std::time::SystemTime;
use teu_images::time::{civil, days};

pub use teu_images::time::duration;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Nanoseconds since the epoch.
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// `2026-11-22T02:46:42.123456789Z`; 0 is Go's zero time `0001-01-01T00:00:00Z`.
pub fn rfc3339(ns: i64) -> String {
    if ns == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let (date, time) = split(ns);
    let fraction = ns.rem_euclid(SECOND_NS);
    if fraction == 0 {
        return format!("{date}T{time}Z");
    }
    let digits = format!("{fraction:09}");
    format!("{date}T{time}.{}Z", digits.trim_end_matches('0'))
}

/// Always nine digits, as `docker logs --timestamps` has it.
pub fn rfc3339_nanos(ns: i64) -> String {
    let (date, time) = split(ns);
    format!("{date}T{time}.{:09}Z", ns.rem_euclid(SECOND_NS))
}

fn split(ns: i64) -> (String, String) {
    let seconds = ns.div_euclid(SECOND_NS);
    let (date, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = civil(date);
    let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    (format!("{year:04}-{month:02}-{day:02}"), time)
}

/// What `--since` and `--until` take: RFC 3339 (date only, without zone, with fraction), seconds
/// since the epoch with fraction, or a duration (`10m`, `1h30m`) before `now_ns`.
pub fn parse(text: &str, now_ns: i64) -> Result<i64> {
    let error = || Error::InvalidTime(text.chars().take(80).collect());
    if let Some(ns) = parse_unix(text).or_else(|| parse_rfc3339(text)) {
        return Ok(ns);
    }
    let ago = duration(text).ok_or_else(error)?;
    now_ns.checked_sub(ago).ok_or_else(error)
}

fn parse_unix(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !digits(unsigned) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(SECOND_NS)?.checked_add(nanos)
}

/// RFC 3339 and its shorter cousins, which are taken as UTC.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |text: &str, length: usize| -> Option<i64> {
        let digits = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text.strip_suffix('Z').unwrap_or(text), "00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (clock, offset_s) = zone(time)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        Some(rest) => {
            let (second, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
            if !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let fraction = &fraction[..fraction.len().min(9)];
            (number(second, 2)?, format!("{fraction:0<9}").parse::<i64>().ok()?)
        }
        None => (0, 0),
    };
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sane || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    seconds.checked_mul(SECOND_NS)?.checked_add(fraction)
}

/// Splits `Z`, `+01:00` or nothing from a time of day.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some((clock, if offset.starts_with('-') { -seconds } else { seconds }))
}

#[cfg(test)]
mod tests;
