//! Objects with nothing in them, and nothing instead of null.

use super::typed::{Atom, atom_of, field_of};
use serde_json::{Map, Value};
use teu_kubernetes::{Schema, Shape};

/// Levels of required structs that are filled in.
const MAX_LEVELS: usize = 8;

/// An object of a type before anything is said of it: structs that are always there are there, and
/// nobody comes to own them by naming a field in them.
pub(super) fn object(schema: &Schema, api_version: &str, kind: &str) -> Value {
    let mut object = match structs(schema, MAX_LEVELS) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    // Objects of built-in types have these whether they say so or not.
    for name in ["metadata", "spec", "status"] {
        let is_there = schema.as_struct().is_some_and(|shape| {
            shape.field(name).is_some_and(|field| matches!(field.schema.shape, Shape::Named(_)))
        });
        if (is_there || name == "metadata") && !object.contains_key(name) {
            object.insert(name.to_owned(), Value::Object(Map::new()));
        }
    }
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Value::Object(object)
}

/// The structs in a type that are never absent: those with an empty default, and required fields.
fn structs(schema: &Schema, levels: usize) -> Value {
    let mut fields = Map::new();
    let Some(shape) = schema.as_struct().filter(|_| levels > 0) else { return Value::Null };
    for field in &shape.fields {
        let empty = field.default.as_ref().and_then(Value::as_object).is_some_and(Map::is_empty);
        let built_in = matches!(field.schema.shape, Shape::Named(_));
        if empty || field.required && built_in {
            let below = structs(&field.schema, levels - 1);
            let below = if below.is_null() { Value::Object(Map::new()) } else { below };
            fields.insert(field.name.to_string(), below);
        }
    }
    Value::Object(fields)
}

/// Takes nulls out where the schema does not let them stand for a value.
pub(super) fn drop_nulls(value: &mut Value, schema: &Schema) {
    let atom = atom_of(schema, Some(value));
    match (atom, value) {
        (Atom::List(item, _), Value::Array(items)) => {
            items.iter_mut().for_each(|value| drop_nulls(value, item));
        }
        (Atom::Map(schema, _), Value::Object(fields)) => {
            fields.retain(|_, value| !value.is_null() || is_free(schema));
            fields.values_mut().for_each(|value| drop_nulls(value, schema));
        }
        (Atom::Struct(shape), Value::Object(fields)) => {
            fields.retain(|name, value| !value.is_null() || is_free(field_of(shape, name)));
            for (name, value) in fields.iter_mut() {
                drop_nulls(value, field_of(shape, name));
            }
        }
        _ => {}
    }
}

fn is_free(schema: &Schema) -> bool {
    schema.nullable || matches!(schema.resolve().shape, Shape::Any)
}
