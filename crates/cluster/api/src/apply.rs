//! Server-side apply and the ownership of fields, as `structured-merge-diff` and Kubernetes' field
//! manager do it.
//!
//! Whoever writes an object comes to own what it changed ([`update`]); whoever applies a configuration
//! owns what it says ([`apply`]): fields it says no more go, fields that others own and that it wants
//! to be otherwise are a conflict. All of it is a function of the live object, what was sent, the
//! schema and the time; a dry run is one whose result nobody stores.
//!
//! All versions of an object have one shape here, so that owners need no conversion.

mod conflict;
mod element;
mod empty;
mod last_applied;
pub mod managed;
mod set;
#[cfg(test)]
mod tests;
mod typed;
mod updater;

pub use element::{Element, ElementError};
pub use set::{Path, Set};

use crate::status::Status;
use managed::{Managed, Operation, Owner};
use serde_json::Value;
use teu_kubernetes::Schema;
use updater::Change;

/// The manager that fields have which were there before anybody was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes what.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The object as it is; none when it is made.
    pub live: Option<&'a Value>,
    /// Of what it is made.
    pub schema: &'a Schema,
    /// `apps/v1`: the version of the request.
    pub api_version: &'a str,
    /// `Deployment`.
    pub kind: &'a str,
    /// The field manager.
    pub manager: &'a str,
    /// Through which subresource; empty for none.
    pub subresource: &'a str,
    /// What this target cannot change (`status`, or all but that): [`ignored_fields`].
    pub ignored: &'a Set,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// What a request to this target does not change, among the fields of an object: `status` for the
/// object itself if that is a subresource; all but `status` and `metadata` for `status`.
pub fn ignored_fields(object: &Value, has_status: bool, subresource: &str) -> Set {
    match subresource {
        "" if has_status => Set::of_fields(&[&["status"]]),
        "status" => {
            let names = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let others: Vec<Vec<&str>> = names
                .filter(|name| !matches!(*name, "apiVersion" | "kind" | "metadata" | "status"))
                .map(|name| vec![name])
                .collect();
            let others: Vec<&[&str]> = others.iter().map(Vec::as_slice).collect();
            Set::of_fields(&others)
        }
        _ => Set::default(),
    }
}

/// Applies a configuration. Gives the new object with its owners.
pub fn apply(write: &Write<'_>, applied: &Value, force: bool) -> Result<Value, Status> {
    let version = applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != write.api_version {
        return Err(Status::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {}",
            write.api_version
        )));
    }
    if crate::object::at(applied, &["metadata", "managedFields"]).is_some_and(|it| !it.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    declared(applied, write.schema, (write.api_version, write.kind))?;
    let mut settled = applied.clone();
    empty::settle_atomics(&mut settled, write.schema);
    let applied = &settled;
    let live = write.live_stripped();
    let change = write.change();
    let mut managed = match write.live {
        Some(live) => managed::read(live).map_err(|error| {
            Status::internal(format_args!("failed to decode managed fields: {error}"))
        })?,
        None => Managed::new(),
    };
    if managed.is_empty() && write.live.is_some() {
        let nobody = write.owner(Operation::Update, BEFORE_FIRST_APPLY);
        change.update(&write.nothing(), &live, &mut managed, &nobody);
        strip_metadata(&mut managed, &nobody);
    }
    let applier = write.owner(Operation::Apply, write.manager);
    let before = managed.clone();
    let mut object = match change.apply(&live, applied, &mut managed, &applier, force) {
        Ok(object) => object,
        Err(conflicts) => {
            let left = write.beside_own(conflicts);
            if !left.is_empty() {
                return Err(conflict::status(&left));
            }
            managed = before.clone();
            let forced = change.apply(&live, applied, &mut managed, &applier, true);
            forced.map_err(|conflicts| conflict::status(&conflicts))?
        }
    };
    empty::drop_nulls(&mut object, write.schema);
    strip_metadata(&mut managed, &applier);
    let is_new = before.get(&applier).map(|it| &it.set) != managed.get(&applier).map(|it| &it.set);
    if let (true, Some(owned)) = (is_new || object != live, managed.get_mut(&applier)) {
        owned.time = Some(crate::time::rfc3339(write.now));
    }
    managed::write(&mut object, &managed);
    if write.manager == "kubectl" {
        last_applied::refresh(&mut object, &live, applied);
    }
    Ok(object)
}

/// Refuses a configuration that says what its schema does not know, or otherwise: nobody could own that,
/// however lenient the request is.
pub fn declared(
    applied: &Value,
    schema: &Schema,
    (api_version, kind): (&str, &str),
) -> Result<(), Status> {
    typed::check(applied, schema).map_err(|faults| {
        let named = named(applied, api_version, kind);
        Status::bad_request(format!("failed to create typed patch object ({named}): {faults}"))
    })
}

/// `default/web; apps/v1, Kind=Deployment`.
fn named(object: &Value, group_version: &str, kind: &str) -> String {
    let core = if group_version.contains('/') { "" } else { "/" };
    let (namespace, name) = (crate::object::namespace(object), crate::object::name(object));
    format!("{namespace}/{name}; {core}{group_version}, Kind={kind}")
}

/// Gives an object that is about to be written its owners: what it brings along (so that they can be
/// edited) or the live ones, with the writer's part.
pub fn update(write: &Write<'_>, mut object: Value) -> Value {
    let mut managed = write.owners_before(&object);
    managed::strip(&mut object);
    // An object that nobody ever tracked stays so.
    if managed.is_empty() && write.live.is_some() {
        return object;
    }
    let live = match write.live {
        Some(_) => write.live_stripped(),
        None => write.nothing(),
    };
    // What a writer changes is found under another name first: only a change renews its time.
    let writer = write.owner(Operation::Update, write.manager);
    let probe = Owner { manager: "current-operation".to_owned(), ..writer.clone() };
    write.change().update(&live, &object, &mut managed, &probe);
    strip_metadata(&mut managed, &probe);
    if let Some(mut owned) = managed.remove(&probe) {
        if let Some(previous) = managed.remove(&writer) {
            owned.set = owned.set.union(&previous.set);
        }
        owned.time = Some(crate::time::rfc3339(write.now));
        managed.insert(writer, owned);
    }
    managed::cap(&mut managed);
    managed::write(&mut object, &managed);
    object
}

/// An object with a configuration laid over it, without owners: what a mutating policy does. What is
/// one value as a whole may not be touched.
pub fn merge_configuration(
    live: &Value,
    applied: &Value,
    schema: &Schema,
) -> Result<Value, String> {
    typed::check(applied, schema).map_err(|faults| faults.to_string())?;
    if let Some(path) = typed::first_atomic(applied, schema) {
        return Err(format!("may not mutate atomic arrays, maps or structs: {path}"));
    }
    let mut object = typed::merge(live, applied, schema);
    empty::drop_nulls(&mut object, schema);
    Ok(object)
}

/// Whether two objects are the same but for the times of their owners: such a write is none.
pub fn same_beside_times(one: &Value, other: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("time");
            }
        }
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        if let Some(entries) = metadata
            .and_then(|metadata| metadata.get_mut("managedFields"))
            .and_then(Value::as_array_mut)
        {
            entries.sort_by_cached_key(Value::to_string);
        }
        object
    };
    timeless(one) == timeless(other)
}

impl Write<'_> {
    fn change(&self) -> Change<'_> {
        Change { schema: self.schema, api_version: self.api_version, ignored: self.ignored }
    }

    fn owner(&self, operation: Operation, manager: &str) -> Owner {
        let is_update = operation == Operation::Update;
        Owner {
            manager: manager.to_owned(),
            operation,
            api_version: if is_update { self.api_version.to_owned() } else { String::new() },
            subresource: self.subresource.to_owned(),
        }
    }

    /// The live object without its owners; an empty one of its type if there is none.
    fn live_stripped(&self) -> Value {
        match self.live {
            Some(live) => {
                let mut live = live.clone();
                managed::strip(&mut live);
                live
            }
            None => self.nothing(),
        }
    }

    fn nothing(&self) -> Value {
        empty::object(self.schema, self.api_version, self.kind)
    }

    fn owners_before(&self, object: &Value) -> Managed {
        let of_live = || self.live.and_then(|live| managed::read(live).ok()).unwrap_or_default();
        if !self.subresource.is_empty() {
            return of_live();
        }
        if managed::is_reset(object) {
            return Managed::new();
        }
        match managed::read(object) {
            Ok(managed) if !managed.is_empty() => managed,
            _ => of_live(),
        }
    }

    /// Conflicts that are not with what the same user left by client-side apply.
    fn beside_own(&self, conflicts: updater::Conflicts) -> updater::Conflicts {
        let own = match self.live {
            Some(live) if self.manager == "kubectl" => {
                let mut live = live.clone();
                managed::strip(&mut live);
                last_applied::owned(&live, self.api_version, self.schema).unwrap_or_default()
            }
            _ => Set::default(),
        };
        conflicts.into_iter().filter(|(_, path)| !own.has(&path.0)).collect()
    }
}

/// Nobody owns what names an object and what only the server writes.
fn strip_metadata(managed: &mut Managed, owner: &Owner) {
    let Some(owned) = managed.get_mut(owner) else { return };
    let metadata = |name: &'static str| ["metadata", name];
    let names = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ]
    .map(metadata);
    let mut paths: Vec<&[&str]> = vec![&["apiVersion"], &["kind"], &["metadata"]];
    paths.extend(names.iter().map(<[_; 2]>::as_slice));
    owned.set = owned.set.difference(&Set::of_fields(&paths));
    if owned.set.is_empty() {
        managed.remove(owner);
    }
}
