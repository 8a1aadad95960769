//! `metadata`: what the server says, and what an update cannot change. What is wrong with the rest is
//! for the rules of the kind to say (`teu_api::kinds::meta`).

use crate::api::{Api, Call};
use crate::id;
use serde_json::Value;
use teu_api::decode::tidy_metadata;
use teu_api::{Status, object};

/// What only the server says.
const SYSTEM: [&str; 6] = [
    "selfLink",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
];

/// Refuses an object of another kind, and puts it into the namespace of the path.
pub fn check_place(call: &Call, sent: &mut Value) -> Result<(), Status> {
    check_kind(sent, call.entry.kind(), &call.entry.api_version)?;
    check_namespace(call, sent)
}

/// Puts an object into the namespace of the path.
pub fn check_namespace(call: &Call, sent: &mut Value) -> Result<(), Status> {
    let metadata = object::metadata_mut(sent);
    let said = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if call.entry.row.resource.is_namespaced() {
        if said.is_empty() {
            metadata.insert("namespace".to_owned(), call.namespace.clone().into());
        } else if said != call.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    } else {
        metadata.shift_remove("namespace");
    }
    Ok(())
}

/// Refuses an object of another kind; one that does not say gets this one.
pub fn check_kind(sent: &mut Value, kind: &str, api_version: &str) -> Result<(), Status> {
    let Some(fields) = sent.as_object_mut() else {
        return Err(Status::bad_request("the body of the request is not an object"));
    };
    for (name, wanted) in [("kind", kind), ("apiVersion", api_version)] {
        let said = fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if said.is_empty() {
            fields.insert(name.to_owned(), wanted.into());
        } else if said != wanted {
            let what = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let text = if name == "kind" {
                format!(
                    "{} in version {:?} cannot be handled as a {kind}: expected kind {kind}, but got {said}",
                    said,
                    what("apiVersion")
                )
            } else {
                format!(
                    "the API version in the data ({said}) does not match the expected API version ({wanted})"
                )
            };
            return Err(Status::bad_request(text));
        }
    }
    Ok(())
}

impl Api {
    /// What the server says of a new object.
    pub fn begin(&self, call: &Call, new: &mut Value) {
        let has_generation = call.entry.row.rules.has_generation();
        let metadata = object::metadata_mut(new);
        for name in SYSTEM {
            metadata.shift_remove(name);
        }
        if has_generation {
            metadata.insert("generation".to_owned(), 1.into());
        } else {
            metadata.shift_remove("generation");
        }
        metadata.insert("uid".to_owned(), id::uid().into());
        metadata.insert("creationTimestamp".to_owned(), self.wall.text().into());
        tidy_metadata(new);
    }
}

/// What an update cannot change is taken from the old object, or refused.
pub fn carry(call: &Call, new: &mut Value, old: &Value) -> Result<(), Status> {
    let (was, now) = (object::uid(old).to_owned(), object::uid(new).to_owned());
    if !now.is_empty() && was != now {
        let why =
            format!("Precondition failed: UID in precondition: {now}, UID in object meta: {was}");
        return Err(call.conflict(&why));
    }
    let before = old.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let metadata = object::metadata_mut(new);
    for name in SYSTEM.into_iter().chain(["generation"]) {
        match before.get(name) {
            Some(value) => drop(metadata.insert(name.to_owned(), value.clone())),
            None => drop(metadata.shift_remove(name)),
        }
    }
    // The real server keeps what a name was generated from only if the client says it again.
    tidy_metadata(new);
    Ok(())
}

/// A list of texts in metadata.
pub fn texts(object: &Value, field: &str) -> Vec<String> {
    let found = object::at(object, &["metadata", field]).and_then(Value::as_array);
    found.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
