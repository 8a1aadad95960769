//! A value is made what its schema says.
//!
//! Inside of built-in types values are checked as Go's decoder does, and nulls go. In what a custom
//! resource describes they are left for its validation, which has other words for them.

use super::{DecodeError, Decoded, go};
use crate::quantity::Quantity;
use serde_json::{Map, Value};
use teu_kubernetes::{Scalar, Schema, Shape};

/// Makes a document fit: unknown fields go and become faults.
pub fn fit(decoded: &mut Decoded, schema: &Schema) -> Result<(), DecodeError> {
    let mut value = std::mem::take(&mut decoded.value);
    let place = Place { path: String::new(), go_path: String::new(), holder: "", built_in: false };
    let fitted = Fitter { decoded }.value(&mut value, schema, &place);
    decoded.value = value;
    fitted
}

/// Where a value is.
struct Place {
    /// `spec.ports[0].name`.
    path: String,
    /// Likewise without indices.
    go_path: String,
    /// The built-in struct around it.
    holder: &'static str,
    /// Whether that is a built-in type.
    built_in: bool,
}

impl Place {
    fn field(&self, name: &str) -> Self {
        let join = |path: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        Self { path: join(&self.path), go_path: join(&self.go_path), ..*self }
    }

    fn item(&self, at: usize) -> Self {
        let path = format!("{}[{at}]", self.path);
        Self { path, go_path: self.go_path.clone(), ..*self }
    }
}

struct Fitter<'a> {
    decoded: &'a mut Decoded,
}

impl Fitter<'_> {
    fn value(
        &mut self,
        value: &mut Value,
        schema: &Schema,
        place: &Place,
    ) -> Result<(), DecodeError> {
        // A struct that is no struct is a fault of the field that holds it.
        let outer = place;
        let inner;
        let place = match schema.shape {
            Shape::Named(number) => {
                let (path, go_path) = (place.path.clone(), place.go_path.clone());
                inner = Place { path, go_path, holder: go::struct_name(number), built_in: true };
                &inner
            }
            _ => place,
        };
        match (&schema.resolve().shape, &mut *value) {
            (Shape::Struct(shape), Value::Object(fields)) => {
                let mut unknown = Vec::new();
                for (name, value) in fields.iter_mut() {
                    match shape.field(name) {
                        Some(_) if value.is_null() && place.built_in => {}
                        Some(field) => {
                            self.value(value, &field.schema, &place.field(name))?;
                        }
                        None if shape.preserve_unknown => {}
                        None => unknown.push(name.clone()),
                    }
                }
                for name in unknown {
                    let path = place.field(&name).path;
                    self.decoded.fault(format!("unknown field {path:?}"));
                    fields.shift_remove(&name);
                }
                if place.built_in {
                    fields.retain(|_, value| !value.is_null());
                }
                Ok(())
            }
            (Shape::Map(shape), Value::Object(fields)) => self.map(fields, &shape.value, place),
            (Shape::List(shape), Value::Array(items)) => {
                for (at, value) in items.iter_mut().enumerate() {
                    let place = place.item(at);
                    if value.is_null() && place.built_in {
                        *value = zero(&shape.item);
                    }
                    self.value(value, &shape.item, &place)?;
                }
                Ok(())
            }
            (Shape::Any | Shape::Named(_), _) => Ok(()),
            _ if !place.built_in => Ok(()),
            (Shape::Scalar(kind), _) => scalar(value, *kind, schema, place),
            (_, Value::Null) => Ok(()),
            _ => Err(mismatch(go::value_name(value), &go::type_name(schema), outer)),
        }
    }

    fn map(
        &mut self,
        fields: &mut Map<String, Value>,
        schema: &Schema,
        place: &Place,
    ) -> Result<(), DecodeError> {
        for (name, value) in fields.iter_mut() {
            if value.is_null() && place.built_in {
                *value = zero(schema);
            }
            self.value(value, schema, &place.field(name))?;
        }
        Ok(())
    }
}

/// What Go makes of `null` where a value has to be.
fn zero(schema: &Schema) -> Value {
    match &schema.resolve().shape {
        Shape::Scalar(Scalar::Boolean) => false.into(),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => 0.into(),
        Shape::Scalar(Scalar::Quantity) => "0".into(),
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) | Shape::Any | Shape::Named(_) => {
            Value::Null
        }
        Shape::Scalar(Scalar::Duration) => "0s".into(),
        Shape::Scalar(Scalar::IntOrString) => 0.into(),
        Shape::Scalar(_) => "".into(),
        Shape::Struct(_) => Value::Object(Map::new()),
        Shape::List(_) | Shape::Map(_) => Value::Null,
    }
}

fn scalar(value: &Value, kind: Scalar, schema: &Schema, place: &Place) -> Result<(), DecodeError> {
    let wrong = |what: &str| Err(mismatch(what, &go::type_name(schema), place));
    match (kind, value) {
        (_, Value::Null) => Ok(()),
        (Scalar::Boolean, Value::Bool(_)) | (Scalar::String, Value::String(_)) => Ok(()),
        (Scalar::Double, Value::Number(_)) => Ok(()),
        (Scalar::Int32, Value::Number(number)) => {
            match number.as_i64().and_then(|it| i32::try_from(it).ok()) {
                Some(_) => Ok(()),
                None => wrong(&format!("number {number}")),
            }
        }
        (Scalar::Int64, Value::Number(number)) => match number.as_i64() {
            Some(_) => Ok(()),
            None => wrong(&format!("number {number}")),
        },
        (Scalar::Bytes, Value::String(text)) => base64(text),
        (Scalar::Quantity, value) => match Quantity::from_value(value) {
            Ok(_) => Ok(()),
            Err(error) => Err(DecodeError::Type(error.to_string())),
        },
        (Scalar::IntOrString, Value::String(_)) => Ok(()),
        (Scalar::IntOrString, Value::Number(number)) => {
            match number.as_i64().and_then(|it| i32::try_from(it).ok()) {
                Some(_) => Ok(()),
                None => Err(bare(&format!("number {number}"), "int32")),
            }
        }
        (Scalar::IntOrString, other) => Err(bare(go::value_name(other), "int32")),
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => time(text, kind),
        (Scalar::Duration, Value::String(text)) => duration(text),
        (Scalar::Time | Scalar::MicroTime | Scalar::Duration, other) => {
            Err(bare(go::value_name(other), "string"))
        }
        (_, other) => wrong(go::value_name(other)),
    }
}

fn mismatch(what: &str, expected: &str, place: &Place) -> DecodeError {
    if place.holder.is_empty() || place.go_path.is_empty() {
        return bare(what, expected);
    }
    DecodeError::Type(format!(
        "json: cannot unmarshal {what} into Go struct field {}.{} of type {expected}",
        place.holder, place.go_path
    ))
}

/// Of a type that decodes itself.
fn bare(what: &str, expected: &str) -> DecodeError {
    DecodeError::Type(format!("json: cannot unmarshal {what} into Go value of type {expected}"))
}

fn base64(text: &str) -> Result<(), DecodeError> {
    let kept: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\n' | b'\r')).collect();
    let padding = kept.iter().rev().take_while(|(_, byte)| *byte == b'=').count().min(2);
    let body = kept.get(..kept.len() - padding).unwrap_or_default();
    let bad = body
        .iter()
        .find(|(_, byte)| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'/'))
        .map(|(at, _)| *at)
        .or_else(|| (!kept.len().is_multiple_of(4)).then_some(kept.len() / 4 * 4));
    match bad {
        None => Ok(()),
        Some(at) => Err(DecodeError::Type(format!("illegal base64 data at input byte {at}"))),
    }
}

fn time(text: &str, kind: Scalar) -> Result<(), DecodeError> {
    let layout = match kind {
        Scalar::MicroTime => "2006-01-02T15:04:05.000000Z07:00",
        _ => "2006-01-02T15:04:05Z07:00",
    };
    if crate::time::is_rfc3339(text) {
        return Ok(());
    }
    Err(DecodeError::Type(format!(
        "parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""
    )))
}

fn duration(text: &str) -> Result<(), DecodeError> {
    if crate::time::is_duration(text) {
        return Ok(());
    }
    Err(DecodeError::Type(format!("time: invalid duration {text:?}")))
}
