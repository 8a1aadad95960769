//! Finalizers: what keeps an object that is deleted until somebody has done his part.

use serde_json::Value;
use teu_api::object;

fn all(object: &Value) -> &[Value] {
    let list = object::at(object, &["metadata", "finalizers"]).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Whether an object has one.
pub fn has(object: &Value, finalizer: &str) -> bool {
    all(object).iter().any(|name| name == finalizer)
}

/// The object with one more.
pub fn with(object: &Value, finalizer: &str) -> Value {
    let mut list = all(object).to_vec();
    list.push(finalizer.into());
    put(object, list)
}

/// The object without one.
pub fn without(object: &Value, finalizer: &str) -> Value {
    let list = all(object).iter().filter(|name| **name != finalizer).cloned().collect();
    put(object, list)
}

fn put(object: &Value, list: Vec<Value>) -> Value {
    let mut new = object.clone();
    object::metadata_mut(&mut new).insert("finalizers".to_owned(), list.into());
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_comes_and_goes_among_others() {
        let object = json!({ "metadata": { "finalizers": ["a"] } });
        let more = with(&object, "b");
        assert!(has(&more, "a") && has(&more, "b") && !has(&object, "b"));
        assert_eq!(without(&more, "b"), object);
        assert!(has(&with(&json!({}), "a"), "a") && !has(&json!({}), "a"));
    }
}
