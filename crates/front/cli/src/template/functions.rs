//! The functions of a template: Go's, and those Docker adds.

use super::Mode;
use super::number::{float, shortest};
use serde_json::Value;
use std::cmp::Ordering;

mod printf;

/// One call.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a [Value],
    pub(super) mode: Mode,
}

/// Every name; the parser refuses others.
const NAMES: &[&str] = &[
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "json",
    "split",
    "join",
    "title",
    "lower",
    "upper",
    "pad",
    "truncate",
    "table",
    "add",
    "hasPrefix",
    "hasSuffix",
    "contains",
    "replace",
    "trim",
];

pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls; an error is a sentence without place.
pub(super) fn call(call: Call<'_>) -> Result<Value, String> {
    let Call { name, arguments, mode } = call;
    if mode == Mode::Header
        && matches!(
            name,
            "json"
                | "title"
                | "lower"
                | "upper"
                | "split"
                | "join"
                | "truncate"
                | "trim"
                | "replace"
        )
    {
        return Ok(arguments.first().cloned().unwrap_or(Value::Null));
    }
    let wants = |count: usize| match arguments.len() == count {
        true => Ok(()),
        false => Err(format!("wrong number of args: want {count} got {}", arguments.len())),
    };
    let text = |index: usize| arguments.get(index).map(print).unwrap_or_default();
    Ok(match name {
        "not" => {
            wants(1)?;
            Value::Bool(!truth(&arguments[0]))
        }
        "len" => {
            wants(1)?;
            length(&arguments[0])?
        }
        "index" => index(arguments)?,
        "slice" => slice(arguments)?,
        "print" => Value::String(spaced(arguments)),
        "println" => Value::String(line(arguments)),
        "printf" => Value::String(printf::format(&text(0), arguments.get(1..).unwrap_or(&[]))),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => Value::Bool(compares(name, arguments)?),
        "json" => {
            wants(1)?;
            Value::String(arguments[0].to_string())
        }
        "split" => {
            wants(2)?;
            Value::from(text(0).split(text(1).as_str()).collect::<Vec<_>>())
        }
        "join" => {
            wants(2)?;
            join(&arguments[0], &text(1))?
        }
        "pad" => {
            wants(3)?;
            let width = |index: usize| arguments[index].as_u64().unwrap_or(0).min(4096) as usize;
            let (before, after) = (width(1), width(2));
            match text(0) {
                text if text.is_empty() => Value::String(text),
                text => Value::String(format!("{:before$}{text}{:after$}", "", "")),
            }
        }
        "truncate" => {
            wants(2)?;
            let limit = arguments[1].as_u64().unwrap_or(0);
            Value::String(text(0).chars().take(usize::try_from(limit).unwrap_or(0)).collect())
        }
        "add" => arithmetic(arguments)?,
        "table" => Value::String(String::new()),
        _ => return words(name, arguments),
    })
}

/// Functions of texts alone.
fn words(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let text = |index: usize| arguments.get(index).map(print).unwrap_or_default();
    Ok(match name {
        "lower" => Value::String(text(0).to_lowercase()),
        "upper" => Value::String(text(0).to_uppercase()),
        "title" => Value::String(title(&text(0))),
        "trim" => Value::String(text(0).trim().to_owned()),
        "hasPrefix" => Value::Bool(text(0).starts_with(&text(1))),
        "hasSuffix" => Value::Bool(text(0).ends_with(&text(1))),
        "contains" => Value::Bool(text(0).contains(&text(1))),
        "replace" => Value::String(text(0).replace(&text(1), &text(2))),
        "html" => Value::String(html(&text(0))),
        "js" => {
            Value::String(text(0).replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\""))
        }
        "urlquery" => Value::String(query(&text(0))),
        _ => return Err("not a function".to_owned()),
    })
}

/// Go's truth: not zero, not empty.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// `%v`.
pub(super) fn print(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (.., Some(real)) => shortest(real),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(print_inner).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut items: Vec<(&String, &Value)> = map.iter().collect();
            items.sort_by_key(|(key, _)| *key);
            let items = items.iter().map(|(key, value)| format!("{key}:{}", print_inner(value)));
            format!("map[{}]", items.collect::<Vec<_>>().join(" "))
        }
    }
}

fn print_inner(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        other => print(other),
    }
}

/// A word for a kind of value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "type bool",
        Value::Number(_) => "type number",
        Value::String(_) => "type string",
        Value::Array(_) => "type list",
        Value::Object(_) => "type map",
    }
}

/// `print` puts a space between two operands when neither is a text.
fn spaced(arguments: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in arguments.iter().enumerate() {
        if index > 0 && !value.is_string() && !arguments[index - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&print(value));
    }
    out
}

fn line(arguments: &[Value]) -> String {
    let words: Vec<String> = arguments.iter().map(print).collect();
    words.join(" ") + "\n"
}

fn length(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(Value::from(text.len())),
        Value::Array(items) => Ok(Value::from(items.len())),
        Value::Object(map) => Ok(Value::from(map.len())),
        Value::Null => Ok(Value::from(0)),
        other => Err(format!("len of {}", kind_of(other))),
    }
}

fn index(arguments: &[Value]) -> Result<Value, String> {
    let (Some(first), keys) = (arguments.first(), arguments.get(1..).unwrap_or(&[])) else {
        return Err("index of untyped nil".to_owned());
    };
    let mut value = first;
    for key in keys {
        value = match (value, key) {
            (Value::Object(map), key) => map.get(&print(key)).unwrap_or(&Value::Null),
            (Value::Array(items), Value::Number(at)) => {
                let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
                let item = at.and_then(|at| items.get(at));
                item.ok_or_else(|| {
                    format!("index out of range: {} of {} items", print(key), items.len())
                })?
            }
            (Value::Array(_), key) => {
                return Err(format!("cannot index slice/array with {}", kind_of(key)));
            }
            (Value::Null, _) => return Err("index of untyped nil".to_owned()),
            (other, _) => return Err(format!("can't index item of {}", kind_of(other))),
        };
    }
    Ok(value.clone())
}

fn slice(arguments: &[Value]) -> Result<Value, String> {
    let bound = |index: usize, default: usize| match arguments.get(index) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .and_then(|at| usize::try_from(at).ok())
            .filter(|&at| at <= default)
            .ok_or_else(|| format!("index out of range: {}", print(value))),
    };
    match arguments.first() {
        Some(Value::String(text)) => {
            let (to, from) = (bound(2, text.len())?, bound(1, text.len())?);
            let from = if arguments.len() < 2 { 0 } else { from };
            text.get(from..to).map(Value::from).ok_or_else(|| "index out of range".to_owned())
        }
        Some(Value::Array(items)) => {
            let (to, from) = (bound(2, items.len())?, bound(1, items.len())?);
            let from = if arguments.len() < 2 { 0 } else { from };
            let part = items.get(from..to).map(<[Value]>::to_vec);
            part.map(Value::Array).ok_or_else(|| "index out of range".to_owned())
        }
        _ => Err("slice of a value that is neither text nor list".to_owned()),
    }
}

fn compares(name: &str, arguments: &[Value]) -> Result<bool, String> {
    let (Some(left), rest) = (arguments.first(), arguments.get(1..).unwrap_or(&[])) else {
        return Err("missing argument for comparison".to_owned());
    };
    if rest.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    if name == "eq" {
        return Ok(rest.iter().any(|right| order(left, right) == Some(Ordering::Equal)));
    }
    let found = order(left, &rest[0]);
    if name == "ne" {
        return Ok(found != Some(Ordering::Equal));
    }
    let found = found.ok_or_else(|| "incompatible types for comparison".to_owned())?;
    Ok(match name {
        "lt" => found == Ordering::Less,
        "le" => found != Ordering::Greater,
        "gt" => found == Ordering::Greater,
        _ => found != Ordering::Less,
    })
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) if a == b => Some(Ordering::Equal),
        _ => None,
    }
}

fn join(list: &Value, separator: &str) -> Result<Value, String> {
    match list {
        Value::Array(items) => {
            Ok(Value::String(items.iter().map(print).collect::<Vec<_>>().join(separator)))
        }
        Value::Null => Ok(Value::String(String::new())),
        Value::String(text) => Ok(Value::String(text.clone())),
        other => Err(format!("cannot join {}", kind_of(other))),
    }
}

fn arithmetic(arguments: &[Value]) -> Result<Value, String> {
    let mut sum = 0.0;
    for value in arguments {
        sum += value.as_f64().ok_or_else(|| format!("cannot add {}", kind_of(value)))?;
    }
    if sum.fract() == 0.0 && sum.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return Ok(Value::from(sum as i64));
    }
    Ok(float(sum))
}

fn title(text: &str) -> String {
    let mut start = true;
    let upper = |c: char| c.to_uppercase().next().unwrap_or(c);
    let letters = text.chars().map(|c| {
        let shown = if start { upper(c) } else { c };
        start = !c.is_alphanumeric() && c != '_' && c != '\'';
        shown
    });
    letters.collect()
}

fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

fn query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
