//! A message becomes the value of its type.

use super::error::DecodeError;
use super::message::{self, Entry, Field, Kind, Message, Part};
use super::{DEPTH, MAGIC, VALUES, special, time, type_of};
use crate::schema::Scalar;
use crate::wire::{Reader, Wire};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// What is left of the bounds.
#[derive(Debug)]
pub(super) struct Budget {
    values: usize,
    depth: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { values: VALUES, depth: DEPTH }
    }

    fn spend(&mut self) -> Result<(), DecodeError> {
        self.values = self.values.checked_sub(1).ok_or(DecodeError::Values)?;
        Ok(())
    }

    /// One level down and up again.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.depth = self.depth.checked_sub(1).ok_or(DecodeError::Depth)?;
        let done = read(self);
        self.depth += 1;
        done
    }
}

/// Text of these bytes.
pub(super) fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Text)
}

/// An object with its envelope.
pub(super) fn enveloped(
    bytes: &[u8],
    expected: Option<(&str, &str)>,
    budget: &mut Budget,
) -> Result<Value, DecodeError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::Magic)?;
    let (mut api_version, mut kind, mut raw): (&str, &str, &[u8]) = ("", "", b"");
    let mut reader = Reader(rest);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Wire::Bytes(meta)) => {
                let mut reader = Reader(meta);
                while let Some((number, value)) = reader.field()? {
                    match (number, value) {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    if let (Some((version, name)), "") = (expected, kind) {
        kind = name;
        api_version = if api_version.is_empty() { version } else { api_version };
    }
    let number = type_of(api_version, kind).ok_or_else(|| DecodeError::Kind {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    })?;
    let mut fields = Map::new();
    fields.insert("kind".into(), kind.into());
    fields.insert("apiVersion".into(), api_version.into());
    match body(number, raw, budget)? {
        Some(Value::Object(inner)) => fields.extend(inner),
        Some(other) => return Ok(other),
        None => {}
    }
    Ok(Value::Object(fields))
}

/// The message of a type; none for one that says nothing at all.
pub(super) fn body(
    number: u16,
    bytes: &[u8],
    budget: &mut Budget,
) -> Result<Option<Value>, DecodeError> {
    budget.spend()?;
    budget.nested(|budget| match message::of(number) {
        Some(Message::Plain(entries)) => {
            let mut fields = Map::new();
            parts(entries, bytes, &mut fields, budget)?;
            Ok(Some(Value::Object(fields)))
        }
        Some(special) => special::decode(special, bytes, budget),
        None => Ok(None),
    })
}

fn parts(
    entries: &[Entry],
    bytes: &[u8],
    fields: &mut Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        let at = entries.binary_search_by(|entry| u32::from(entry.number).cmp(&number));
        // What is not known is of a newer client, and skipped.
        let Some(entry) = at.ok().and_then(|at| entries.get(at)) else { continue };
        match &entry.part {
            Part::Inline(inner) => {
                let Wire::Bytes(bytes) = wire else { return Err(DecodeError::Broken) };
                budget.nested(|budget| parts(inner, bytes, fields, budget))?;
            }
            Part::Field(field) => put(field, wire, fields, budget)?,
        }
    }
    Ok(())
}

fn put(
    field: &Field,
    wire: Wire<'_>,
    fields: &mut Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    match &field.kind {
        Kind::List(item) => {
            let list = fields.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = list else { return Ok(()) };
            budget.nested(|budget| items(field, item, wire, list, budget))
        }
        Kind::Map(inner) => {
            let (key, value) = budget.nested(|budget| pair(field, inner, wire, budget))?;
            let map = fields.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(key, value);
            }
            Ok(())
        }
        kind => {
            let value = one(field, kind, wire, budget)?;
            match value.filter(|value| field.keeps_zero || !is_zero(kind, value)) {
                Some(value) => {
                    merge(fields, field.name, value);
                }
                None => {
                    fields.shift_remove(field.name);
                }
            }
            Ok(())
        }
    }
}

/// A message that comes in two parts is both of them.
fn merge(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match (fields.get_mut(name), value) {
        (Some(Value::Object(known)), Value::Object(value)) => known.extend(value),
        (_, value) => {
            fields.insert(name.to_owned(), value);
        }
    }
}

/// Whether Go's JSON would leave it out.
fn is_zero(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        // A struct that is not a pointer is always printed, and so is a quantity.
        (Kind::Scalar(Scalar::Quantity) | Kind::Message(_), _) => false,
        (_, Value::Bool(truth)) => !truth,
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Number(figure)) => figure.as_f64() == Some(0.0),
        (_, Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

/// One item, or several numbers packed.
fn items(
    field: &Field,
    item: &Kind,
    wire: Wire<'_>,
    list: &mut Vec<Value>,
    budget: &mut Budget,
) -> Result<(), DecodeError> {
    let number = matches!(item, Kind::Scalar(Scalar::Boolean | Scalar::Int32 | Scalar::Int64));
    if let (true, Wire::Bytes(bytes)) = (number, wire) {
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let wire = Wire::Varint(reader.varint()?);
            list.extend(one(field, item, wire, budget)?);
        }
        return Ok(());
    }
    list.push(one(field, item, wire, budget)?.unwrap_or_default());
    Ok(())
}

fn pair(
    field: &Field,
    inner: &Kind,
    wire: Wire<'_>,
    budget: &mut Budget,
) -> Result<(String, Value), DecodeError> {
    let Wire::Bytes(bytes) = wire else { return Err(DecodeError::Broken) };
    budget.spend()?;
    let (mut key, mut value) = (String::new(), None);
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?.to_owned(),
            (2, wire) => value = one(field, inner, wire, budget)?,
            _ => {}
        }
    }
    let empty = || match inner {
        Kind::Scalar(Scalar::String | Scalar::Bytes) => Value::from(""),
        Kind::Scalar(Scalar::Quantity) => Value::from("0"),
        Kind::Scalar(Scalar::Time | Scalar::MicroTime) => Value::Null,
        Kind::Message(_) => Value::Object(Map::new()),
        Kind::Wrapped(_) => Value::Array(Vec::new()),
        _ => Value::from(0),
    };
    Ok((key, value.unwrap_or_else(empty)))
}

fn one(
    field: &Field,
    kind: &Kind,
    wire: Wire<'_>,
    budget: &mut Budget,
) -> Result<Option<Value>, DecodeError> {
    budget.spend()?;
    let wrong = DecodeError::Value { field: field.name };
    match (kind, wire) {
        (Kind::Scalar(kind), wire) => scalar(*kind, wire, wrong),
        (Kind::Message(number), Wire::Bytes(bytes)) => body(*number, bytes, budget),
        (Kind::Wrapped(item), Wire::Bytes(bytes)) => {
            let mut list = Vec::new();
            let mut reader = Reader(bytes);
            while let Some((number, wire)) = reader.field()? {
                if number == 1 {
                    items(field, item, wire, &mut list, budget)?;
                }
            }
            Ok(Some(Value::Array(list)))
        }
        _ => Err(wrong),
    }
}

fn scalar(kind: Scalar, wire: Wire<'_>, wrong: DecodeError) -> Result<Option<Value>, DecodeError> {
    Ok(Some(match (kind, wire) {
        (Scalar::Boolean, Wire::Varint(bits)) => Value::Bool(bits != 0),
        // The low half of the bits, as Go reads it.
        (Scalar::Int32, Wire::Varint(bits)) => Value::from(bits as i32),
        (Scalar::Int64, Wire::Varint(bits)) => Value::from(bits as i64),
        (Scalar::Double, Wire::Fixed64(bits)) if f64::from_bits(bits).is_finite() => {
            Value::from(f64::from_bits(bits))
        }
        (Scalar::String | Scalar::Duration, Wire::Bytes(bytes)) => Value::from(text(bytes)?),
        (Scalar::Bytes, Wire::Bytes(bytes)) => Value::from(BASE64_STANDARD.encode(bytes)),
        (Scalar::Quantity, Wire::Bytes(bytes)) => {
            let mut figure = "0";
            let mut reader = Reader(bytes);
            while let Some((number, wire)) = reader.field()? {
                match (number, wire) {
                    (1, Wire::Bytes(bytes)) if !bytes.is_empty() => figure = text(bytes)?,
                    _ => {}
                }
            }
            Value::from(figure)
        }
        (Scalar::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(bytes)) => {
            return moment(bytes, kind, wrong);
        }
        _ => return Err(wrong),
    }))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (mut is_text, mut figure, mut name) = (false, 0_i32, "");
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Varint(bits)) => is_text = bits != 0,
            (2, Wire::Varint(bits)) => figure = bits as i32,
            (3, Wire::Bytes(bytes)) => name = text(bytes)?,
            _ => {}
        }
    }
    Ok(if is_text { name.into() } else { figure.into() })
}

/// A moment; an empty message is none.
fn moment(bytes: &[u8], kind: Scalar, wrong: DecodeError) -> Result<Option<Value>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Varint(bits)) => seconds = bits as i64,
            (2, Wire::Varint(bits)) => nanos = bits as i32,
            _ => {}
        }
    }
    let micros = match kind {
        Scalar::MicroTime => Some(u32::try_from(nanos / 1000).unwrap_or_default().min(999_999)),
        _ => None,
    };
    time::print(seconds, micros).map(|text| Some(text.into())).ok_or(wrong)
}
