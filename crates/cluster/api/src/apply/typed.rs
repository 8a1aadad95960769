//! Values as the schema sees them: what is a leaf, what has parts, how an item of a list is told
//! apart. Where the schema says nothing the value decides: maps have parts, lists do not.

mod atomic;
mod check;
mod compare;
mod fields;
mod merge;
mod remove;

pub(super) use atomic::first_atomic;
pub(super) use check::check;
pub(super) use compare::compare;
pub(super) use fields::fields_of;
pub(super) use merge::merge;
pub(super) use remove::remove;

use super::element::Element;
use serde_json::Value;
use teu_kubernetes::{ListKind, Scalar, Schema, Shape, StructShape};

static ANYTHING: Schema = Schema::any();

/// What one value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Atom<'a> {
    /// Without parts; of this kind, if it is known.
    Scalar(Option<Scalar>),
    /// An array.
    List(&'a Schema, &'a ListKind),
    /// An object whose keys are data; whether it is one value as a whole.
    Map(&'a Schema, bool),
    /// An object whose keys are fields.
    Struct(&'a StructShape),
}

/// What a value of this schema is; where the schema leaves it open, the value says.
pub(super) fn atom_of<'a>(schema: &'a Schema, value: Option<&Value>) -> Atom<'a> {
    match &schema.resolve().shape {
        Shape::Scalar(kind) => Atom::Scalar(Some(*kind)),
        Shape::List(shape) => Atom::List(&shape.item, &shape.kind),
        Shape::Map(shape) => Atom::Map(&shape.value, shape.atomic),
        Shape::Struct(shape) => Atom::Struct(shape),
        Shape::Any | Shape::Named(_) => match value {
            Some(Value::Array(_)) => Atom::List(&ANYTHING, &ListKind::Atomic),
            Some(Value::Object(_)) | None => Atom::Map(&ANYTHING, false),
            Some(_) => Atom::Scalar(None),
        },
    }
}

impl<'a> Atom<'a> {
    /// Whether it is one value as a whole though it has parts.
    pub(super) fn is_atomic(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::List(_, kind) => **kind == ListKind::Atomic,
            Self::Map(_, atomic) => *atomic,
            Self::Struct(shape) => shape.atomic,
        }
    }

    /// The schema of a part.
    pub(super) fn child(&self, element: &Element) -> &'a Schema {
        match (self, element) {
            (Self::List(item, _), _) => item,
            (Self::Map(value, _), _) => value,
            (Self::Struct(shape), Element::Field(name)) => field_of(shape, name),
            _ => &ANYTHING,
        }
    }
}

/// The schema of a struct's field; one that is not listed may be anything.
pub(super) fn field_of<'a>(shape: &'a StructShape, name: &str) -> &'a Schema {
    shape.field(name).map_or(&ANYTHING, |field| &field.schema)
}

/// How an item of a set or a list by keys is told apart, or why it cannot be.
pub(super) fn element_of(
    item_schema: &Schema,
    kind: &ListKind,
    index: usize,
    item: &Value,
) -> Result<Element, String> {
    match kind {
        ListKind::Atomic => Ok(Element::Index(index as i64)),
        ListKind::Set => match item {
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null"
                    .to_owned())
            }
            other => Ok(Element::Value(other.clone())),
        },
        ListKind::Map(keys) => {
            let Value::Object(fields) = item else {
                return Err(match item {
                    Value::Null => "associative list with keys may not have a null element",
                    _ => "associative list with keys may not have non-map elements",
                }
                .to_owned());
            };
            let mut parts = Vec::with_capacity(keys.len());
            for key in keys {
                let default = || {
                    let shape = item_schema.as_struct()?;
                    shape.field(key)?.default.as_ref()
                };
                let value = fields.get(&**key).or_else(default).ok_or_else(|| {
                    format!("associative list with keys has an element that omits key field {key:?} (and doesn't have default value)")
                })?;
                parts.push((key.to_string(), value.clone()));
            }
            Ok(Element::key(parts))
        }
    }
}

/// Whether a value has nothing in it, or is nothing.
fn is_bare(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(_) => false,
    }
}
