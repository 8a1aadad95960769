//! What an unquoted word of YAML is, by the rules that Kubernetes' reader has (YAML 1.1).

use serde_json::{Number, Value};

/// The value of a plain scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let begins_like_a_number =
        text.starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter));
    if begins_like_a_number { number(text).unwrap_or_else(|| text.into()) } else { text.into() }
}

fn number(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let (negative, unsigned) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let radix = [("0x", 16), ("0b", 2), ("0o", 8)];
    let based = radix.iter().find_map(|(prefix, radix)| {
        let rest = unsigned.strip_prefix(prefix)?;
        i128::from_str_radix(rest.strip_prefix(['+', '-']).map_or(rest, |_| "x"), *radix).ok()
    });
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let octal = unsigned.len() > 1 && unsigned.starts_with('0') && plain(unsigned);
    let whole = match based {
        Some(value) => Some(value),
        None if octal => i128::from_str_radix(unsigned, 8).ok(),
        None if plain(unsigned) => unsigned.parse().ok(),
        None => None,
    };
    if let Some(whole) = whole {
        let value = if negative { -whole } else { whole };
        if let Ok(value) = i64::try_from(value) {
            return Some(value.into());
        }
        if let Ok(value) = u64::try_from(value) {
            return Some(value.into());
        }
    }
    // A float: digits, one dot, an exponent; not "1.2.3", not ".inf" (JSON has none).
    let float = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let has_digit = unsigned.bytes().any(|byte| byte.is_ascii_digit());
    let value: f64 = (float && has_digit).then(|| digits.parse().ok())??;
    Number::from_f64(value).map(Value::Number)
}
