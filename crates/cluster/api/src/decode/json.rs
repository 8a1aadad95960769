//! JSON, with the paths of fields that are said twice.

use super::{DecodeError, Decoded, MAX_BYTES, MAX_DEPTH};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

const TOO_DEEP: &str = "exceeded max depth";

/// Reads one document.
pub fn json(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() > MAX_BYTES {
        return Err(DecodeError::TooLong);
    }
    let mut decoded = Decoded::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut path = String::new();
    let node = Node { decoded: &mut decoded, path: &mut path, depth: 0 };
    let value = node.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(value) => {
            decoded.value = value;
            Ok(decoded)
        }
        Err(error) if error.to_string().starts_with(TOO_DEEP) => {
            Err(DecodeError::TooDeep { line: error.line() })
        }
        Err(error) => Err(DecodeError::Json(worded(bytes, &error))),
    }
}

/// The error as Go words it, where it is one of the common ones.
fn worded(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = line.get(error.column().saturating_sub(1)..).and_then(|rest| rest.chars().next());
    match at {
        Some(letter) if error.to_string().starts_with("expected") => {
            let what = match error.to_string() {
                text if text.starts_with("expected value") => "looking for beginning of value",
                text if text.starts_with("expected `:`") => "after object key",
                text if text.starts_with("expected `,` or `}`") => "after object key:value pair",
                text if text.starts_with("expected `,` or `]`") => "after array element",
                _ => "in literal",
            };
            format!("invalid character {letter:?} {what}")
        }
        _ => format!("invalid JSON: {error}"),
    }
}

struct Node<'a> {
    decoded: &'a mut Decoded,
    /// Where we are: `spec.ports[0]`.
    path: &'a mut String,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let length = self.path.len();
        let mut items = Vec::new();
        loop {
            self.path.push_str(&format!("[{}]", items.len()));
            let node = Node { decoded: self.decoded, path: self.path, depth: self.depth + 1 };
            let item = reader.next_element_seed(node)?;
            self.path.truncate(length);
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let length = self.path.len();
        let mut fields = Map::new();
        while let Some(name) = reader.next_key::<String>()? {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(&name);
            if fields.contains_key(&name) {
                self.decoded.fault(format!("duplicate field {:?}", self.path));
            }
            let node = Node { decoded: self.decoded, path: self.path, depth: self.depth + 1 };
            let value = reader.next_value_seed(node)?;
            self.path.truncate(length);
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

impl Node<'_> {
    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH { Err(E::custom(TOO_DEEP)) } else { Ok(()) }
    }
}
