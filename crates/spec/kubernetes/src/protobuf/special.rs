//! Messages whose JSON is not an object of fields: JSON kept as bytes, and schemas that may be
//! something else than a schema.

use super::MAGIC;
use super::decode::{self, Budget};
use super::encode::{self, wrong};
use super::error::{DecodeError, EncodeError};
use super::message::Message;
use crate::types;
use crate::wire::{Reader, Wire, Writer};
use serde_json::Value;

const PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

fn schema_number() -> u16 {
    types::number(PROPS).unwrap_or(u16::MAX)
}

pub(super) fn encode(
    out: &mut Writer,
    message: &Message,
    value: &Value,
    name: &'static str,
    depth: usize,
) -> Result<(), EncodeError> {
    let schema = |out: &mut Writer, number: u16, value: &Value| {
        out.try_message(number, |out| encode::body(out, schema_number(), value, name, depth))
    };
    match (message, value) {
        // A client that speaks protobuf reads an object in the same words; anything else is JSON.
        (Message::Raw | Message::Json, value) => {
            out.text(1, &value.to_string());
            Ok(())
        }
        (Message::SchemaOrList, Value::Array(list)) => {
            list.iter().try_for_each(|each| schema(out, 2, each))
        }
        (Message::SchemaOrBool, Value::Bool(allowed)) => {
            out.number(1, i64::from(*allowed));
            Ok(())
        }
        (Message::SchemaOrBool, value @ Value::Object(_)) => {
            // Go takes a schema to allow something, and says so.
            out.number(1, 1);
            schema(out, 2, value)
        }
        (Message::SchemaOrTexts, Value::Array(list)) => list.iter().try_for_each(|each| {
            out.text(2, each.as_str().ok_or_else(|| wrong(name, each, "text"))?);
            Ok(())
        }),
        (_, value @ Value::Object(_)) => schema(out, 1, value),
        (_, value) => Err(wrong(name, value, "a schema or what may stand for one")),
    }
}

pub(super) fn decode(
    message: &Message,
    bytes: &[u8],
    budget: &mut Budget,
) -> Result<Option<Value>, DecodeError> {
    let mut found = None;
    let mut list = Vec::new();
    let mut allowed = None;
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (message, number, wire) {
            (Message::Raw | Message::Json, 1, Wire::Bytes(bytes)) => found = raw(bytes, budget)?,
            (Message::SchemaOrBool, 1, Wire::Varint(bits)) => allowed = Some(bits != 0),
            (Message::SchemaOrTexts, 2, Wire::Bytes(bytes)) => {
                list.push(decode::text(bytes)?.into());
            }
            (Message::SchemaOrList, 2, Wire::Bytes(bytes)) => {
                list.extend(decode::body(schema_number(), bytes, budget)?);
            }
            (Message::SchemaOrBool, 2, Wire::Bytes(bytes))
            | (Message::SchemaOrList | Message::SchemaOrTexts, 1, Wire::Bytes(bytes)) => {
                found = decode::body(schema_number(), bytes, budget)?;
            }
            _ => {}
        }
    }
    Ok(match message {
        Message::SchemaOrBool => Some(found.unwrap_or(Value::Bool(allowed.unwrap_or_default()))),
        Message::SchemaOrList | Message::SchemaOrTexts if !list.is_empty() => Some(list.into()),
        Message::SchemaOrTexts => found.or_else(|| Some(Value::Array(Vec::new()))),
        _ => found,
    })
}

/// JSON, or an object with its envelope.
fn raw(bytes: &[u8], budget: &mut Budget) -> Result<Option<Value>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.starts_with(&MAGIC) {
        return budget.nested(|budget| decode::enveloped(bytes, None, budget)).map(Some);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(DecodeError::Json)?;
    Ok(Some(value).filter(|value| !value.is_null()))
}
