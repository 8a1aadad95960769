//! Changes an object: what a replacement, a patch and a subresource have in common.

use super::{Written, meta};
use crate::api::{Api, Call, WriteOptions, store_status};
use crate::stored::{Object, Stored};
use serde_json::Value;
use teu_api::{Cause, Status, Target, object};
use teu_store::{Change, Expect, Outcome, Txn};

/// How often a change that names no revision is made anew on what somebody else wrote meanwhile.
const TRIES: usize = 20;

/// What a change makes of an object.
pub type Make<'a> = &'a (dyn Fn(&Value) -> Result<Value, Status> + Send + Sync);

impl Api {
    /// Replaces an object, or the part of it that a subresource is.
    pub async fn update(
        &self,
        call: &Call,
        mut sent: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        meta::check_place(call, &mut sent)?;
        let name = object::name(&sent);
        if name != call.name {
            let text = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                call.name
            );
            return Err(Status::bad_request(text));
        }
        let rules = &call.entry.row.rules;
        let version = object::text(&sent, &["metadata", "resourceVersion"]).unwrap_or_default();
        if matches!(version, "" | "0") && !rules.allows_unconditional_update() {
            let why = "must be specified for an update";
            let zero = Cause {
                message: format!("Invalid value: 0x0: {why}"),
                ..Cause::invalid("metadata.resourceVersion", &Value::Null, why)
            };
            return Err(call.invalid(vec![zero]));
        }
        let made = self.modify(call, &|_| Ok(sent.clone()), options).await;
        match made {
            Err(status)
                if status.code == 404
                    && rules.allows_create_on_update()
                    && call.subresource.is_empty() =>
            {
                let mut new = sent;
                object::metadata_mut(&mut new).shift_remove("resourceVersion");
                self.create(call, new, options).await
            }
            other => other,
        }
    }

    /// Makes a change and writes it, again and again while others are faster and the change does
    /// not name the revision it is meant for.
    pub async fn modify(
        &self,
        call: &Call,
        make: Make<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        for _ in 0..TRIES {
            let old = self.current(call).await?.ok_or_else(|| call.not_found())?;
            let before = old.to_value()?;
            let mut new = make(&before)?;
            let wanted = object::text(&new, &["metadata", "resourceVersion"]).unwrap_or_default();
            if !matches!(wanted, "" | "0") && wanted != old.revision.to_string() {
                return Err(call.modified());
            }
            let warnings = self.prepare(call, &mut new, &before)?;
            // If somebody was faster and the change was meant for one revision, the next look says so.
            if let Some(object) = self.put(call, &old, &before, &new, options).await? {
                return Ok(Written { object, is_new: false, warnings });
            }
        }
        Err(call.modified())
    }

    /// Checks a change and gives it what the server says.
    fn prepare(&self, call: &Call, new: &mut Value, old: &Value) -> Result<Vec<String>, Status> {
        let rules = &call.entry.row.rules;
        rules.default(new);
        let target = match &*call.subresource {
            "" => Target::Object,
            below => Target::Subresource(below),
        };
        meta::carry(call, new, old)?;
        let raises = rules.prepare_update(new, old, target);
        if raises {
            let generation = object::generation(old) + 1;
            object::metadata_mut(new).insert("generation".to_owned(), generation.into());
        }
        let mut causes = meta::change_faults(new, old);
        causes.extend(rules.validate_update(new, old, target));
        if !causes.is_empty() {
            return Err(call.invalid(causes));
        }
        Ok(rules.warnings(new, Some(old)))
    }

    /// Writes a change, unless there is none; `None` if somebody was faster. What waited only for
    /// its last finalizer goes.
    async fn put(
        &self,
        call: &Call,
        old: &Object,
        before: &Value,
        new: &Value,
        options: &WriteOptions,
    ) -> Result<Option<Object>, Status> {
        let stored = Stored::seal(new);
        if options.is_dry_run {
            return Ok(Some(Object { stored, revision: old.revision }));
        }
        let change = if is_over(call, new, before) {
            Change::Delete
        } else if new == before {
            return Ok(Some(Object { stored, revision: old.revision }));
        } else {
            Change::Put { value: stored.json().clone(), lease: 0 }
        };
        let txn = Txn::one(call.key(), Expect::Revision(old.revision), change);
        match self.store.commit(txn).await.map_err(store_status)? {
            Outcome::Done { revision } => Ok(Some(Object { stored, revision })),
            Outcome::Conflict { .. } => Ok(None),
        }
    }
}

/// Whether an object's deletion had begun and nothing holds it any more.
pub fn is_over(call: &Call, new: &Value, old: &Value) -> bool {
    let grace = |object| {
        object::at(object, &["metadata", "deletionGracePeriodSeconds"])
            .and_then(Value::as_i64)
            .unwrap_or(0)
    };
    object::is_terminating(new)
        && meta::texts(new, "finalizers").is_empty()
        && grace(new) == 0
        && grace(old) == 0
        && !super::delete::is_held(call, new)
}
