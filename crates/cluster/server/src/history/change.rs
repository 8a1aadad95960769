//! What counts as a change of an object: what somebody wants of it, not how it is.

use serde_json::Value;

/// Annotations that controllers keep for themselves.
const BOOKKEEPING: [&str; 1] = ["deployment.kubernetes.io/revision"];
/// Where what controllers write by themselves is, and what is nobody's to go back to.
const UNKEPT: [&str; 6] =
    ["endpointslices/", "events/", "ipaddresses/", "leases/", "secrets/", "services/endpoints/"];
/// Paths that are told of one change.
const MAX_PATHS: usize = 4;

/// Whether versions of what is stored under a key are kept.
pub fn is_kept(key: &[u8]) -> bool {
    let rest = key.strip_prefix(b"/registry/").unwrap_or_default();
    !rest.is_empty() && !UNKEPT.iter().any(|place| rest.starts_with(place.as_bytes()))
}

/// What somebody wants of an object.
pub fn intent(object: &Value) -> Value {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else { return object };
    fields.remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else {
        return object;
    };
    for field in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !BOOKKEEPING.contains(&&**name));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    object
}

/// Whether one version differs from another in what somebody wants. What cannot be read may differ.
pub fn is_change(before: &[u8], after: &[u8]) -> bool {
    if before == after {
        return false;
    }
    let read = |bytes| serde_json::from_slice::<Value>(bytes).map(|object| intent(&object));
    match (read(before), read(after)) {
        (Ok(before), Ok(after)) => before != after,
        _ => true,
    }
}

/// Where two objects differ, as paths; the last says that there is more.
pub fn paths(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differing(&intent(before), &intent(after), "", &mut found);
    if found.len() > MAX_PATHS {
        found.truncate(MAX_PATHS);
        found.push("…".to_owned());
    }
    found
}

fn differing(one: &Value, other: &Value, path: &str, found: &mut Vec<String>) {
    if one == other || found.len() > MAX_PATHS {
        return;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let added = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(added) {
                let dot = if path.is_empty() { "" } else { "." };
                let side = |fields: &serde_json::Map<String, Value>| {
                    fields.get(name).cloned().unwrap_or_default()
                };
                differing(&side(one), &side(other), &format!("{path}{dot}{name}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differing(one, other, &format!("{path}[{at}]"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_counts() {
        let object = |replicas: u8, status: u8, revision: &str| {
            json!({
                "metadata": {
                    "name": "a", "generation": status, "managedFields": [status],
                    "annotations": { "deployment.kubernetes.io/revision": revision },
                },
                "spec": { "replicas": replicas }, "status": { "ready": status },
            })
        };
        let check = |one: &Value, other: &Value, wanted: bool| {
            assert_eq!(is_change(one.to_string().as_bytes(), other.to_string().as_bytes()), wanted);
        };
        check(&object(1, 1, "1"), &object(1, 2, "2"), false);
        check(&object(1, 1, "1"), &object(2, 1, "1"), true);
        assert_eq!(paths(&object(1, 1, "1"), &object(2, 2, "2")), ["spec.replicas"]);
        let list = |image: &str| json!({ "a": [{ "image": "x" }, { "image": image }], "b": image });
        assert_eq!(paths(&list("y"), &list("z")), ["a[1].image", "b"]);
        let many =
            |value: u8| json!({ "a": value, "b": value, "c": value, "d": value, "e": value });
        assert_eq!(paths(&many(1), &many(2)), ["a", "b", "c", "d", "…"]);
    }

    #[test]
    fn what_is_kept() {
        for kept in ["/registry/deployments/default/a", "/registry/example.com/xs/default/a"] {
            assert!(is_kept(kept.as_bytes()), "{kept}");
        }
        for not in [
            "/registry/secrets/default/a",
            "/registry/services/endpoints/default/a",
            "/registry/leases/x/y",
            "/registry/",
            "/teu/layout",
        ] {
            assert!(!is_kept(not.as_bytes()), "{not}");
        }
    }
}
