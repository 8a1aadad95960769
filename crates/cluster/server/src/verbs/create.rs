//! Makes an object.

use super::Written;
use super::meta;
use crate::api::{Api, Call, WriteOptions, store_status};
use crate::id;
use crate::stored::Object;
use serde_json::Value;
use teu_api::{Status, object};
use teu_store::{Outcome, Txn};

/// Names that are tried for a `generateName`.
const GENERATED_TRIES: usize = 8;

impl Api {
    /// Makes an object of what was sent. Its name may be generated.
    pub async fn create(
        &self,
        call: &Call,
        mut sent: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        meta::check_place(call, &mut sent)?;
        let version = object::text(&sent, &["metadata", "resourceVersion"]).unwrap_or_default();
        if !version.is_empty() {
            return Err(Status::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let name = object::name(&sent).to_owned();
        let prefix =
            object::text(&sent, &["metadata", "generateName"]).unwrap_or_default().to_owned();
        let is_generated = name.is_empty() && !prefix.is_empty();
        if !call.name.is_empty() && !name.is_empty() && name != call.name {
            let text = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                call.name
            );
            return Err(Status::bad_request(text));
        }
        let tries = if is_generated { GENERATED_TRIES } else { 1 };
        for left in (0..tries).rev() {
            let mut new = if left > 0 { sent.clone() } else { std::mem::take(&mut sent) };
            let mut call = call.clone();
            call.name = if is_generated { id::generated_name(&prefix) } else { name.clone() };
            if !call.name.is_empty() {
                object::metadata_mut(&mut new).insert("name".to_owned(), call.name.clone().into());
            }
            match self.create_named(&call, new, options).await {
                Err(status) if status.reason == "AlreadyExists" && is_generated => {}
                other => return other,
            }
        }
        let plural = call.entry.plural();
        let text = format!(
            "{plural} \"{prefix}\" already exists, the server was not able to generate a unique name for the object"
        );
        let mut status = Status::already_exists(call.entry.group(), plural, &prefix);
        status.message = text;
        Err(status)
    }

    async fn create_named(
        &self,
        call: &Call,
        mut new: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let warnings = self.prepare_new(call, &mut new).await?;
        let new = self.own(call, None, new, options);
        self.insert(call, &new, options, warnings).await
    }

    /// Makes an object whose fields have their owners already.
    pub(super) async fn create_owned(
        &self,
        call: &Call,
        mut new: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let warnings = self.prepare_new(call, &mut new).await?;
        self.insert(call, &new, options, warnings).await
    }

    /// Checks a new object and gives it what the server says.
    async fn prepare_new(&self, call: &Call, new: &mut Value) -> Result<Vec<String>, Status> {
        let rules = &call.entry.row.rules;
        rules.default(new);
        self.admit_namespace(call).await?;
        // Some kinds make labels of their own UID.
        self.begin(call, new);
        rules.prepare_create(new);
        rules.stamp(new, &self.wall.text());
        let causes = meta::beside(rules.validate_create(new), meta::faults(call, new));
        if !causes.is_empty() {
            return Err(call.invalid(causes));
        }
        self.check_escalation(call, new).await?;
        Ok(rules.warnings(new, None))
    }

    async fn insert(
        &self,
        call: &Call,
        new: &Value,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Written, Status> {
        let stored = call.entry.seal(new)?;
        let mut revision = 0;
        if options.is_dry_run {
            if self.current(call).await?.is_some() {
                return Err(already_exists(call));
            }
        } else {
            let txn = Txn::create(call.key(), stored.json().clone());
            match self.store.commit(txn).await.map_err(store_status)? {
                Outcome::Done { revision: done } => revision = done,
                Outcome::Conflict { .. } => return Err(already_exists(call)),
            }
        }
        Ok(Written { object: Object { stored, revision }, is_new: true, warnings })
    }
}

fn already_exists(call: &Call) -> Status {
    Status::already_exists(call.entry.group(), call.entry.plural(), &call.name)
}
