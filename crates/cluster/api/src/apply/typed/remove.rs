//! An object without some of its paths.

use super::super::element::Element;
use super::super::set::Set;
use super::{Atom, atom_of, element_of, field_of};
use serde_json::{Map, Value};
use teu_kubernetes::Schema;

/// Takes paths away; nothing if nothing is left. What is empty anyway goes too.
pub(crate) fn remove(value: &Value, gone: &Set, schema: &Schema) -> Option<Value> {
    let atom = atom_of(schema, Some(value));
    match (atom, value) {
        (Atom::Scalar(_), _) => Some(value.clone()),
        _ if atom.is_atomic() => None,
        (Atom::List(item, kind), Value::Array(items)) => {
            let mut left = Vec::with_capacity(items.len());
            for (at, value) in items.iter().enumerate() {
                let set = element_of(item, kind, at, value).ok();
                let set = set.and_then(|element| gone.child(&element));
                left.extend(without(value, set, item));
            }
            (!left.is_empty()).then_some(Value::Array(left))
        }
        (Atom::Map(schema, _), Value::Object(fields)) => maps(fields, gone, |_| schema),
        (Atom::Struct(shape), Value::Object(fields)) => {
            maps(fields, gone, |name| field_of(shape, name))
        }
        _ => None,
    }
}

fn maps<'a>(
    fields: &Map<String, Value>,
    gone: &Set,
    schema_of: impl Fn(&str) -> &'a Schema,
) -> Option<Value> {
    let mut left = Map::new();
    for (name, value) in fields {
        let set = gone.child(&Element::Field(name.clone()));
        if let Some(value) = without(value, set, schema_of(name)) {
            left.insert(name.clone(), value);
        }
    }
    (!left.is_empty()).then_some(Value::Object(left))
}

fn without(value: &Value, set: Option<&Set>, schema: &Schema) -> Option<Value> {
    match set {
        None => Some(value.clone()),
        Some(set) if set.here => None,
        // A part whose parts are all gone is still there, as nothing.
        Some(set) => Some(remove(value, set, schema).unwrap_or(Value::Null)),
    }
}
