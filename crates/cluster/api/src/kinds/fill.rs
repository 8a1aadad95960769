//! Filling in what was not said: small moves on a JSON value.

use serde_json::{Map, Value};

/// A field, if it is there and not null.
pub fn field<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    value.get_mut(name).filter(|value| !value.is_null())
}

/// A field at a path, if it is there.
pub fn at<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |value, name| field(value, name))
}

/// The items of a list; none if it is none.
pub fn items<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A field, made as an object if it is not there.
pub fn child<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let slot = &mut value[name];
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot
}

/// Sets a field that is not there.
pub fn missing(value: &mut Value, name: &str, with: impl Into<Value>) {
    if let Some(fields) = value.as_object_mut() {
        let slot = fields.entry(name).or_insert(Value::Null);
        if slot.is_null() {
            *slot = with.into();
        }
    }
}

/// Sets a field that is not there, or is empty text or 0.
pub fn zero(value: &mut Value, name: &str, with: impl Into<Value>) {
    if let Some(fields) = value.as_object_mut() {
        let slot = fields.entry(name).or_insert(Value::Null);
        let is_zero = match &*slot {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            _ => false,
        };
        if is_zero {
            *slot = with.into();
        }
    }
}

/// Sets a field, whatever it was.
pub fn set(value: &mut Value, name: &str, with: impl Into<Value>) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), with.into());
    }
}

/// Takes a field away.
pub fn remove(value: &mut Value, name: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.shift_remove(name);
    }
}

/// Takes a field from another object, or away if that has none.
pub fn keep(value: &mut Value, from: &Value, name: &str) {
    match from.get(name) {
        Some(old) => set(value, name, old.clone()),
        None => remove(value, name),
    }
}

/// Text of a field; empty if it is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
