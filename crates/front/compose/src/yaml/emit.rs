//! YAML as Compose prints it: block style, two spaces, lists indented below their key, quotes only
//! where a text would be taken for something else.

use super::scalar::needs_quotes;
use crate::node::float;
use serde_json::Value;
use std::fmt::Write as _;

/// Spaces of one level.
const INDENT: usize = 2;

/// The text of a document.
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => fields(&mut out, map, 0),
        Value::Array(list) if !list.is_empty() => items(&mut out, list, 0),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn fields(out: &mut String, map: &serde_json::Map<String, Value>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 || indent == 0 || out.ends_with('\n') {
            let _ = write!(out, "{:indent$}", "");
        }
        out.push_str(&quoted(key, true, indent));
        out.push(':');
        below(out, value, indent + INDENT, indent + INDENT);
    }
}

fn items(out: &mut String, list: &[Value], indent: usize) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 || indent == 0 || out.ends_with('\n') {
            let _ = write!(out, "{:indent$}", "");
        }
        out.push('-');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push(' ');
                fields(out, map, indent + INDENT);
            }
            Value::Array(list) if !list.is_empty() => {
                out.push(' ');
                items(out, list, indent + INDENT);
            }
            other => below(out, other, indent + INDENT, indent + INDENT),
        }
    }
}

/// What stands behind a key.
fn below(out: &mut String, value: &Value, indent: usize, text_indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            fields(out, map, indent);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            items(out, list, indent);
        }
        other => {
            out.push(' ');
            scalar(out, other, text_indent);
            out.push('\n');
        }
    }
}

fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => out.push_str(&value.to_string()),
            (None, Some(value)) => out.push_str(&float(value)),
            (None, None) => out.push_str(&number.to_string()),
        },
        Value::String(text) => out.push_str(&quoted(text, false, indent)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// What a text holds that decides its style.
#[derive(Default)]
struct Look {
    plain: bool,
    special: bool,
    tab: bool,
    /// A space right before a line's end.
    space_break: bool,
}

fn look(text: &str) -> Look {
    let mut look = Look { plain: true, ..Look::default() };
    let characters: Vec<char> = text.chars().collect();
    let blank = |at: usize| characters.get(at).is_none_or(|c| " \t\n".contains(*c));
    if text.starts_with("---") || text.starts_with("...") {
        look.plain = false;
    }
    for (at, &c) in characters.iter().enumerate() {
        let indicator = match (at, c) {
            (0, '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"')
            | (0, '%' | '@' | '`') => true,
            (0, '?' | '-') => blank(at + 1),
            (_, ':') => blank(at + 1),
            (_, '#') => at > 0 && " \t\n".contains(characters[at - 1]),
            _ => false,
        };
        look.plain &= !indicator;
        match c {
            '\t' => look.tab = true,
            '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                if c != '\u{feff}' => {}
            '\u{10000}'.. => {}
            _ => look.special = true,
        }
        if c == ' ' && characters.get(at + 1) == Some(&'\n') {
            look.space_break = true;
        }
    }
    let ends = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || *c == '\n');
    if ends(characters.first()) || ends(characters.last()) || text.contains('\n') {
        look.plain = false;
    }
    if look.space_break || look.tab || look.special {
        look.plain = false;
    }
    look
}

fn quoted(text: &str, key: bool, indent: usize) -> String {
    let look = look(text);
    let double_only = look.space_break || look.tab || look.special;
    if text.contains('\n') {
        let literal = !key && !look.space_break && !look.special;
        return if literal { literal_block(text, indent) } else { double(text) };
    }
    if needs_quotes(text) || (double_only && !look.plain) {
        return double(text);
    }
    match look.plain {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

fn literal_block(text: &str, indent: usize) -> String {
    let mut out = "|".to_owned();
    if text.starts_with([' ', '\n']) {
        let _ = write!(out, "{INDENT}");
    }
    let body = match text.strip_suffix('\n') {
        None => {
            out.push('-');
            text
        }
        Some(body) => {
            if body.ends_with('\n') || body.is_empty() {
                out.push('+');
            }
            body
        }
    };
    let indent = indent.max(INDENT);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            let _ = write!(out, "{:indent$}{line}", "");
        }
    }
    out
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            '\u{feff}' => out.push_str("\\uFEFF"),
            c if (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) => {
                let _ = write!(out, "\\x{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
