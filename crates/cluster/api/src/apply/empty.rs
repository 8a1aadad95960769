//! Objects with nothing in them, and nothing instead of null.

use super::typed::{Atom, atom_of, field_of};
use serde_json::{Map, Value};
use teu_kubernetes::{Schema, Shape};

/// Levels of structs that are filled in.
const MAX_LEVELS: usize = 8;

/// An object of a type before anything is said of it: structs that are always there are there, and
/// nobody comes to own them by naming a field in them.
pub(super) fn object(schema: &Schema, api_version: &str, kind: &str) -> Value {
    let mut object = structs(schema, MAX_LEVELS);
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    Value::Object(object)
}

/// The structs in a type that are never absent: those whose default is an empty one. Required
/// lists are null, which is there too.
fn structs(schema: &Schema, levels: usize) -> Map<String, Value> {
    let mut fields = Map::new();
    let Some(shape) = schema.as_struct().filter(|_| levels > 0) else { return fields };
    for field in &shape.fields {
        if field.default.as_ref().and_then(Value::as_object).is_some_and(Map::is_empty) {
            fields.insert(field.name.to_string(), structs(&field.schema, levels - 1).into());
        } else if field.required && matches!(field.schema.shape, Shape::List(_) | Shape::Map(_)) {
            fields.insert(field.name.to_string(), Value::Null);
        }
    }
    fields
}

/// Takes nulls out of what is one value as a whole: it is stored without them, and would differ from
/// itself the next time. Elsewhere a null is a claim.
pub(super) fn settle_atomics(value: &mut Value, schema: &Schema) {
    let atom = atom_of(schema, Some(value));
    if atom.is_atomic() {
        return drop_nulls(value, schema);
    }
    match (atom, value) {
        (Atom::List(item, _), Value::Array(items)) => {
            items.iter_mut().for_each(|value| settle_atomics(value, item));
        }
        (Atom::Map(schema, _), Value::Object(fields)) => {
            fields.values_mut().for_each(|value| settle_atomics(value, schema));
        }
        (Atom::Struct(shape), Value::Object(fields)) => {
            for (name, value) in fields.iter_mut() {
                settle_atomics(value, field_of(shape, name));
            }
        }
        _ => {}
    }
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
