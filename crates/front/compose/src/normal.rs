//! A tree held against the tables of [`crate::schema`]: short forms become long, texts become what
//! their field holds, what no field is called that way is refused with a near miss.
//!
//! The result is canonical: fields in the order of the tables, free keys sorted where Compose sorts
//! them. Normalising it again changes nothing.

use crate::node::{Map, Mark, Node, Place, Value};
use crate::schema::{Bare, Kind, Nulls, Object};
use std::fmt;
use teu_containers::units;

pub mod short;
pub mod words;

/// Something in a file that is not what the specification wants.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("validating {place}: {path}: {problem}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The field, from the top: `services.web.ports`.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// No field of that name.
    Unknown {
        /// The name.
        field: String,
        /// One that looks like it.
        near: Option<&'static str>,
    },
    /// A field that must be there.
    Missing(&'static str),
    /// Another type.
    Type {
        /// `must be …`
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// None of the words.
    Words(&'static [&'static str]),
    /// Anything else.
    Value(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { field, near } => {
                write!(f, "additional property '{field}' is not allowed")?;
                match near {
                    Some(near) => write!(f, ": did you mean '{near}'?"),
                    None => Ok(()),
                }
            }
            Self::Missing(field) => write!(f, "property '{field}' is required"),
            Self::Type { wanted, found } => write!(f, "must be {wanted}, and is {found}"),
            Self::Words(words) => write!(f, "must be one of {}", words.join(", ")),
            Self::Value(reason) => f.write_str(reason),
        }
    }
}

/// The way to a value.
#[derive(Debug, Clone, Default)]
pub struct Path(String);

impl Path {
    /// One step further.
    #[must_use]
    pub fn then(&self, key: &str) -> Self {
        match self.0.is_empty() {
            true => Self(key.to_owned()),
            false => Self(format!("{}.{key}", self.0)),
        }
    }

    /// A fault of the value there.
    pub fn fault(&self, at: &Place, problem: Problem) -> Fault {
        let path = if self.0.is_empty() { "(root)" } else { &self.0 };
        Fault { place: at.clone(), path: path.to_owned(), problem }
    }

    /// A fault of another type.
    pub fn kind(&self, node: &Node, wanted: &'static str) -> Fault {
        self.fault(&node.at, Problem::Type { wanted, found: node.kind() })
    }

    /// A fault with words of its own.
    pub fn value(&self, at: &Place, reason: impl fmt::Display) -> Fault {
        self.fault(at, Problem::Value(reason.to_string()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical form of a value of this kind.
pub fn normal(node: Node, kind: &Kind, path: &Path) -> Result<Node, Fault> {
    if node.mark == Mark::Reset {
        return Ok(node);
    }
    let (at, mark) = (node.at.clone(), node.mark);
    let value = match kind {
        Kind::Any => node.value,
        Kind::Object(object) => Value::Map(fields(node, object, path)?),
        Kind::Map(inner, nulls) => Value::Map(free(node, inner, *nulls, path)?),
        Kind::Pairs(bare) => Value::Map(pairs(node, *bare, path)?),
        Kind::Texts => match node.value {
            Value::List(_) => return normal(node, &Kind::List(&Kind::Text), path),
            Value::Text(_) => Value::List(vec![Node::new(node.value, at.clone())]),
            _ => return Err(path.kind(&node, "a string or a list of strings")),
        },
        Kind::List(inner) => match node.value {
            Value::List(list) => {
                let mut out = Vec::with_capacity(list.len());
                for (index, item) in list.into_iter().enumerate() {
                    out.push(normal(item, inner, &path.then(&index.to_string()))?);
                }
                Value::List(out)
            }
            _ => return Err(path.kind(&node, "a list")),
        },
        Kind::Command => command(node, path)?,
        Kind::Short(convert, inner) => {
            let converted = Node { mark, ..convert(node, path)? };
            return normal(converted, inner, path);
        }
        _ => scalar(&node, kind, path)?,
    };
    Ok(Node { value, at, mark })
}

fn fields(node: Node, object: &'static Object, path: &Path) -> Result<Map, Fault> {
    let Value::Map(mut given) = node.value else { return Err(path.kind(&node, "a mapping")) };
    let mut out = Map::with_capacity(given.len());
    for field in object.fields {
        let Some(value) = given.shift_remove(field.name) else { continue };
        if value.is_null() && value.mark == Mark::None {
            continue;
        }
        out.insert(field.name.to_owned(), normal(value, &field.kind, &path.then(field.name))?);
    }
    given.sort_keys();
    for (key, value) in given {
        if !key.starts_with("x-") {
            let names = object.fields.iter().map(|field| field.name);
            let near = words::nearest(&key, names);
            return Err(path.fault(&value.at, Problem::Unknown { field: key, near }));
        }
        out.insert(key, value);
    }
    match object.required.iter().find(|name| !out.contains_key(**name)) {
        Some(name) if node.mark == Mark::None => Err(path.fault(&node.at, Problem::Missing(name))),
        _ => Ok(out),
    }
}

fn free(node: Node, inner: &Kind, nulls: Nulls, path: &Path) -> Result<Map, Fault> {
    let Value::Map(given) = node.value else { return Err(path.kind(&node, "a mapping")) };
    let mut out = Map::with_capacity(given.len());
    for (key, mut value) in given {
        let path = path.then(&key);
        if value.is_null() && value.mark == Mark::None {
            match (nulls, inner) {
                (Nulls::Kept, _) => {
                    out.insert(key, value);
                    continue;
                }
                (Nulls::Empty, Kind::Scalar) => value.value = Value::Text(String::new()),
                (Nulls::Empty, _) => value.value = Value::Map(Map::new()),
                (Nulls::Refused, _) => {}
            }
        }
        out.insert(key, normal(value, inner, &path)?);
    }
    out.sort_keys();
    Ok(out)
}

/// `KEY: value` or `- KEY=value`.
fn pairs(node: Node, bare: Bare, path: &Path) -> Result<Map, Fault> {
    let none = |at: &Place| match bare {
        Bare::Null => Node::new(Value::Null, at.clone()),
        Bare::Empty => Node::text("", at),
    };
    let mut out = Map::new();
    match node.value {
        Value::Map(given) => {
            for (key, value) in given {
                let at = value.at.clone();
                let value = match (value.is_null(), value.scalar()) {
                    _ if value.mark == Mark::Reset => value,
                    (true, _) => none(&at),
                    (false, Some(text)) => Node::text(text, &at),
                    (false, None) => {
                        let path = path.then(&key);
                        return Err(path.kind(&value, "a string, number, boolean or null"));
                    }
                };
                out.insert(key, value);
            }
        }
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                let Some(text) = item.scalar() else {
                    return Err(path.then(&index.to_string()).kind(item, "a string"));
                };
                match text.split_once('=') {
                    Some((key, value)) => out.insert(key.to_owned(), Node::text(value, &item.at)),
                    None => out.insert(text, none(&item.at)),
                };
            }
        }
        _ => return Err(path.kind(&node, "a mapping or a list")),
    }
    out.sort_keys();
    Ok(out)
}

fn command(node: Node, path: &Path) -> Result<Value, Fault> {
    match node.value {
        Value::List(list) => {
            let mut out = Vec::with_capacity(list.len());
            for (index, item) in list.into_iter().enumerate() {
                let Some(text) = item.scalar() else {
                    return Err(path.then(&index.to_string()).kind(&item, "a string"));
                };
                out.push(Node::text(text, &item.at));
            }
            Ok(Value::List(out))
        }
        Value::Text(text) => {
            let split = words::split(&text).map_err(|reason| path.value(&node.at, reason))?;
            Ok(Value::List(split.into_iter().map(|word| Node::text(word, &node.at)).collect()))
        }
        _ => Err(path.kind(&node, "a string or a list of strings")),
    }
}

/// A value without parts.
fn scalar(node: &Node, kind: &Kind, path: &Path) -> Result<Value, Fault> {
    let wanted = match kind {
        Kind::Text => "a string",
        Kind::Bool => "a boolean",
        Kind::Int => "an integer",
        Kind::Float => "a number",
        Kind::Bytes => "a size such as 64m",
        Kind::Duration => "a duration such as 1m30s",
        Kind::Mode => "octal permission bits",
        _ => "a string, number or boolean",
    };
    let wrong = || path.kind(node, wanted);
    let text = node.scalar().ok_or_else(wrong)?;
    let is_text = matches!(node.value, Value::Text(_));
    let bad = |reason: String| path.value(&node.at, reason);
    Ok(match kind {
        Kind::Text if is_text => Value::Text(text),
        Kind::Scalar => Value::Text(text),
        Kind::Bool => Value::Bool(boolean(&node.value).ok_or_else(wrong)?),
        Kind::Int => match &node.value {
            Value::Int(value) => Value::Int(*value),
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
                Value::Int(*value as i64)
            }
            Value::Text(text) => Value::Int(text.trim().parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        },
        Kind::Float => match &node.value {
            #[expect(clippy::cast_precision_loss, reason = "processors are few")]
            Value::Int(value) => Value::Float(*value as f64),
            Value::Float(value) => Value::Float(*value),
            Value::Text(text) => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => Value::Float(value),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        },
        Kind::Bytes => Value::Text(bytes(&node.value, &text).map_err(bad)?),
        Kind::Duration if is_text => Value::Text(words::duration(&text).map_err(bad)?),
        Kind::Mode => Value::Text(mode(&node.value, &text).ok_or_else(wrong)?),
        Kind::Words(words) if is_text => match words.contains(&text.as_str()) {
            true => Value::Text(text),
            false => return Err(path.fault(&node.at, Problem::Words(words))),
        },
        _ => return Err(wrong()),
    })
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "y" | "yes" | "on" | "1" => Some(true),
            "false" | "n" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Bytes in decimal digits; -1 stands for no limit.
fn bytes(value: &Value, text: &str) -> Result<String, String> {
    match value {
        Value::Int(value) => Ok(value.to_string()),
        Value::Text(_) if text == "-1" => Ok(text.to_owned()),
        Value::Text(_) => units::bytes(text).map(|n| n.to_string()).map_err(|e| e.to_string()),
        _ => Err(format!("invalid size: {text:?}")),
    }
}

/// `0440` as YAML's number or as text.
fn mode(value: &Value, text: &str) -> Option<String> {
    let bits = match value {
        Value::Int(value) => *value,
        Value::Text(_) => i64::from_str_radix(text.trim_start_matches("0o"), 8).ok()?,
        _ => return None,
    };
    (0..=0o7777).contains(&bits).then(|| format!("0{bits:o}"))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod property;
