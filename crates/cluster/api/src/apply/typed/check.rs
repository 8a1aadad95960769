//! Whether a value is what its schema says, in the words of structured-merge-diff.

use super::super::element::Element;
use super::super::set::Path;
use super::{Atom, atom_of, element_of};
use crate::patch::printed;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use teu_kubernetes::{ListKind, Scalar, Schema};

/// Faults that are listed; more say nothing more.
const MAX_FAULTS: usize = 100;

/// What is wrong, each with its path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(Vec<(Path, String)>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |f: &mut fmt::Formatter<'_>, (path, text): &(Path, String)| {
            if path.0.is_empty() { f.write_str(text) } else { write!(f, "{path}: {text}") }
        };
        match self.0.as_slice() {
            [fault] => one(f, fault),
            many => {
                f.write_str("errors:")?;
                for fault in many {
                    f.write_str("\n  ")?;
                    one(f, fault)?;
                }
                Ok(())
            }
        }
    }
}

/// Checks an applied configuration: it may name nothing twice.
pub(crate) fn check(value: &Value, schema: &Schema) -> Result<(), Faults> {
    let mut walk = Walk { path: Vec::new(), faults: Faults::default() };
    walk.value(value, schema);
    if walk.faults.0.is_empty() { Ok(()) } else { Err(walk.faults) }
}

struct Walk {
    path: Vec<Element>,
    faults: Faults,
}

impl Walk {
    fn fault(&mut self, text: String) {
        if self.faults.0.len() < MAX_FAULTS {
            self.faults.0.push((Path(self.path.clone()), text));
        }
    }

    fn value(&mut self, value: &Value, schema: &Schema) {
        if value.is_null() {
            return;
        }
        match (atom_of(schema, Some(value)), value) {
            (Atom::Scalar(kind), _) => self.scalar(value, kind),
            (Atom::List(item, kind), Value::Array(items)) => self.list(items, item, kind),
            (Atom::List(..), other) => {
                self.fault(format!("expected list, got &{{{}}}", printed(other)))
            }
            (Atom::Map(schema, _), Value::Object(fields)) => {
                self.map(fields, |_| Some(schema));
            }
            (Atom::Struct(shape), Value::Object(fields)) => {
                let unknown = shape.preserve_unknown.then_some(&super::ANYTHING);
                self.map(fields, |name| shape.field(name).map(|field| &field.schema).or(unknown));
            }
            (_, other) => self.fault(format!("expected map, got &{{{}}}", printed(other))),
        }
    }

    fn map<'a>(
        &mut self,
        fields: &Map<String, Value>,
        schema_of: impl Fn(&str) -> Option<&'a Schema>,
    ) {
        for (name, value) in fields {
            self.path.push(Element::Field(name.clone()));
            match schema_of(name) {
                Some(schema) => self.value(value, schema),
                None => self.fault("field not declared in schema".to_owned()),
            }
            self.path.pop();
        }
    }

    fn list(&mut self, items: &[Value], item: &Schema, kind: &ListKind) {
        let mut seen = BTreeSet::new();
        for (at, value) in items.iter().enumerate() {
            match element_of(item, kind, at, value) {
                Ok(element) => {
                    if !seen.insert(element.clone()) {
                        self.fault(format!("duplicate entries for key {element}"));
                    }
                    self.path.push(element);
                    self.value(value, item);
                    self.path.pop();
                }
                Err(text) => self.fault(format!("element {at}: {text}")),
            }
        }
    }

    fn scalar(&mut self, value: &Value, kind: Option<Scalar>) {
        let text = match kind {
            Some(Scalar::Boolean) if !value.is_boolean() => {
                format!("expected boolean, got &{{{}}}", printed(value))
            }
            Some(Scalar::Int32 | Scalar::Int64 | Scalar::Double) if !value.is_number() => {
                format!("expected numeric (int or float), got {}", go_kind(value))
            }
            Some(
                Scalar::String
                | Scalar::Bytes
                | Scalar::Time
                | Scalar::MicroTime
                | Scalar::Duration,
            ) if !value.is_string() => {
                format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    go_value(value)
                )
            }
            Some(Scalar::Quantity | Scalar::IntOrString)
                if value.is_array() || value.is_object() =>
            {
                format!("expected any scalar, got &{{{}}}", printed(value))
            }
            _ => return,
        };
        self.fault(text);
    }
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        _ => "int64",
    }
}

/// As Go's `%#v`.
fn go_value(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_value).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", go_value(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
