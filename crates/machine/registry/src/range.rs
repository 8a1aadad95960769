//! `Range` of a download and `Content-Range` of an upload's chunk.
//!
//! Of a download one range is answered; several, other units, and what is no range are answered with
//! the whole, as RFC 9110, 14.2 allows. A chunk's range is `START-END`, both inclusive, without a unit
//! (some clients write `bytes ` before and `/TOTAL` after it): distribution-spec, "Pushing a blob in
//! chunks".

use std::ops::Range;

/// What a download asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for content of this size.
pub fn parse_range(text: &str, size: u64) -> Wanted {
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        // The last bytes.
        return match number(last) {
            None => Wanted::Whole,
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if size == 0 => Wanted::Unsatisfiable,
            Some(length) => Wanted::Part(size.saturating_sub(length)..size),
        };
    }
    let Some(first) = number(first) else { return Wanted::Whole };
    let last = match last.is_empty() {
        true => u64::MAX,
        false => match number(last) {
            Some(last) => last,
            None => return Wanted::Whole,
        },
    };
    if last < first {
        return Wanted::Whole;
    }
    if first >= size {
        return Wanted::Unsatisfiable;
    }
    Wanted::Part(first..last.saturating_add(1).min(size))
}

/// Reads a chunk's `Content-Range` as the half-open range it means.
pub fn parse_content_range(text: &str) -> Option<Range<u64>> {
    let text = text.trim();
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches([' ', '=']));
    let text = text.split_once('/').map_or(text, |(range, _total)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| last.checked_add(1)).flatten().map(|end| first..end)
}

/// Digits and nothing else: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
