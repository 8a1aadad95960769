//! What a plain scalar means: YAML 1.2's words with the numbers of 1.1 (`0o17`, `017`, `0x1f`,
//! `1_000`), which is what Compose files are read with elsewhere. `yes`, `on` and `22:22` are texts.

use crate::node::Value;

/// The value of a plain scalar.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Value::Text(text.to_owned());
    }
    if let Some(value) = integer(text) {
        return Value::Int(value);
    }
    match is_float(text).then(|| text.parse::<f64>().ok()).flatten() {
        Some(value) => Value::Float(value),
        None => Value::Text(text.to_owned()),
    }
}

/// `12`, `-0x1f`, `0o17`, `017`, `0b11`, with `_` between digits.
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('_') {
        return None;
    }
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    i64::from_str_radix(&signed, radix).ok()
}

/// `1.5`, `.5`, `1.`, `1e9`.
fn is_float(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let good = digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty());
    let exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    good && exponent
}

/// Whether a text would be taken for something else where it stands without quotes.
pub fn needs_quotes(text: &str) -> bool {
    !matches!(resolve(text), Value::Text(_)) || is_old(text) || is_sixty(text) || is_date(text)
}

/// Words that YAML 1.1 takes for booleans.
fn is_old(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let all = text == word || text == word.to_ascii_uppercase();
    let title = text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text[1..] == word[1..];
    matches!(word.as_str(), "y" | "n" | "yes" | "no" | "on" | "off") && (all || title)
}

/// `22:22`: a number to base 60 in YAML 1.1.
fn is_sixty(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = rest.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !digits(first) {
        return false;
    }
    let mut count = 0;
    let all: Vec<&str> = parts.collect();
    for (index, part) in all.iter().enumerate() {
        let part = match (index + 1 == all.len(), part.split_once('.')) {
            (true, Some((part, fraction))) if digits(fraction) => part,
            _ => part,
        };
        let small = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        if !small {
            return false;
        }
        count += 1;
    }
    count > 0
}

/// `2026-01-02`, alone or with a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let fits = year.len() == 4
        && digits(year)
        && digits(month)
        && month.len() <= 2
        && digits(day)
        && day.len() <= 2;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    let time = rest.split(':').take(2).all(|part| digits(part) && part.len() <= 2);
    fits && (rest.is_empty() || (time && rest.matches(':').count() >= 2))
}
