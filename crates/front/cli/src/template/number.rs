//! Numbers as Go prints them.

use serde_json::Value;

/// A JSON number; what JSON cannot hold becomes null.
pub(super) fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// `%v` of a float: the shortest text, with an exponent from 1e21 up and below 1e-4.
pub(super) fn shortest(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{value}")
}
