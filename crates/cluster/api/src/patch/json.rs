//! JSON patch (RFC 6902), with the particulars of the library that Kubernetes uses: an index may
//! count from an array's end (`-1`), and a test for `null` holds where nothing is.

mod pointer;
#[cfg(test)]
mod tests;

use super::{MAX_COPY_BYTES, MAX_DEPTH, MAX_OPERATIONS, PatchError, depth};
pub use pointer::Pointer;
use serde_json::Value;

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A value comes.
    Add(Pointer, Value),
    /// A value goes.
    Remove(Pointer),
    /// A value is another.
    Replace(Pointer, Value),
    /// A value goes (first) and comes elsewhere (second).
    Move(Pointer, Pointer),
    /// A value (first) comes elsewhere (second) too.
    Copy(Pointer, Pointer),
    /// A value must be this.
    Test(Pointer, Value),
}

/// Reads the operations of a patch.
pub fn parse_operations(patch: &Value) -> Result<Vec<Operation>, PatchError> {
    let Value::Array(items) = patch else {
        return Err(PatchError::Malformed("the patch is not an array of operations"));
    };
    if items.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations(items.len()));
    }
    items.iter().map(parse_operation).collect()
}

fn parse_operation(item: &Value) -> Result<Operation, PatchError> {
    let Value::Object(fields) = item else {
        return Err(PatchError::Malformed("an operation is not an object"));
    };
    let pointer = |name: &str, missing: &'static str| match fields.get(name) {
        Some(Value::String(text)) => {
            Pointer::parse(text).ok_or(PatchError::Malformed("a path does not begin with /"))
        }
        _ => Err(PatchError::Malformed(missing)),
    };
    let path = || pointer("path", "an operation has no path");
    let from = || pointer("from", "a move or copy operation has no from");
    let value =
        || fields.get("value").cloned().ok_or(PatchError::Malformed("an operation has no value"));
    Ok(match fields.get("op") {
        Some(Value::String(op)) => match op.as_str() {
            "add" => Operation::Add(path()?, value()?),
            "remove" => Operation::Remove(path()?),
            "replace" => Operation::Replace(path()?, value()?),
            "move" => Operation::Move(from()?, path()?),
            "copy" => Operation::Copy(from()?, path()?),
            "test" => Operation::Test(path()?, value().unwrap_or(Value::Null)),
            other => return Err(PatchError::UnknownOperation(other.to_owned())),
        },
        _ => return Err(PatchError::Malformed("an operation has no op")),
    })
}

/// Applies operations in their order. After an error the document is to be thrown away.
pub fn apply(document: &mut Value, operations: &[Operation]) -> Result<(), PatchError> {
    let mut copied = 0;
    for operation in operations {
        match operation {
            Operation::Add(path, value) => add(document, path, value.clone(), "add")?,
            Operation::Remove(path) => {
                remove(document, path, "remove")?;
            }
            Operation::Replace(path, value) => replace(document, path, value)?,
            Operation::Move(from, path) => {
                if path.is_inside(from) {
                    return Err(PatchError::IntoItself { path: path.to_string() });
                }
                let value = remove(document, from, "move")?;
                add(document, path, value, "move")?;
            }
            Operation::Copy(from, path) => {
                let value = pointer::get(document, from, "copy")?.clone();
                copied += size(&value);
                if copied > MAX_COPY_BYTES {
                    return Err(PatchError::TooMuchCopied);
                }
                add(document, path, value, "copy")?;
            }
            Operation::Test(path, value) => test(document, path, value)?,
        }
    }
    Ok(())
}

fn test(document: &Value, path: &Pointer, expected: &Value) -> Result<(), PatchError> {
    let holds = match pointer::get(document, path, "test") {
        Ok(actual) => equal(actual, expected),
        Err(_) => expected.is_null(),
    };
    if holds { Ok(()) } else { Err(PatchError::Test { path: path.to_string() }) }
}

/// Equal as JSON: numbers by what they are worth.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|it| equal(value, it)))
        }
        _ => one == other,
    }
}

fn add(
    document: &mut Value,
    path: &Pointer,
    value: Value,
    operation: &'static str,
) -> Result<(), PatchError> {
    if path.len() + depth(&value) > MAX_DEPTH {
        return Err(PatchError::TooDeep { path: path.to_string() });
    }
    let Some((parent, last)) = path.split() else {
        *document = value;
        return Ok(());
    };
    match pointer::walk_mut(document, parent, path, operation)? {
        Value::Object(fields) => {
            fields.insert(last.clone(), value);
        }
        Value::Array(items) => {
            let at = pointer::place(last, items.len())
                .ok_or_else(|| PatchError::Index { operation, path: path.to_string() })?;
            items.insert(at, value);
        }
        _ => return Err(PatchError::Missing { operation, path: path.to_string() }),
    }
    Ok(())
}

fn remove(
    document: &mut Value,
    path: &Pointer,
    operation: &'static str,
) -> Result<Value, PatchError> {
    let missing = || PatchError::Missing { operation, path: path.to_string() };
    let Some((parent, last)) = path.split() else { return Ok(document.take()) };
    match pointer::walk_mut(document, parent, path, operation)? {
        Value::Object(fields) => fields.shift_remove(last).ok_or_else(missing),
        Value::Array(items) => {
            let at = pointer::index(last, items.len())
                .ok_or_else(|| PatchError::Index { operation, path: path.to_string() })?;
            Ok(items.remove(at))
        }
        _ => Err(missing()),
    }
}

fn replace(document: &mut Value, path: &Pointer, value: &Value) -> Result<(), PatchError> {
    if path.len() + depth(value) > MAX_DEPTH {
        return Err(PatchError::TooDeep { path: path.to_string() });
    }
    *pointer::get_mut(document, path, "replace")? = value.clone();
    Ok(())
}

/// About how many bytes a value has as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + size(value)).sum::<usize>()
        }
        _ => 8,
    }
}
