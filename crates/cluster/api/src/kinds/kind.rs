//! A built-in kind as a table of functions: what [`Rules`] asks, with what is the same for all kinds
//! (metadata, status apart from spec, generations) done once.

use super::equal::spec_changed;
use super::field::{At, Report};
use super::meta::{self, NameRule, Place};
use super::{name, print};
use crate::object;
use crate::row::{Column, Rules, Target, keep_untouchable};
use crate::status::{Cause, Status};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What is wrong with an object or a change of it.
pub type Check = fn(&At, &mut Report);
/// What is wrong with a change: the new, the old.
pub type Change = fn(&At, &At, &mut Report);

/// One kind.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Where its objects live.
    pub place: Place,
    /// How their names look.
    pub name: NameRule,
    /// Fills in what was not said.
    pub default: fn(&mut Value),
    /// Its status when it is new; none for kinds that have none apart.
    pub status: Option<fn(&Value) -> Value>,
    /// Last touches to a new object, after its status was reset.
    pub create: fn(&mut Value),
    /// Takes over a change of the object or a subresource; answers whether it raises the generation,
    /// nothing if the usual way is right.
    pub prepare: fn(&mut Value, &Value, Target<'_>) -> Option<bool>,
    /// What is wrong with an object.
    pub check: Check,
    /// Only when it is new.
    pub check_new: Check,
    /// Whether `check` is also for changes.
    pub recheck: bool,
    /// What is wrong with a change.
    pub change: Change,
    /// What is wrong with a change of a subresource, by its name.
    pub change_part: fn(&str, &At, &At, &mut Report),
    /// Told to whoever writes it.
    pub warn: fn(&Value, Option<&Value>) -> Vec<String>,
    /// Told to whoever asks for it at all; empty for nothing.
    pub deprecated: &'static str,
    /// Fields that a selector may name.
    pub selectable: &'static [&'static str],
    /// The value of one, where it is not simply there.
    pub field: fn(&Value, &str) -> Option<String>,
    /// Columns, as [`print::columns`] reads them.
    pub columns: &'static str,
    /// Their cells.
    pub cells: fn(&Value, i64) -> Vec<Value>,
    /// Whether generations are counted.
    pub generation: bool,
    /// Whether an update without a resource version is taken.
    pub unconditional_update: bool,
    /// Whether an update makes what is not there.
    pub create_on_update: bool,
    /// Seconds a deletion waits.
    pub grace: fn(&Value, Option<i64>) -> Option<i64>,
    /// Notes times.
    pub stamp: fn(&mut Value, &str),
    /// Reads what is derived from it.
    pub read_part: fn(&Value, &str) -> Result<Value, Status>,
    /// Writes it.
    pub write_part: fn(&mut Value, &str, &Value) -> Result<(), Status>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Kind {
    /// Without any rules but those of metadata.
    pub const fn new(place: Place) -> Self {
        Self {
            place,
            name: name::subdomain_name,
            default: |_| (),
            status: None,
            create: |_| (),
            prepare: |_, _, _| None,
            check: |_, _| (),
            check_new: |_, _| (),
            recheck: true,
            change: |_, _, _| (),
            change_part: |_, _, _, _| (),
            warn: |_, _| Vec::new(),
            deprecated: "",
            selectable: &[],
            field: |_, _| None,
            columns: "Name,Age",
            cells: |object, now| vec![print::name(object), print::age(object, now)],
            generation: false,
            unconditional_update: true,
            create_on_update: false,
            grace: |_, _| None,
            stamp: |_, _| (),
            read_part: |_, name| Err(Status::not_found_path(name)),
            write_part: |_, name, _| Err(Status::not_found_path(name)),
        }
    }

    /// In namespaces.
    pub const fn namespaced() -> Self {
        Self::new(Place::Namespace)
    }

    /// In the cluster.
    pub const fn cluster() -> Self {
        Self::new(Place::Cluster)
    }
}

/// An empty status.
pub fn empty_status(_object: &Value) -> Value {
    Value::Object(Map::new())
}

impl Rules for Kind {
    fn default(&self, object: &mut Value) {
        (self.default)(object);
        if let Some(status) = self.status
            && object.get("status").is_none_or(Value::is_null)
        {
            let fresh = status(object);
            if let Some(fields) = object.as_object_mut() {
                fields.insert("status".to_owned(), fresh);
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        if let Some(status) = self.status {
            let fresh = status(object);
            if let Some(fields) = object.as_object_mut() {
                fields.insert("status".to_owned(), fresh);
            }
        }
        (self.create)(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, target: Target<'_>) -> bool {
        if let Some(raises) = (self.prepare)(object, old, target) {
            return raises && self.generation;
        }
        keep_untouchable(self.status.is_some(), object, old, target);
        target == Target::Object && self.generation && spec_changed(object, old)
    }

    fn validate_create(&self, object: &Value) -> Vec<Cause> {
        let mut report = Report::default();
        let at = At::root(object);
        meta::check(&at, self.place, self.name, &mut report);
        (self.check)(&at, &mut report);
        (self.check_new)(&at, &mut report);
        report.into_causes()
    }

    fn validate_update(&self, object: &Value, old: &Value, target: Target<'_>) -> Vec<Cause> {
        let mut report = Report::default();
        let (at, before) = (At::root(object), At::root(old));
        meta::check_update(&at, &before, &mut report);
        match target {
            Target::Object => {
                if self.recheck {
                    (self.check)(&at, &mut report);
                }
                (self.change)(&at, &before, &mut report);
            }
            Target::Subresource(part) => (self.change_part)(part, &at, &before, &mut report),
        }
        report.into_causes()
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        (self.warn)(object, old)
    }

    fn grace_seconds(&self, object: &Value, asked: Option<i64>) -> Option<i64> {
        (self.grace)(object, asked)
    }

    fn selectable(&self) -> &[&'static str] {
        self.selectable
    }

    fn deprecated(&self) -> Option<&str> {
        Some(self.deprecated).filter(|text| !text.is_empty())
    }

    fn field<'a>(&self, object: &'a Value, field: &str) -> Option<Cow<'a, str>> {
        if let Some(text) = (self.field)(object, field) {
            return Some(Cow::Owned(text));
        }
        let path: Vec<&str> = field.split('.').collect();
        Some(match object::at(object, &path) {
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Null) | None => Cow::Borrowed(""),
            Some(other) => Cow::Owned(other.to_string()),
        })
    }

    fn columns(&self) -> Vec<Column> {
        print::columns(self.columns)
    }

    fn cells(&self, object: &Value, now: i64) -> Vec<Value> {
        (self.cells)(object, now)
    }

    fn has_status(&self) -> bool {
        self.status.is_some()
    }

    fn has_generation(&self) -> bool {
        self.generation
    }

    fn allows_unconditional_update(&self) -> bool {
        self.unconditional_update
    }

    fn allows_create_on_update(&self) -> bool {
        self.create_on_update
    }

    fn stamp(&self, object: &mut Value, now: &str) {
        (self.stamp)(object, now);
    }

    fn read_subresource(&self, object: &Value, name: &str) -> Result<Value, Status> {
        (self.read_part)(object, name)
    }

    fn write_subresource(
        &self,
        object: &mut Value,
        name: &str,
        sent: &Value,
    ) -> Result<(), Status> {
        (self.write_part)(object, name, sent)
    }
}
