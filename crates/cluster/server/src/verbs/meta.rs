//! `metadata`: what the server says, what a client may say, and what is wrong with it
//! (`apimachinery/pkg/api/validation`).

use crate::api::{Api, Call};
use crate::id;
use serde_json::{Map, Value, json};
use teu_api::selector::{label_key_errors, label_value_errors};
use teu_api::{Cause, Status, object};

/// Bytes of all annotations of an object.
const ANNOTATION_BYTES: usize = 256 << 10;
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
        drop_empty(metadata);
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
    drop_empty(metadata);
    Ok(())
}

/// As Go prints: what is empty is not there.
fn drop_empty(metadata: &mut Map<String, Value>) {
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
}

/// Faults that a kind's rules found, and those of metadata that they did not look for.
pub fn beside(mut found: Vec<Cause>, more: Vec<Cause>) -> Vec<Cause> {
    for cause in more {
        if !found.iter().any(|known| known.field == cause.field) {
            found.push(cause);
        }
    }
    found
}

/// What is wrong with a new object's metadata.
pub fn faults(call: &Call, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let rules = &call.entry.row.rules;
    let name = object::name(new);
    let prefix = object::text(new, &["metadata", "generateName"]).unwrap_or_default();
    if !prefix.is_empty() {
        for why in rules.name_errors(prefix, true) {
            causes.push(Cause::invalid("metadata.generateName", &prefix.into(), why));
        }
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for why in rules.name_errors(name, false) {
            causes.push(Cause::invalid("metadata.name", &name.into(), why));
        }
    }
    causes.extend(labels(new));
    causes.extend(annotations(new));
    causes.extend(finalizers(new));
    causes.extend(owners(new));
    causes
}

/// What is wrong with a change of metadata.
pub fn change_faults(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["name", "namespace"] {
        let value =
            |object| object::text(object, &["metadata", field]).unwrap_or_default().to_owned();
        if value(new) != value(old) {
            let path = format!("metadata.{field}");
            causes.push(Cause::invalid(path, &value(new).into(), "field is immutable"));
        }
    }
    causes.extend(labels(new));
    causes.extend(annotations(new));
    causes.extend(finalizers(new));
    causes.extend(owners(new));
    if object::is_terminating(old) {
        let before = texts(old, "finalizers");
        let added: Vec<_> =
            texts(new, "finalizers").into_iter().filter(|name| !before.contains(name)).collect();
        if !added.is_empty() {
            let list: Vec<String> = added.iter().map(|name| format!("{name:?}")).collect();
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
    causes
}

/// A list of texts in metadata.
pub fn texts(object: &Value, field: &str) -> Vec<String> {
    let found = object::at(object, &["metadata", field]).and_then(Value::as_array);
    found.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object::at(object, &["metadata", field]).and_then(Value::as_object).into_iter().flatten()
}

fn labels(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in entries(object, "labels") {
        for why in label_key_errors(key) {
            causes.push(Cause::invalid("metadata.labels", &json!(key), why));
        }
        let value = value.as_str().unwrap_or_default();
        for why in label_value_errors(value) {
            causes.push(Cause::invalid("metadata.labels", &json!(value), why));
        }
    }
    causes
}

fn annotations(object: &Value) -> Vec<Cause> {
    let (mut causes, mut bytes) = (Vec::new(), 0);
    for (key, value) in entries(object, "annotations") {
        for why in label_key_errors(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &json!(key), why));
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATION_BYTES {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATION_BYTES));
    }
    causes
}

fn finalizers(object: &Value) -> Vec<Cause> {
    let names = texts(object, "finalizers");
    let mut causes = Vec::new();
    for name in &names {
        for why in label_key_errors(name) {
            causes.push(Cause::invalid("metadata.finalizers", &json!(name), why));
        }
    }
    let has = |name: &str| names.iter().any(|known| known == name);
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &json!(names), why));
    }
    causes
}

fn owners(object: &Value) -> Vec<Cause> {
    let owners = object::at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    let mut causes = Vec::new();
    let mut controllers = Vec::new();
    for (at, owner) in owners.into_iter().flatten().enumerate() {
        let field = |name: &str| format!("metadata.ownerReferences[{at}].{name}");
        let text = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
        for (name, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "kind must not be empty"),
            ("name", "name must not be empty"),
            ("uid", "uid must not be empty"),
        ] {
            if text(name).is_empty() {
                causes.push(Cause::invalid(field(name), &json!(""), why));
            }
        }
        if text("kind") == "Event" && text("apiVersion") == "v1" {
            causes.push(Cause::invalid(
                "metadata.ownerReferences",
                owner,
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            controllers.push(text("name").to_owned());
        }
    }
    if let ([first, second, ..], Some(all)) =
        (controllers.as_slice(), object::at(object, &["metadata", "ownerReferences"]))
    {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        causes.push(Cause::invalid("metadata.ownerReferences", all, why));
    }
    causes
}
