//! A row of the table that drives the server: one resource, its schema and its rules.
//!
//! Everything generic (patches, field ownership, selectors, discovery, watches, RBAC) reads the
//! row; what differs between kinds is behind [`Rules`], whose defaults are those of a kind that has
//! none. Custom resources add rows at run time.

use crate::status::{Cause, Status};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use teu_kubernetes::{Resource, Schema};

/// One resource.
#[derive(Clone)]
pub struct Row {
    /// Its names, scope and verbs.
    pub resource: Resource,
    /// Of what it is made.
    pub schema: Arc<Schema>,
    /// What is particular to it.
    pub rules: Arc<dyn Rules>,
    /// Where it is stored: `/registry/<this>/[<namespace>/]<name>`, as etcd's tools expect it. Versions
    /// of one resource share it.
    pub storage: Cow<'static, str>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Row").field(&self.resource.qualified()).finish()
    }
}

/// What a request writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The object itself.
    Object,
    /// A part of it with its own rules, such as `status`.
    Subresource(&'a str),
}

/// A column of `kubectl get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: Cow<'static, str>,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: Cow<'static, str>,
    /// `name` for the first, mostly empty.
    pub format: Cow<'static, str>,
    /// What it says.
    pub description: Cow<'static, str>,
    /// 0 is always shown; others with `-o wide`.
    pub priority: i32,
}

/// What is particular to a kind. All of it is pure: `now` is seconds since 1970.
pub trait Rules: Send + Sync {
    /// Fills in what was not said: after decoding, before validation, and for what comes from the
    /// store.
    fn default(&self, _object: &mut Value) {}

    /// Before a create: what the client may not say goes (`status`), what only the server says comes.
    /// `metadata` itself (uid, timestamps, generation 1) is the server's affair.
    fn prepare_create(&self, object: &mut Value) {
        if let (true, Some(fields)) = (self.has_status(), object.as_object_mut()) {
            fields.shift_remove("status");
        }
    }

    /// Before an update: what this target may not touch is taken from the old object. Answers
    /// whether the change is one of the wanted state, which raises `metadata.generation`.
    fn prepare_update(&self, object: &mut Value, old: &Value, target: Target<'_>) -> bool {
        keep_untouchable(self.has_status(), object, old, target);
        target == Target::Object
            && self.has_generation()
            && changed_beside(object, old, &["metadata", "status"])
    }

    /// What is wrong with a new object, beyond what the schema says; `metadata` is part of it
    /// (`kinds::meta`). Addresses and ports that the server gives out are there already.
    fn validate_create(&self, _object: &Value) -> Vec<Cause> {
        Vec::new()
    }

    /// What is wrong with a change; the object's own faults are to be found too.
    fn validate_update(&self, object: &Value, _old: &Value, target: Target<'_>) -> Vec<Cause> {
        match target {
            Target::Object => self.validate_create(object),
            Target::Subresource(_) => Vec::new(),
        }
    }

    /// What a client is told though it is accepted (`Warning:` headers).
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// What everybody is told who asks for this version at all, reading too.
    fn deprecated(&self) -> Option<&str> {
        None
    }

    /// Seconds that a deletion waits for the object's node; none for at once.
    fn grace_seconds(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// Notes times that the server knows, such as when a condition changed: after a write was
    /// prepared, before it is stored. `now` is as it is written in objects.
    fn stamp(&self, _object: &mut Value, _now: &str) {}

    /// Fields that a field selector may name, beside `metadata.name` and `metadata.namespace`.
    fn selectable(&self) -> &[&'static str] {
        &[]
    }

    /// The value of one of them.
    fn field<'a>(&self, object: &'a Value, field: &str) -> Option<Cow<'a, str>> {
        let path: Vec<&str> = field.split('.').collect();
        Some(match crate::object::at(object, &path)? {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Null => Cow::Borrowed(""),
            other => Cow::Owned(other.to_string()),
        })
    }

    /// Columns of its table.
    fn columns(&self) -> Vec<Column> {
        default_columns()
    }

    /// One object's cells, as many as there are columns.
    fn cells(&self, object: &Value, now: i64) -> Vec<Value> {
        default_cells(object, now)
    }

    /// Whether `status` is a subresource that only it may write.
    fn has_status(&self) -> bool {
        false
    }

    /// Whether it counts generations.
    fn has_generation(&self) -> bool {
        self.has_status()
    }

    /// Whether an update without a resource version is taken.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// Whether an update makes what is not there.
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// Reads a subresource that is derived from the object, such as `scale`.
    fn read_subresource(&self, _object: &Value, name: &str) -> Result<Value, Status> {
        Err(Status::not_found_path(name))
    }

    /// Writes one: changes the object by what was sent.
    fn write_subresource(
        &self,
        _object: &mut Value,
        name: &str,
        _sent: &Value,
    ) -> Result<(), Status> {
        Err(Status::not_found_path(name))
    }
}

/// A kind without rules of its own.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Rules for Plain {}

/// A kind that only keeps `status` apart.
#[derive(Debug, Clone, Copy)]
pub struct WithStatus;

impl Rules for WithStatus {
    fn has_status(&self) -> bool {
        true
    }
}

/// Takes from the old object what a target may not touch.
pub fn keep_untouchable(has_status: bool, object: &mut Value, old: &Value, target: Target<'_>) {
    let Some(fields) = object.as_object_mut() else { return };
    match target {
        Target::Object if has_status => keep(fields, old, "status"),
        Target::Subresource("status") => {
            let names: Vec<String> =
                old.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            fields.retain(|name, _| name == "status" || name == "metadata" || names.contains(name));
            for name in names.iter().filter(|name| *name != "status" && *name != "metadata") {
                keep(fields, old, name);
            }
        }
        _ => {}
    }
}

fn keep(fields: &mut serde_json::Map<String, Value>, old: &Value, name: &str) {
    match old.get(name) {
        Some(value) => {
            fields.insert(name.to_owned(), value.clone());
        }
        None => {
            fields.shift_remove(name);
        }
    }
}

/// Whether two objects differ in fields other than these.
pub fn changed_beside(object: &Value, old: &Value, besides: &[&str]) -> bool {
    let differs = |one: &Value, other: &Value| {
        one.as_object()
            .into_iter()
            .flatten()
            .any(|(name, value)| !besides.contains(&&**name) && other.get(name) != Some(value))
    };
    differs(object, old) || differs(old, object)
}

/// Name and age.
pub fn default_columns() -> Vec<Column> {
    let column = |name: &'static str,
                  kind: &'static str,
                  format: &'static str,
                  description: &'static str| Column {
        name: name.into(),
        kind: kind.into(),
        format: format.into(),
        description: description.into(),
        priority: 0,
    };
    vec![
        column("Name", "string", "name", "Name of the object, unique within its namespace."),
        column("Created At", "date", "", "When the object was made, by the server's clock."),
    ]
}

/// Their values.
pub fn default_cells(object: &Value, _now: i64) -> Vec<Value> {
    let created = crate::object::at(object, &["metadata", "creationTimestamp"]);
    vec![crate::object::name(object).into(), created.cloned().unwrap_or(Value::Null)]
}
