//! Instants as people read and write them. Nanoseconds since the epoch inside, UTC outside.

use crate::units::{self, human_duration};
use std::time::{SystemTime, UNIX_EPOCH};

const SECOND_NS: i64 = 1_000_000_000;

/// Why a time was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "invalid value {0:?} for time: expected RFC 3339 (2026-01-31T12:00:00Z), seconds since the \
     epoch, or a duration before now (10m)"
)]
pub struct ParseTimeError(String);

/// Now.
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// `--since`, `--until`: a duration counts back from now.
pub fn instant(text: &str, now_ns: i64) -> Result<i64, ParseTimeError> {
    let error = || ParseTimeError(text.chars().take(80).collect());
    if let Some(time) = parse(text) {
        return Ok(time);
    }
    if let Some(seconds) = text.strip_prefix('@').or(Some(text))
        && seconds.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !seconds.is_empty()
    {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let whole: i64 = whole.parse().map_err(|_| error())?;
        return whole
            .checked_mul(SECOND_NS)
            .and_then(|ns| ns.checked_add(fraction_ns(fraction)?))
            .ok_or_else(error);
    }
    let back = units::duration_ns(text).map_err(|_| error())?;
    Ok(now_ns.saturating_sub(back))
}

fn fraction_ns(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: String = digits.chars().chain("000000000".chars()).take(9).collect();
    digits.parse().ok()
}

/// RFC 3339, or a part of it (`2026-01-31`, `2026-01-31T12:00`).
pub fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let mut part = |digits: usize| {
        let text = parts.next()?;
        (text.len() == digits).then(|| text.parse::<i64>().ok()).flatten()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let split = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(split);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut seconds = teu_images::time::days(year, month, day) * 86_400;
    if !clock.is_empty() {
        let mut scale = 3600;
        for text in clock.split(':') {
            if text.len() != 2 || scale == 0 {
                return None;
            }
            let value: i64 = text.parse().ok()?;
            if value > 60 {
                return None;
            }
            seconds += value * scale;
            scale /= 60;
        }
    }
    seconds -= zone_seconds(zone)?;
    seconds.checked_mul(SECOND_NS)?.checked_add(fraction_ns(fraction)?)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, clock) = match zone.split_at_checked(1).unwrap_or(("Z", "")) {
        ("Z" | "z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':').unwrap_or((clock.get(..2)?, clock.get(2..)?));
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Year, month, day, hour, minute, second.
fn civil(seconds: i64) -> [i64; 6] {
    let (date, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = teu_images::time::civil(date);
    [year, month, day, clock / 3600, clock / 60 % 60, clock % 60]
}

/// `2026-01-31T12:00:00.123456789Z`, trailing zeros left out as Go's RFC3339Nano does.
pub fn rfc3339(ns: i64) -> String {
    let [year, month, day, hour, minute, second] = civil(ns.div_euclid(SECOND_NS));
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = format!("{:09}", ns.rem_euclid(SECOND_NS));
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text.push('Z');
    text
}

/// Likewise with all nine digits, as `logs -t` and `events` print it.
pub fn rfc3339_nano(ns: i64) -> String {
    let [year, month, day, hour, minute, second] = civil(ns.div_euclid(SECOND_NS));
    let fraction = ns.rem_euclid(SECOND_NS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
}

/// Go's time.String to the second: `2026-01-31 12:00:00 +0000 UTC`.
pub fn listed(ns: i64) -> String {
    let [year, month, day, hour, minute, second] = civil(ns.div_euclid(SECOND_NS));
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

/// `3 minutes ago`.
pub fn ago(ns: i64, now_ns: i64) -> String {
    format!("{} ago", since(ns, now_ns))
}

/// `3 minutes`.
pub fn since(ns: i64, now_ns: i64) -> String {
    human_duration(now_ns.saturating_sub(ns) / SECOND_NS)
}

#[cfg(test)]
mod tests;
