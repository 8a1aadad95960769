//! `kubectl.kubernetes.io/last-applied-configuration`: what client-side apply left, so that one who
//! turns to server-side apply (as the manager `kubectl`) meets no conflicts with himself, and can go
//! back.

use super::set::Set;
use super::typed::{compare, fields_of};
use serde_json::Value;
use teu_kubernetes::Schema;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Bytes of all annotations of an object together; Kubernetes' limit.
const MAX_ANNOTATIONS_BYTES: usize = 256 << 10;

fn annotation(object: &Value) -> Option<&str> {
    let text = crate::object::text(object, &["metadata", "annotations", ANNOTATION])?;
    (!text.is_empty()).then_some(text)
}

/// Fields that client-side apply owned and that are as it left them.
pub(super) fn owned(live: &Value, api_version: &str, schema: &Schema) -> Option<Set> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
        return None;
    }
    let differs = compare(&last, live, schema);
    let set = fields_of(&last, schema);
    Some(set.difference(&differs.modified).difference(&differs.added).difference(&differs.removed))
}

/// Keeps the annotation up to date, if there is one.
pub(super) fn refresh(object: &mut Value, live: &Value, applied: &Value) {
    if annotation(live).is_none() {
        return;
    }
    let mut applied = applied.clone();
    super::managed::strip(&mut applied);
    if let Some(annotations) =
        applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.shift_remove(ANNOTATION);
    }
    let text = format!("{applied}\n");
    let Some(annotations) =
        object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    else {
        return;
    };
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let bytes = |(name, value): (&String, &Value)| name.len() + value.as_str().map_or(0, str::len);
    if annotations.iter().map(bytes).sum::<usize>() > MAX_ANNOTATIONS_BYTES {
        annotations.insert(ANNOTATION.to_owned(), "".into());
    }
}
