//! When steps ran, as histories have it. The calendar is the images crate's.

pub use teu_images::time::{days, parse_rfc3339};

/// `2026-01-31T12:00:00Z`, with nine digits of a second where there are any.
pub fn rfc3339(ns: i128) -> String {
    let (seconds, fraction) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let plain = teu_images::time::format_rfc3339(seconds, 0);
    match fraction {
        0 => plain,
        fraction => format!("{}.{fraction:09}Z", plain.trim_end_matches('Z')),
    }
}

#[cfg(test)]
mod tests;
