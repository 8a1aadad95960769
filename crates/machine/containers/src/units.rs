//! Sizes and durations as Docker reads and writes them.

/// Why a size or duration was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitError {
    /// No number with a unit of bytes.
    #[error("invalid size: {0:?}")]
    Size(String),
    /// No Go duration.
    #[error("time: invalid duration {0:?}")]
    Duration(String),
    /// No decimal number of processors.
    #[error("failed to parse {0:?} as a rational number")]
    Decimal(String),
}

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `12.3MB`: powers of 1000, `digits` of them significant (Docker: 3 in lists, 4 elsewhere).
pub fn human_size(bytes: u64, digits: usize) -> String {
    scaled(bytes, 1000.0, &DECIMAL, digits)
}

/// `11.7MiB`: powers of 1024.
pub fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn scaled(bytes: u64, base: f64, units: &[&str; 9], digits: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// `%.{digits}g` for numbers from 0 to 9999.
fn significant(value: f64, digits: usize) -> String {
    let whole = match value {
        ..10.0 => 1,
        ..100.0 => 2,
        ..1000.0 => 3,
        _ => 4,
    };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Bytes of `64m`, `1.5g`, `1024`, `10KiB`; units are powers of 1024 (go-units RAMInBytes).
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError::Size(text.chars().take(80).collect());
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_ascii_lowercase();
    let power = match suffix.as_str() {
        "" | "b" => 0,
        _ => {
            let (unit, rest) = suffix.split_at(1);
            if !matches!(rest, "" | "b" | "i" | "ib") {
                return Err(error());
            }
            1 + "kmgtp".find(unit).ok_or_else(error)?
        }
    };
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return Err(error());
    }
    let multiple = 1u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(multiple).filter(|&n| i64::try_from(n).is_ok()).ok_or_else(error);
    }
    let value = number.parse::<f64>().map_err(|_| error())?;
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let value = value * multiple as f64;
    if !(0.0..9.2e18).contains(&value) {
        return Err(error());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    Ok(value as u64)
}

/// Nanoseconds of Go's `1h2m3.5s`, `300ms`, `-5s`.
pub fn duration_ns(text: &str) -> Result<i64, UnitError> {
    let error = || UnitError::Duration(text.chars().take(80).collect());
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('+') => return Err(error()),
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    teu_images::time::duration(rest).map(|ns| sign * ns).ok_or_else(error)
}

/// `About a minute`, `3 weeks` (go-units HumanDuration).
pub fn human_duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (2..=59, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..=59, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..=47) => format!("{hours} hours"),
        (.., ..=335) => format!("{} days", hours / 24),
        (.., ..=1439) => format!("{} weeks", hours / 24 / 7),
        (.., ..=17519) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Billionths of a processor: `1.5` is 1 500 000 000.
pub fn nano_cpus(text: &str) -> Result<i64, UnitError> {
    let error = || UnitError::Decimal(text.chars().take(80).collect());
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = text.parse().map_err(|_| error())?;
    if !plain || !(0.0..1e6).contains(&value) {
        return Err(error());
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 1e15")]
    Ok((value * 1e9).round() as i64)
}

#[cfg(test)]
mod tests;
