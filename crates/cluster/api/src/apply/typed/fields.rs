//! The paths that a configuration sets: its leaves, its items, and what is empty.

use super::super::element::Element;
use super::super::set::Set;
use super::{Atom, atom_of, element_of, field_of};
use serde_json::Value;
use teu_kubernetes::Schema;

/// Paths of a value.
pub(crate) fn fields_of(value: &Value, schema: &Schema) -> Set {
    let mut set = Set::default();
    collect(value, schema, &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, set: &mut Set) {
    let atom = atom_of(schema, Some(value));
    if atom.is_atomic() {
        set.here = true;
        return;
    }
    match (atom, value) {
        (Atom::Scalar(_), _) => set.here = true,
        (Atom::List(item, kind), Value::Array(items)) => {
            for (at, value) in items.iter().enumerate() {
                let Ok(element) = element_of(item, kind, at, value) else { continue };
                let child = set.below.entry(element).or_default();
                collect(value, item, child);
                child.here = true;
            }
        }
        (Atom::Map(schema, _), Value::Object(fields)) => {
            for (name, value) in fields {
                let child = set.below.entry(Element::Field(name.clone())).or_default();
                collect(value, schema, child);
                child.here = true;
            }
        }
        (Atom::Struct(shape), Value::Object(fields)) => {
            for (name, value) in fields {
                let mut child = Set::default();
                collect(value, field_of(shape, name), &mut child);
                let is_bare =
                    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                child.here |= is_bare || shape.field(name).is_none();
                if !child.is_empty() {
                    set.below.insert(Element::Field(name.clone()), child);
                }
            }
        }
        _ => {}
    }
}
