//! Values as Go's `%v` prints them, for messages that clients compare.

use serde_json::Value;
use std::fmt::Write as _;

/// Bytes that a printed value may have; the rest is cut.
const MAX_BYTES: usize = 10 << 10;

/// `map[a:1 b:[x y]]`, fields by name.
pub(crate) fn printed(value: &Value) -> String {
    let mut text = String::new();
    print(value, &mut text);
    if text.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

fn print(value: &Value, text: &mut String) {
    if text.len() > MAX_BYTES {
        return;
    }
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::String(it) => text.push_str(it),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                print(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            text.push_str("map[");
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                text.push_str(name);
                text.push(':');
                print(&fields[name], text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Go's word for a JSON value's type.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
