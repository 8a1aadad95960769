//! A request's body: parsed once, into one value that authorisation and handler both read.
//!
//! Go takes `null` for any zero value, so nulls are dropped here and every field of a request has a
//! default. A key that stands twice is refused: Go takes the last, others the first, and a check that
//! read the one would not have seen the other (CVE-2024-41110 and its kin).

use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Why a body was not understood.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or a key twice.
    #[error("invalid JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A field of another type than it should be.
    #[error("invalid JSON: {0}")]
    Shape(#[source] serde_json::Error),
}

/// Reads a body. An empty one is an empty object, as many clients send.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    T::deserialize(value(bytes)?).map_err(BodyError::Shape)
}

/// The body as a value without nulls.
pub fn value(bytes: &[u8]) -> Result<Value, BodyError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = reader.deserialize_any(Once).map_err(BodyError::Syntax)?;
    reader.end().map_err(BodyError::Syntax)?;
    Ok(value.unwrap_or_else(|| Value::Object(Map::new())))
}

/// A value in which every key stands once; `None` for null.
struct Once;

impl<'de> de::DeserializeSeed<'de> for Once {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map(Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::String(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = list.next_element_seed(Once)? {
            all.extend(value);
        }
        Ok(Some(Value::Array(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Map::new();
        let mut nulls = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if all.contains_key(&key) || nulls.contains(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} stands twice")));
            }
            match map.next_value_seed(Once)? {
                Some(value) => drop(all.insert(key, value)),
                None => nulls.push(key),
            }
        }
        Ok(Some(Value::Object(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::CreateBody;

    #[test]
    fn a_key_stands_once() {
        for (text, good) in [
            (r#"{"a":1,"b":{"a":1}}"#, true),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"a":null,"a":2}"#, false),
            (r#"{"x":[{"HostConfig":{},"HostConfig":{"Privileged":true}}]}"#, false),
            (r#"{"a":1} {"b":2}"#, false),
            ("", true),
            ("null", true),
            ("{", false),
        ] {
            assert_eq!(value(text.as_bytes()).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn null_is_a_default() {
        let body: CreateBody =
            parse(br#"{"Image":"x","Cmd":null,"Env":null,"HostConfig":{"Binds":null,"Memory":5}}"#)
                .unwrap();
        assert_eq!(body.image, "x");
        assert_eq!(body.host_config.limits.memory, 5);
        assert!(parse::<CreateBody>(br#"{"Image":5}"#).is_err());
    }
}
