//! Whether two values mean the same: what is not there is what is empty, and quantities are numbers.
//!
//! It is Kubernetes' "semantic" equality, which decides whether an immutable field was changed and
//! whether a generation is raised.

use serde_json::{Map, Value};

/// Whether two values mean the same.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => covers(one, other) && covers(other, one),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other || (is_nothing(one) && is_nothing(other)),
    }
}

fn covers(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.iter().all(|(name, value)| same(value, other.get(name).unwrap_or(&Value::Null)))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

/// The fields of two objects that differ, as `-old` and `+new` lines for people.
pub fn difference(old: &Value, new: &Value) -> String {
    let mut lines = String::new();
    describe("", old, new, &mut lines);
    lines
}

fn describe(path: &str, old: &Value, new: &Value, lines: &mut String) {
    if same(old, new) {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let (before, after) = (before.get(name), after.get(name));
                let nothing = Value::Null;
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                describe(&path, before.unwrap_or(&nothing), after.unwrap_or(&nothing), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                describe(&format!("{path}[{at}]"), before, after, lines);
            }
        }
        _ => lines.push_str(&format!("- {path}: {old}\n+ {path}: {new}\n")),
    }
}

/// Whether `metadata` differs in what people write: no matter for generations.
pub fn spec_changed(new: &Value, old: &Value) -> bool {
    let nothing = Value::Null;
    !same(new.get("spec").unwrap_or(&nothing), old.get("spec").unwrap_or(&nothing))
}
