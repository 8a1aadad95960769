//! Where a configuration touches something that is one value as a whole.

use super::super::element::Element;
use super::super::set::Path;
use super::{Atom, atom_of, element_of, field_of};
use serde_json::Value;
use teu_kubernetes::Schema;

/// The first such place.
pub(crate) fn first_atomic(value: &Value, schema: &Schema) -> Option<Path> {
    let mut path = Vec::new();
    find(value, schema, &mut path).then_some(Path(path))
}

fn find(value: &Value, schema: &Schema, path: &mut Vec<Element>) -> bool {
    let atom = atom_of(schema, Some(value));
    if atom.is_atomic() {
        return true;
    }
    let mut step = |element: Element, value: &Value, schema: &Schema| {
        path.push(element);
        let found = find(value, schema, path);
        if !found {
            path.pop();
        }
        found
    };
    match (atom, value) {
        (Atom::List(item, kind), Value::Array(items)) => {
            items.iter().enumerate().any(|(at, value)| {
                element_of(item, kind, at, value).is_ok_and(|element| step(element, value, item))
            })
        }
        (Atom::Map(schema, _), Value::Object(fields)) => {
            fields.iter().any(|(name, value)| step(Element::Field(name.clone()), value, schema))
        }
        (Atom::Struct(shape), Value::Object(fields)) => fields
            .iter()
            .any(|(name, value)| step(Element::Field(name.clone()), value, field_of(shape, name))),
        _ => false,
    }
}
