//! Values as YAML: block style, texts quoted where a reader could take them for something else.

use serde_json::Value;

/// A document.
pub fn print(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    block(&mut out, value, 0, true);
    out.into_bytes()
}

fn block(out: &mut String, value: &Value, depth: usize, at_line_start: bool) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (at, (name, value)) in map.iter().enumerate() {
                if at > 0 || at_line_start {
                    indent(out, depth);
                }
                scalar(out, name);
                out.push(':');
                nested(out, value, depth, matches!(value, Value::Array(_)));
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 || at_line_start {
                    indent(out, depth);
                }
                out.push('-');
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        out.push(' ');
                        block(out, item, depth + 1, false);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        out.push(' ');
                        block(out, item, depth + 1, false);
                    }
                    other => nested(out, other, depth, false),
                }
            }
        }
        other => {
            leaf(out, other);
            out.push('\n');
        }
    }
}

/// What follows `name:` or `-`: on the same line, or below. Lists stand under their name, not deeper.
fn nested(out: &mut String, value: &Value, depth: usize, is_list: bool) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1, true);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, if is_list { depth } else { depth + 1 }, true);
        }
        other => {
            out.push(' ');
            leaf(out, other);
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn leaf(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => scalar(out, text),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

/// A text, bare where it is nothing but a word.
fn scalar(out: &mut String, text: &str) {
    if is_bare(text) {
        out.push_str(text);
    } else {
        // JSON's quotes are YAML's.
        out.push_str(&Value::from(text).to_string());
    }
}

fn is_bare(text: &str) -> bool {
    let inner =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let Some(first) = text.bytes().next() else { return false };
    let word = text.to_ascii_lowercase();
    (first.is_ascii_alphabetic() || first == b'/')
        && text.bytes().all(inner)
        && !matches!(&*word, "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn documents() {
        let value = json!({
            "a": {"b": [1, {"c": "x", "d": {}}, [true]], "e": "yes"}, "f": "line\nbreak", "g": [], "1": null,
        });
        let wanted = "a:\n  b:\n  - 1\n  - c: x\n    d: {}\n  - - true\n  e: \"yes\"\nf: \"line\\nbreak\"\ng: []\n\"1\": null\n";
        assert_eq!(String::from_utf8(super::print(&value)).expect("text"), wanted);
    }
}
