//! Revisions: each set has the number of the last time it became the newest, and those it had before.

use super::sets::{DESIRED, MOST};
use serde_json::{Map, Value, json};
use teu_api::object;

/// The number.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Those before, with commas.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Bytes of the history.
const HISTORY_BYTES: usize = 2000;

/// What is not handed on from a deployment to its sets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// An object's annotations, made if there are none.
pub fn annotations_mut(object: &mut Value) -> &mut Map<String, Value> {
    let metadata = object::metadata_mut(object);
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    match annotations {
        Value::Object(map) => map,
        _ => unreachable!("made just above"),
    }
}

/// A set's number; 0 if it has none.
pub fn of(set: &Value) -> i64 {
    let text = object::text(set, &["metadata", "annotations", REVISION]);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Gives a set the deployment's annotations, and this number if it is higher than its own.
pub fn annotate(deployment: &Value, set: &mut Value, number: i64) {
    let before = of(set);
    let all = object::at(deployment, &["metadata", "annotations"]).and_then(Value::as_object);
    let annotations = annotations_mut(set);
    for (key, value) in all.into_iter().flatten() {
        if !OWN.contains(&&**key) {
            annotations.insert(key.clone(), value.clone());
        }
    }
    if before >= number {
        return;
    }
    if before > 0 {
        let history = annotations.get(HISTORY).and_then(Value::as_str).unwrap_or_default();
        let mut all: Vec<&str> = history.split(',').filter(|one| !one.is_empty()).collect();
        let before = before.to_string();
        all.push(&before);
        let mut text = all.join(",");
        while text.len() > HISTORY_BYTES {
            text = text.split_once(',').map_or_else(String::new, |(_, rest)| rest.to_owned());
        }
        annotations.insert(HISTORY.to_owned(), text.into());
    }
    annotations.insert(REVISION.to_owned(), number.to_string().into());
}
