//! Words: a shell's line split, durations as Go prints them, near misses.

use teu_containers::units;

/// Splits a line as a shell does, without expanding anything: quotes and backslashes only.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("invalid command line string: a ' is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("invalid command line string: a \" is not closed"),
                        },
                        Some(c) => word.push(c),
                        None => return Err("invalid command line string: a \" is not closed"),
                    }
                }
            }
            '\\' => match characters.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("invalid command line string: a \\ at the end"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A duration as Go prints it. Days and weeks are understood too, as Compose does.
pub fn duration(text: &str) -> Result<String, String> {
    Ok(go_duration(duration_ns(text)?))
}

/// Nanoseconds of a Compose duration.
pub fn duration_ns(text: &str) -> Result<i64, String> {
    let error = || format!("invalid duration {text:?}");
    let mut total: i64 = 0;
    let mut rest = text.trim();
    // Weeks and days come first, where there are any: Go knows neither.
    for (unit, hours) in [('w', 168), ('d', 24)] {
        if let Some((number, behind)) = rest.split_once(unit)
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            let number: i64 = number.parse().map_err(|_| error())?;
            let ns = number.checked_mul(hours * 3600 * 1_000_000_000).ok_or_else(error)?;
            total = total.checked_add(ns).ok_or_else(error)?;
            rest = behind;
        }
    }
    if !rest.is_empty() || total == 0 {
        let ns = units::duration_ns(rest).map_err(|_| error())?;
        total = total.checked_add(ns).ok_or_else(error)?;
    }
    Ok(total)
}

/// `1m30s`, `1h0m0s`, `500ms`, `0s`.
pub fn go_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let part = |value: u64, scale: u64| {
        let (whole, rest) = (value / scale, value % scale);
        match rest {
            0 => whole.to_string(),
            _ => {
                let width = scale.ilog10() as usize;
                let fraction = format!("{rest:0width$}");
                format!("{whole}.{}", fraction.trim_end_matches('0'))
            }
        }
    };
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{ns}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", part(ns, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", part(ns, 1_000_000)),
        _ => {
            let (minutes, seconds) = (ns / 60_000_000_000, ns % 60_000_000_000);
            let seconds = part(seconds, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// The word that was probably meant.
pub fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    words
        .map(|other| (distance(word, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// Letters to change, add or take, swaps of neighbours counting once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
