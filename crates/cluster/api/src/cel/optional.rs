//! `object.?spec.?replicas`: what may be absent. The engine fails where nothing is, so
//! [`super::prepare`] makes such steps calls of this.

use kube_cel::cel::objects::{Key, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, Value};
use std::sync::Arc;

/// A name that no expression can have.
pub(super) const FIND: &str = "@find";

/// Makes the call known.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function(FIND, |of: Value, key: Value| -> Result<Value, ExecutionError> {
        find(&of, &key).map(self::of)
    });
}

/// A value that may be absent.
pub(super) fn of(value: Option<Value>) -> Value {
    Value::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

fn find(of: &Value, key: &Value) -> Result<Option<Value>, ExecutionError> {
    if let Ok(optional) = <&OptionalValue>::try_from(of) {
        return optional.value().map_or(Ok(None), |inner| find(inner, key));
    }
    match (of, key) {
        (Value::Map(map), Value::String(name)) => {
            Ok(map.map.get(&Key::String(name.clone())).cloned())
        }
        (Value::Map(map), Value::Int(number)) => Ok(map.map.get(&Key::Int(*number)).cloned()),
        (Value::Map(map), Value::Bool(it)) => Ok(map.map.get(&Key::Bool(*it)).cloned()),
        (Value::List(items), Value::Int(at)) => {
            Ok(usize::try_from(*at).ok().and_then(|at| items.get(at)).cloned())
        }
        _ => Err(ExecutionError::NoSuchOverload),
    }
}
