//! Sets of indexes, read from and written as `1,3-5,7`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Reads a list; what is beyond the completions, or is none, is left out.
pub fn read(text: &str, completions: i64) -> BTreeSet<i64> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            all.extend(first.max(0)..=last.min(completions - 1));
        }
    }
    all
}

/// Writes one: three in a row are written as a range.
pub fn write(all: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in all {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let mut text = String::new();
    for (first, last) in runs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match last - first {
            0 => write!(text, "{comma}{first}"),
            1 => write!(text, "{comma}{first},{last}"),
            _ => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        for text in ["", "0", "0,1", "0-2", "1,3-5,7"] {
            assert_eq!(write(&read(text, 10)), text);
        }
        assert_eq!(write(&read("3-20,x", 6)), "3-5");
    }
}
