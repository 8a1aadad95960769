//! Changes an object: what a replacement, a patch and a subresource have in common.

use super::again::Again;
use super::input::Input;
use super::{Written, meta};
use crate::api::{Api, Call, WriteOptions, store_status};
use crate::services::{self, Given};
use crate::stored::{Object, Stored};
use serde_json::{Value, json};
use teu_api::admission::Operation;
use teu_api::{Cause, Status, Target, apply, object};
use teu_store::{Change, Consistency, Expect, Outcome, Txn};

impl Api {
    /// Changes an object, or the part of it that a subresource is, by what was sent.
    pub async fn change(
        &self,
        call: &Call,
        mut input: Input,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let rules = &call.entry.row.rules;
        if let Input::Whole(sent) = &mut input {
            check_whole(call, sent)?;
        }
        let made = self.modify(call, &input, options).await;
        let Err(status) = &made else { return made };
        let is_missing = status.code == 404 && call.subresource.is_empty();
        match input {
            Input::Whole(mut new) if is_missing && rules.allows_create_on_update() => {
                self.demand_create(call).await?;
                object::metadata_mut(&mut new).shift_remove("resourceVersion");
                self.create(call, new, options).await
            }
            Input::Applied(sent) if is_missing => {
                self.demand_create(call).await?;
                self.create_applied(call, sent, options).await
            }
            _ => made,
        }
    }

    /// Applies a configuration of what is not there.
    async fn create_applied(
        &self,
        call: &Call,
        mut sent: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        check_name(call, &sent)?;
        meta::check_place(call, &mut sent)?;
        let uid = object::uid(&sent);
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(call.conflict(&why));
        }
        let new = self.apply(call, None, &sent, options)?;
        self.create_owned(call, new, options).await
    }

    /// Makes a change and writes it, again and again while others are faster and the change does
    /// not name the revision it is meant for.
    async fn modify(
        &self,
        call: &Call,
        input: &Input,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let mut again = Again::new(self, call);
        while again.may().await {
            let old = self.current(call).await?.ok_or_else(|| call.not_found())?;
            let before = call.entry.open(&old.stored, old.revision)?;
            let (mut new, told) = self.make(call, input, &before, options)?;
            let wanted = object::text(&new, &["metadata", "resourceVersion"]).unwrap_or_default();
            check_version(call, input, wanted)?;
            if !matches!(wanted, "" | "0") && wanted != old.revision.to_string() {
                return Err(call.modified());
            }
            let is_dry_run = options.is_dry_run;
            let subject = self.subject(call, Operation::Update, Some(&before), is_dry_run).await?;
            let mut warnings = told;
            call.entry.row.rules.default(&mut new);
            warnings.extend(self.mutate(&subject, &mut new).await?);
            let (given, more) = self.prepare(call, &mut new, &before).await?;
            warnings.extend(more);
            warnings.extend(self.judge(&subject, Some(&new)).await?);
            self.check_escalation(call, &new).await?;
            self.check_parameters(call, &new, Some(&before)).await?;
            if !input.is_applied() {
                new = self.own(call, Some(&before), new, options);
            }
            // If somebody was faster and the change was meant for one revision, the next look says so.
            let replacing = Replacing { old: &old, before: &before, given: &given };
            if let Some(object) = self.put(call, replacing, &new, options).await? {
                return Ok(Written { object, is_new: false, warnings });
            }
        }
        Err(call.modified())
    }

    /// The changed object. A subresource that is a document of its own is read, changed, and put
    /// back into the object.
    fn make(
        &self,
        call: &Call,
        input: &Input,
        before: &Value,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), Status> {
        let rules = &call.entry.row.rules;
        if !call.is_derived() {
            let (mut new, told) = input.fitted(self, call, before, options)?;
            check_name(call, &new)?;
            meta::check_place(call, &mut new)?;
            return Ok((new, told));
        }
        if let Input::Applied(sent) = input {
            return Ok((self.apply_part(call, sent, before, options)?, Vec::new()));
        }
        let part = rules.read_subresource(before, &call.subresource)?;
        let (sent, told) = input.fitted(self, call, &part, options)?;
        let mut new = before.clone();
        rules.write_subresource(&mut new, &call.subresource, &sent)?;
        let version = object::text(&sent, &["metadata", "resourceVersion"]).unwrap_or_default();
        object::metadata_mut(&mut new).insert("resourceVersion".to_owned(), version.into());
        Ok((new, told))
    }

    /// What applying a document makes of the object that it stands for a part of: the same as applying
    /// to the object only what the document says.
    fn apply_part(
        &self,
        call: &Call,
        sent: &Value,
        before: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        let expected = call.document().map(|(_, api_version, _)| api_version).unwrap_or_default();
        let said = object::text(sent, &["apiVersion"]).unwrap_or_default();
        if said != expected {
            return Err(Status::bad_request(format!(
                "Incorrect version specified in apply patch. Specified patch version: {said}, expected: {expected}"
            )));
        }
        let mut said = json!({
            "apiVersion": call.entry.api_version, "kind": call.entry.kind(),
            "metadata": { "name": call.name },
        });
        if object::at(sent, &["spec", "replicas"]).is_some() {
            call.entry.row.rules.write_subresource(&mut said, &call.subresource, sent)?;
        }
        for name in ["resourceVersion", "uid"] {
            if let Some(text) = object::text(sent, &["metadata", name]) {
                object::metadata_mut(&mut said).insert(name.to_owned(), text.into());
            }
        }
        self.apply(call, Some(before), &said, options)
    }

    /// Checks a change and gives it what the server says.
    async fn prepare(
        &self,
        call: &Call,
        new: &mut Value,
        old: &Value,
    ) -> Result<(Given, Vec<String>), Status> {
        let rules = &call.entry.row.rules;
        rules.default(new);
        // What is written through `scale` is the object, by its own rules.
        let target = match &*call.subresource {
            below if !below.is_empty() && !call.is_derived() => Target::Subresource(below),
            _ => Target::Object,
        };
        meta::carry(call, new, old)?;
        if rules.prepare_update(new, old, target) {
            let generation = object::generation(old) + 1;
            object::metadata_mut(new).insert("generation".to_owned(), generation.into());
        }
        let given = match services::is_service(call) {
            true => services::give(call, new, Some(old), &self.service_networks(call).await?),
            false => Given::default(),
        };
        rules.stamp(new, &self.wall.text());
        let mut causes = rules.validate_update(new, old, target);
        causes.extend(given.faults.iter().cloned());
        if !causes.is_empty() {
            return Err(call.invalid(causes));
        }
        Ok((given, rules.warnings(new, Some(old))))
    }

    /// Writes a change, unless there is none; `None` if somebody was faster. What waited only for
    /// its last finalizer goes.
    async fn put(
        &self,
        call: &Call,
        Replacing { old, before, given }: Replacing<'_>,
        new: &Value,
        options: &WriteOptions,
    ) -> Result<Option<Object>, Status> {
        let stored = call.entry.seal(new)?;
        let charge = self.charge(call, new, Some(before)).await?;
        if options.is_dry_run {
            return Ok(Some(Object { stored, revision: old.revision }));
        }
        let mut beside = given.writes.clone();
        let change = if is_over(call, new, before) {
            if services::is_service(call) {
                beside = services::take_back(call, before);
            }
            Change::Delete
        } else if (new == before || apply::same_beside_times(new, before))
            && !self.is_outdated(call, old, &stored).await?
        {
            return self.current(call).await;
        } else {
            beside.extend(charge.writes.iter().cloned());
            Change::Put { value: stored.json().clone(), lease: self.lease(call).await? }
        };
        let mut txn = Txn::one(call.key(), Expect::Revision(old.revision), change);
        txn.writes.extend(beside);
        let Some(outcome) = self.commit(txn).await? else { return Ok(None) };
        match outcome {
            Outcome::Done { revision } => Ok(Some(Object { stored, revision })),
            Outcome::Conflict { current, .. } => {
                let (stands, beside) = current.split_first().unzip();
                let stands = stands.and_then(Option::as_ref);
                let is_unmoved = stands.is_some_and(|kv| kv.modified == old.revision);
                match is_unmoved && given.is_refused(beside.unwrap_or_default()) {
                    true => Err(call.invalid(services::refused(new))),
                    false => Ok(None),
                }
            }
        }
    }

    /// Whether what is stored would be written otherwise now: in another version, or by another key. Then
    /// a change that changes nothing is written: so clients lead objects out of a version or from a key
    /// that is to go.
    async fn is_outdated(&self, call: &Call, old: &Object, new: &Stored) -> Result<bool, Status> {
        if old.stored.api_version() != new.api_version() {
            return Ok(true);
        }
        let key = call.key();
        let Some((store, sealings)) = &self.beneath else { return Ok(false) };
        let Some(sealing) = sealings.of(&key) else { return Ok(false) };
        let found = store.get(&key, Consistency::Linearizable).await.map_err(store_status)?;
        Ok(found.kv.is_some_and(|kv| !sealing.is_current(&kv.value)))
    }
}

/// What is replaced, and what is written beside.
#[derive(Clone, Copy)]
struct Replacing<'a> {
    old: &'a Object,
    before: &'a Value,
    given: &'a Given,
}

/// Refuses an object of another name: its key would be the one of the path.
fn check_name(call: &Call, sent: &Value) -> Result<(), Status> {
    let (name, path) = (object::name(sent), &call.name);
    match name == path {
        true => Ok(()),
        false => Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({path})"
        ))),
    }
}

/// What can be said of a replacement before the object has been read.
fn check_whole(call: &Call, sent: &mut Value) -> Result<(), Status> {
    if call.is_derived() {
        return Ok(());
    }
    meta::check_place(call, sent)?;
    check_name(call, sent)?;
    Ok(())
}

/// Refuses to replace whatever stands there, where the kind wants to be told what that is.
fn check_version(call: &Call, input: &Input, version: &str) -> Result<(), Status> {
    let says_none = matches!(input, Input::Whole(_)) && matches!(version, "" | "0");
    let rules = &call.entry.row.rules;
    if !says_none || call.is_derived() || rules.allows_unconditional_update() {
        return Ok(());
    }
    let mut cause = Cause::invalid("metadata.resourceVersion", &Value::Null, "");
    cause.message = "Invalid value: 0x0: must be specified for an update".to_owned();
    Err(call.invalid(vec![cause]))
}

/// Whether an object's deletion had begun and nothing holds it any more.
fn is_over(call: &Call, new: &Value, old: &Value) -> bool {
    let grace = |object| {
        let seconds = object::at(object, &["metadata", "deletionGracePeriodSeconds"]);
        seconds.and_then(Value::as_i64).unwrap_or(0)
    };
    object::is_terminating(new)
        && meta::texts(new, "finalizers").is_empty()
        && grace(new) == 0
        && grace(old) == 0
        && !super::delete::is_held(call, new)
}
