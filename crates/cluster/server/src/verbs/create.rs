//! Makes an object.

use super::Written;
use super::meta;
use crate::admission::{CHARGES, Place};
use crate::api::{Api, Call, WriteOptions};
use crate::id;
use crate::services::{self, Given};
use crate::stored::Object;
use serde_json::Value;
use teu_api::admission::Operation;
use teu_api::{Status, object};
use teu_store::{Change, Expect, Outcome, Txn};

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
        if !matches!(version, "" | "0") {
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
        new: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.create_with(call, new, options, Owners::ToFind).await
    }

    /// Makes an object whose fields have their owners already.
    pub(super) async fn create_owned(
        &self,
        call: &Call,
        new: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.create_with(call, new, options, Owners::Known).await
    }

    async fn create_with(
        &self,
        call: &Call,
        mut new: Value,
        options: &WriteOptions,
        owners: Owners,
    ) -> Result<Written, Status> {
        if call.entry.is_going {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::new(405, "MethodNotAllowed", why));
        }
        let draws = if services::is_service(call) { services::DRAWS } else { 1 };
        for left in (0..draws).rev() {
            let mut drawn = if left > 0 { new.clone() } else { std::mem::take(&mut new) };
            let Prepared { given, place, warnings } =
                self.prepare_new(call, &mut drawn, options).await?;
            let call = &Call { name: object::name(&drawn).to_owned(), ..call.clone() };
            if owners == Owners::ToFind {
                drawn = self.own(call, None, drawn, options);
            }
            if let Some(object) = self.insert(call, &drawn, (&given, place), options).await? {
                return Ok(Written { object, is_new: true, warnings });
            }
        }
        Err(Status::internal(
            "failed to allocate an address or a port: none was found that is free",
        ))
    }

    /// Checks a new object and gives it what the server says.
    async fn prepare_new(
        &self,
        call: &Call,
        new: &mut Value,
        options: &WriteOptions,
    ) -> Result<Prepared, Status> {
        let rules = &call.entry.row.rules;
        rules.default(new);
        let subject = self.subject(call, Operation::Create, None, options.is_dry_run).await?;
        let place = Place::of(&subject)?;
        let mut warnings = self.mutate(&subject, new).await?;
        // A webhook may name what has no name yet, and nothing else: by its name it was looked at.
        if !call.name.is_empty() && object::name(new) != call.name {
            let (name, wanted) = (object::name(new), &call.name);
            return Err(Status::bad_request(format!(
                "admission changed the name of the object from {wanted} to {name}"
            )));
        }
        meta::check_place(call, new)?;
        // Some kinds make labels of their own UID.
        self.begin(call, new);
        rules.prepare_create(new);
        let given = match services::is_service(call) {
            true => services::give(call, new, None, &self.service_networks(call).await?),
            false => Given::default(),
        };
        rules.stamp(new, &self.wall.text());
        let mut causes = rules.validate_create(new);
        causes.extend(given.faults.iter().cloned());
        if !causes.is_empty() {
            return Err(call.invalid(causes));
        }
        self.check_escalation(call, new).await?;
        self.check_parameters(call, new, None).await?;
        warnings.extend(rules.warnings(new, None));
        warnings.extend(self.judge(&subject, Some(new)).await?);
        Ok(Prepared { given, place, warnings })
    }

    /// Writes a new object and what it was given, where it was to be; `None` if somebody else has what
    /// was given.
    async fn insert(
        &self,
        call: &Call,
        new: &Value,
        (given, mut place): (&Given, Option<Place>),
        options: &WriteOptions,
    ) -> Result<Option<Object>, Status> {
        let stored = call.entry.seal(new)?;
        for _ in 0..CHARGES {
            let charge = self.charge(call, new, None).await?;
            if options.is_dry_run {
                return match self.current(call).await? {
                    Some(_) => Err(already_exists(call)),
                    None => Ok(Some(Object { stored, revision: 0 })),
                };
            }
            let put = Change::Put { value: stored.json().clone(), lease: self.lease(call).await? };
            let mut txn = Txn::one(call.key(), Expect::Absent, put);
            txn.writes.extend(given.writes.iter().cloned());
            txn.writes.extend(charge.writes.iter().cloned());
            let charged = txn.writes.len() - charge.writes.len();
            txn.writes.extend(place.as_ref().map(Place::check));
            let Some(outcome) = self.commit(txn).await? else { continue };
            let current = match outcome {
                Outcome::Done { revision } => return Ok(Some(Object { stored, revision })),
                Outcome::Conflict { current, .. } => current,
            };
            if let Some(place) = &mut place {
                place.look_again(call, current.last().and_then(Option::as_deref))?;
            }
            match current.split_first() {
                Some((None, beside)) if given.is_refused(beside) => {
                    return Err(call.invalid(services::refused(new)));
                }
                // Either what was drawn is taken, or only its namespace or the quotas have changed.
                Some((None, _)) if current.iter().take(charged).any(Option::is_some) => {
                    return Ok(None);
                }
                Some((None, _)) => {}
                _ => return Err(already_exists(call)),
            }
        }
        let why = "its namespace or quotas changed again and again while it was written; try again";
        Err(call.conflict(why))
    }
}

/// What a new object comes with.
struct Prepared {
    given: Given,
    place: Option<Place>,
    warnings: Vec<String>,
}

/// Whether a new object's fields have their owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    /// They were applied.
    Known,
    /// Whoever sent them.
    ToFind,
}

fn already_exists(call: &Call) -> Status {
    Status::already_exists(call.entry.group(), call.entry.plural(), &call.name)
}
