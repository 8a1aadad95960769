//! Lines of the table become a [`Schema`].

use super::line::{Line, Value};
use crate::schema::{
    Field, ListKind, ListShape, MapShape, PatchRule, Scalar, Schema, Shape, StructShape,
};
use std::borrow::Cow;

/// A type of these flags and fields.
pub(super) fn schema(flags: &'static str, lines: impl Iterator<Item = Line>) -> Schema {
    let atomic = match flags {
        "" => false,
        "atomic" => true,
        // A raw extension and the like: whatever JSON is there.
        _ => return Schema::any(),
    };
    let fields = lines.map(|line| field(&line)).collect();
    Schema::of(Shape::Struct(Box::new(StructShape { fields, atomic, ..StructShape::default() })))
}

fn field(line: &Line) -> Field {
    Field {
        name: Cow::Borrowed(line.name),
        schema: shape(line.shape, line),
        required: line.has("required"),
        tag: line.path().next_back().unwrap_or_default(),
        patch: PatchRule {
            merge: line.has("merge") || line.value("merge").is_some(),
            merge_key: line.value("merge").map(Cow::Borrowed),
            retain_keys: line.has("retain"),
            replace: line.has("replace"),
        },
        default: line
            .value("default")
            .and_then(|text| serde_json::from_str(text).ok())
            .or_else(|| is_always_there(line).then(|| serde_json::json!({}))),
    }
}

/// Whether a field is a struct and no pointer: it is there even when nothing is said of it, which
/// OpenAPI writes as an empty default.
fn is_always_there(line: &Line) -> bool {
    let Value::Type(name) = line.shape else { return false };
    let slot = super::number(name).and_then(|number| super::SLOTS.get(usize::from(number)));
    !line.has("pointer") && slot.is_some_and(|slot| matches!(slot.flags, "" | "atomic"))
}

fn shape(value: Value, line: &Line) -> Schema {
    let inner = |text| shape(Value::parse(text), line);
    Schema::of(match value {
        Value::List(item) => {
            Shape::List(Box::new(ListShape { item: inner(item), kind: list_kind(line) }))
        }
        Value::Map(value) => {
            Shape::Map(Box::new(MapShape { value: inner(value), atomic: line.has("atomic") }))
        }
        Value::Type(name) if line.has("granular") => granular(name),
        Value::Type(name) => super::number(name).map_or(Shape::Any, Shape::Named),
        Value::Scalar(name) => scalar(name).map_or(Shape::Any, Shape::Scalar),
    })
}

/// A type that is one value elsewhere, but whose fields are owned one by one here.
fn granular(name: &str) -> Shape {
    let schema = super::number(name).and_then(super::schema);
    match schema.map(|schema| &schema.shape) {
        Some(Shape::Struct(shape)) => {
            Shape::Struct(Box::new(StructShape { atomic: false, ..StructShape::clone(shape) }))
        }
        _ => Shape::Any,
    }
}

/// The list's own word; without one, a list that patches merge is told apart by their key.
fn list_kind(line: &Line) -> ListKind {
    let keys = |text: &'static str| ListKind::Map(text.split(',').map(Cow::Borrowed).collect());
    if let Some(list) = line.value("map") {
        keys(list)
    } else if line.has("set") {
        ListKind::Set
    } else if line.has("atomic") {
        ListKind::Atomic
    } else if let Some(key) = line.value("merge") {
        keys(key)
    } else if line.has("merge") {
        ListKind::Set
    } else {
        ListKind::Atomic
    }
}

/// A scalar by its name in the table.
pub(crate) fn scalar(name: &str) -> Option<Scalar> {
    Some(match name {
        "bool" => Scalar::Boolean,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "double" => Scalar::Double,
        "string" => Scalar::String,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "int-or-string" => Scalar::IntOrString,
        "time" => Scalar::Time,
        "microtime" => Scalar::MicroTime,
        "duration" => Scalar::Duration,
        _ => return None,
    })
}
