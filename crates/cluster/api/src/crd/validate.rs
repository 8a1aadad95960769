//! A custom object against its structural schema, in the words of the real server.

mod compose;
mod format;
mod limits;

use super::node::Node;
use super::rule::Subject;
use crate::cel::Together;
use crate::status::{Cause, CauseKind};
use serde_json::Value;
use std::collections::BTreeSet;
use teu_kubernetes::Schema;

/// Faults that are listed.
const MAX_CAUSES: usize = 200;

/// Checks a value at a path; the object itself is at the empty one.
pub fn validate(value: &Value, node: &Node, path: &str) -> Vec<Cause> {
    let mut found = Found::default();
    walk(value, node, path, path.is_empty(), &mut found);
    found.0
}

/// Checks rules in CEL; with the old value those of changes too.
pub fn validate_rules(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    schema: &Schema,
) -> Vec<Cause> {
    let mut found = Found::default();
    let budget = Together::begin();
    rules(value, old, node, (schema, &budget), "", &mut found);
    found.0
}

#[derive(Default)]
pub(super) struct Found(Vec<Cause>);

impl Found {
    pub(super) fn add(&mut self, cause: Cause) {
        if self.0.len() < MAX_CAUSES {
            self.0.push(cause);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn walk(value: &Value, node: &Node, path: &str, is_root: bool, found: &mut Found) {
    if value.is_null() && node.nullable {
        return;
    }
    if !kind_fits(value, node, path, found) {
        return;
    }
    if let Some(options) = &node.options {
        check_options(value, options, path, found);
    }
    match value {
        Value::Object(fields) => {
            for name in &node.required {
                if !fields.contains_key(name) {
                    found.add(Cause::required(child_path(path, name), ""));
                }
            }
            for (name, value) in fields {
                // Metadata has its own type and its own checks.
                if (is_root || node.embedded) && name == "metadata" {
                    continue;
                }
                if let Some(child) = node.child(name) {
                    walk(value, child, &child_path(path, name), false, found);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items.as_deref() {
                for (at, value) in items.iter().enumerate() {
                    walk(value, child, &format!("{path}[{at}]"), false, found);
                }
            }
            check_list_type(items, node, path, found);
        }
        _ => {}
    }
    limits::check(value, node, path, found);
    format::check(value, node, path, found);
    compose::check(value, node, path, found);
}

/// The type; `Invalid value: "string": spec.x in body must be of type integer: "string"`.
fn kind_fits(value: &Value, node: &Node, path: &str, found: &mut Found) -> bool {
    let is_whole = |value: &Value| match value {
        Value::Number(number) => {
            number.is_i64()
                || number.is_u64()
                || number.as_f64().is_some_and(|it| it.fract() == 0.0)
        }
        _ => false,
    };
    let (fits, wanted) = match &*node.kind {
        _ if node.int_or_string => (value.is_string() || is_whole(value), "integer,string"),
        "" => return true,
        "object" => (value.is_object(), "object"),
        "array" => (value.is_array(), "array"),
        "string" => (value.is_string(), "string"),
        "boolean" => (value.is_boolean(), "boolean"),
        "integer" => (is_whole(value), "integer"),
        "number" => (value.is_number(), "number"),
        _ => return true,
    };
    if !fits {
        let actual = kind_of(value);
        let text = format!("{} must be of type {wanted}: {actual:?}", in_body(path));
        found.add(type_invalid(path, actual, &text));
    }
    fits
}

pub(super) fn type_invalid(path: &str, shown: &str, text: &str) -> Cause {
    Cause { reason: CauseKind::FieldValueTypeInvalid, ..Cause::invalid(path, &shown.into(), text) }
}

/// `spec.x in body`.
pub(super) fn in_body(path: &str) -> String {
    format!("{path} in body")
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_options(value: &Value, options: &[Value], path: &str, found: &mut Found) {
    if options.contains(value) {
        return;
    }
    let words: Vec<String> = options
        .iter()
        .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    found.add(Cause::unsupported(path, value, &words));
}

/// Sets and lists by keys have each item once.
fn check_list_type(items: &[Value], node: &Node, path: &str, found: &mut Found) {
    let identity = |item: &Value| match &*node.list_type {
        "set" => Some(item.clone()),
        "map" => {
            let key = |key: &String| {
                let default = || node.items.as_deref()?.properties.get(key)?.default.clone();
                Some((key.clone(), item.get(key).cloned().or_else(default)?))
            };
            Some(node.list_keys.iter().filter_map(key).collect::<serde_json::Map<_, _>>().into())
        }
        _ => None,
    };
    let mut seen = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else { return };
        if !seen.insert(identity.to_string()) {
            found.add(Cause::duplicate(format!("{path}[{at}]"), &identity));
        }
    }
}

/// Checks the rules of a value and of what is in it; no schema is deeper than it may be.
fn rules(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    (schema, budget): (&Schema, &Together),
    path: &str,
    found: &mut Found,
) {
    if value.is_null() && node.nullable {
        return;
    }
    let kind = if node.kind.is_empty() { "object" } else { &node.kind };
    for rule in &node.rules {
        // The rule that took the last of it has said so.
        if budget.is_spent() {
            return;
        }
        if let Some(cause) = rule.check(Subject { value, old, schema, kind, path }) {
            found.add(cause);
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let (Some(child), Some(schema)) = (node.child(name), schema.child(name)) else {
                    continue;
                };
                let old = old.and_then(|old| old.get(name));
                rules(value, old, child, (schema, budget), &child_path(path, name), found);
            }
        }
        Value::Array(items) => {
            let (Some(child), teu_kubernetes::Shape::List(shape)) =
                (node.items.as_deref(), &schema.resolve().shape)
            else {
                return;
            };
            for (at, value) in items.iter().enumerate() {
                let old = old.and_then(|old| old_item(old, value, node));
                let schema = (&shape.item, budget);
                rules(value, old, child, schema, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

/// The old item that a new one has come from, where items can be told apart.
fn old_item<'a>(old: &'a Value, item: &Value, node: &Node) -> Option<&'a Value> {
    let same = |other: &&Value| match &*node.list_type {
        "map" => node.list_keys.iter().all(|key| other.get(key) == item.get(key)),
        _ => false,
    };
    old.as_array()?.iter().find(same)
}
