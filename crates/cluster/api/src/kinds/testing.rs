//! What tests of rules share: an object goes the way it goes in the server.

use crate::row::{Rules, Target};
use crate::status::Cause;
use serde_json::Value;

fn shown(causes: Vec<Cause>) -> Vec<String> {
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// An object as it is when it is checked on its creation.
pub fn created(rules: &dyn Rules, object: &Value) -> Value {
    let mut object = object.clone();
    rules.default(&mut object);
    rules.prepare_create(&mut object);
    object
}

/// It is created without a fault, and filled in only once.
pub fn accepted(rules: &dyn Rules, object: &Value) -> Value {
    let object = created(rules, object);
    assert_eq!(shown(rules.validate_create(&object)), Vec::<String>::new());
    let mut again = object.clone();
    rules.default(&mut again);
    assert_eq!(again, object, "defaults change what they filled in");
    object
}

/// It is refused for these reasons.
pub fn refused(rules: &dyn Rules, object: &Value, reasons: &[&str]) {
    assert_eq!(shown(rules.validate_create(&created(rules, object))), reasons);
}

fn update(rules: &dyn Rules, old: &Value, new: &Value, target: Target<'_>) -> (Value, Vec<String>) {
    let mut old = created(rules, old);
    old["metadata"]["resourceVersion"] = "1".into();
    let mut object = new.clone();
    object["metadata"]["resourceVersion"] = "1".into();
    rules.default(&mut object);
    rules.prepare_update(&mut object, &old, target);
    let faults = shown(rules.validate_update(&object, &old, target));
    (object, faults)
}

/// The change is refused for these reasons; none if it is taken.
pub fn changed(rules: &dyn Rules, old: &Value, new: &Value, reasons: &[&str]) {
    assert_eq!(update(rules, old, new, Target::Object).1, reasons);
}

/// The same of a subresource; the object as it is then.
pub fn changed_part(
    rules: &dyn Rules,
    (old, new): (&Value, &Value),
    part: &str,
    reasons: &[&str],
) -> Value {
    let (object, faults) = update(rules, old, new, Target::Subresource(part));
    assert_eq!(faults, reasons);
    object
}
