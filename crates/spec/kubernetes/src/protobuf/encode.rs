//! A value becomes the message of its type.

use super::error::EncodeError;
use super::message::{self, Entry, Field, Kind, Message, Part};
use super::{DEPTH, special, time};
use crate::schema::Scalar;
use crate::wire::Writer;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// The message of a type, without a key.
pub(super) fn message(out: &mut Writer, number: u16, value: &Value) -> Result<(), EncodeError> {
    body(out, number, value, "", DEPTH)
}

/// The same, with as many levels as are left.
pub(super) fn body(
    out: &mut Writer,
    number: u16,
    value: &Value,
    name: &'static str,
    depth: usize,
) -> Result<(), EncodeError> {
    let depth = depth.checked_sub(1).ok_or(EncodeError::Depth)?;
    match message::of(number) {
        Some(Message::Plain(entries)) => {
            let Value::Object(fields) = value else { return Err(wrong(name, value, "an object")) };
            parts(out, entries, fields, depth)
        }
        Some(special) => special::encode(out, special, value, name, depth),
        None => Ok(()),
    }
}

/// A value that is not of its field's type.
pub(super) fn wrong(field: &'static str, value: &Value, wanted: &'static str) -> EncodeError {
    let found = value.to_string().chars().take(60).collect();
    EncodeError::Value { field, found, wanted }
}

fn parts(
    out: &mut Writer,
    entries: &[Entry],
    fields: &Map<String, Value>,
    depth: usize,
) -> Result<(), EncodeError> {
    for entry in entries {
        match &entry.part {
            Part::Inline(inner) => {
                out.try_message(entry.number, |out| parts(out, inner, fields, depth))?;
            }
            Part::Field(field) => match fields.get(field.name) {
                None | Some(Value::Null) => {}
                Some(value) => one(out, entry.number, field, &field.kind, value, depth)?,
            },
        }
    }
    Ok(())
}

fn one(
    out: &mut Writer,
    number: u16,
    field: &Field,
    kind: &Kind,
    value: &Value,
    depth: usize,
) -> Result<(), EncodeError> {
    let name = field.name;
    match kind {
        Kind::Scalar(kind) => scalar(out, number, *kind, value, name),
        Kind::Message(inner) => {
            out.try_message(number, |out| body(out, *inner, value, name, depth))
        }
        Kind::List(item) => {
            let Value::Array(items) = value else { return Err(wrong(name, value, "a list")) };
            items.iter().try_for_each(|value| match value {
                // Go has no null in a list: what stands there is zero.
                Value::Null => zero(out, number, item),
                value => one(out, number, field, item, value, depth),
            })
        }
        Kind::Wrapped(item) => {
            let Value::Array(items) = value else { return Err(wrong(name, value, "a list")) };
            out.try_message(number, |out| {
                items.iter().try_for_each(|value| one(out, 1, field, item, value, depth))
            })
        }
        Kind::Map(inner) => {
            let Value::Object(entries) = value else { return Err(wrong(name, value, "an object")) };
            let mut sorted: Vec<(&String, &Value)> = entries.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            sorted.into_iter().try_for_each(|(key, value)| {
                out.try_message(number, |out| {
                    out.text(1, key);
                    match value {
                        Value::Null => zero(out, 2, inner),
                        value => one(out, 2, field, inner, value, depth),
                    }
                })
            })
        }
    }
}

/// What Go writes for a value that is not there but has a place.
fn zero(out: &mut Writer, number: u16, kind: &Kind) -> Result<(), EncodeError> {
    match kind {
        Kind::Scalar(Scalar::Boolean | Scalar::Int32 | Scalar::Int64) => out.number(number, 0),
        Kind::Scalar(Scalar::Double) => out.double(number, 0.0),
        _ => out.bytes(number, b""),
    }
    Ok(())
}

fn scalar(
    out: &mut Writer,
    number: u16,
    kind: Scalar,
    value: &Value,
    name: &'static str,
) -> Result<(), EncodeError> {
    let text = |wanted| value.as_str().ok_or_else(|| wrong(name, value, wanted));
    match kind {
        Scalar::Boolean => {
            let truth = value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))?;
            out.number(number, i64::from(truth));
        }
        Scalar::Int32 | Scalar::Int64 => {
            out.number(number, integer(value).ok_or_else(|| wrong(name, value, "an integer"))?);
        }
        Scalar::Double => {
            out.double(number, value.as_f64().ok_or_else(|| wrong(name, value, "a number"))?);
        }
        Scalar::String => out.text(number, text("text")?),
        Scalar::Bytes => {
            let bytes = BASE64_STANDARD.decode(text("base64")?);
            out.bytes(number, &bytes.map_err(|_| wrong(name, value, "base64"))?);
        }
        Scalar::Quantity => match value {
            Value::String(text) => out.message(number, |out| out.text(1, text)),
            Value::Number(figure) => out.message(number, |out| out.text(1, &figure.to_string())),
            _ => return Err(wrong(name, value, "a quantity")),
        },
        Scalar::IntOrString => {
            let figure = integer(value);
            let text = value.as_str();
            if figure.is_none() && text.is_none() {
                return Err(wrong(name, value, "an integer or text"));
            }
            out.message(number, |out| {
                out.number(1, i64::from(text.is_some()));
                out.number(2, figure.unwrap_or_default());
                out.text(3, text.unwrap_or_default());
            });
        }
        Scalar::Time | Scalar::MicroTime => {
            let (seconds, nanos) = time::parse(text("a moment in RFC 3339")?)
                .ok_or_else(|| wrong(name, value, "a moment in RFC 3339"))?;
            let micros = if kind == Scalar::Time { 0 } else { nanos / 1000 };
            out.message(number, |out| {
                out.number(1, seconds);
                out.number(2, i64::from(micros) * 1000);
            });
        }
        // No stable type has one; it would be its own text.
        Scalar::Duration => out.text(number, text("a duration")?),
    }
    Ok(())
}

/// An integer, also one that was written with a point.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let figure = value.as_f64()?;
        // Beyond 2^53 a double is no longer one number.
        (figure.fract() == 0.0 && figure.abs() < 9_007_199_254_740_992.0).then_some(figure as i64)
    })
}
