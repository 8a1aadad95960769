//! Deletes: at once, after a time of grace, or when the last finalizer has gone.

use super::again::Again;
use super::{Found, Written, meta};
use crate::api::{Api, Call};
use crate::crd::CLEANUP;
use crate::services;
use crate::stored::Object;
use crate::time::rfc3339;
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::admission::Operation;
use teu_api::{Cause, Status, object};
use teu_store::{Change, Expect, Outcome, Txn};

/// Deletions of a collection that are under way at a time.
const AT_ONCE: usize = 16;
/// Holds an owner until its dependents are let go.
const ORPHAN: &str = "orphan";
/// Holds an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// They go afterwards.
    Background,
    /// They go first.
    Foreground,
}

impl Propagation {
    /// `Orphan`, `Background`, `Foreground`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "Orphan" => Some(Self::Orphan),
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            _ => None,
        }
    }
}

/// How something is deleted.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Seconds it may take.
    pub grace_seconds: Option<i64>,
    /// Only this object.
    pub uid: Option<String>,
    /// Only as it was then.
    pub resource_version: Option<String>,
    /// See there.
    pub propagation: Option<Propagation>,
    /// Everything but the writing.
    pub is_dry_run: bool,
}

/// What a deletion answers.
#[derive(Debug)]
pub enum Deleted {
    /// It is gone; as it was.
    Gone(Object, Value),
    /// Its deletion has begun.
    Begun(Object),
}

impl DeleteOptions {
    /// What a `DeleteOptions` document and the query say; the query wins.
    pub fn of(document: &Value, query: &crate::request::Query) -> Result<Self, Status> {
        let text = |path: &[&str]| object::text(document, path).map(str::to_owned);
        let grace = document.get("gracePeriodSeconds").and_then(Value::as_i64);
        let grace_seconds = query.number("gracePeriodSeconds")?.or(grace);
        let refuse = |cause| Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        let orphans = match query.find("orphanDependents") {
            Some(_) => Some(query.switch("orphanDependents")?),
            None => document.get("orphanDependents").and_then(Value::as_bool),
        };
        let word = query.find("propagationPolicy").map(str::to_owned);
        let propagation = match word.or_else(|| text(&["propagationPolicy"])).as_deref() {
            None | Some("") => orphans.map(|orphans| match orphans {
                true => Propagation::Orphan,
                false => Propagation::Background,
            }),
            Some(_) if orphans.is_some() => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                return refuse(Cause::invalid("propagationPolicy", &Value::Null, why));
            }
            Some(word) => match Propagation::parse(word) {
                Some(propagation) => Some(propagation),
                None => {
                    let known = ["Foreground", "Background", "Orphan", "nil"];
                    return refuse(Cause::unsupported("propagationPolicy", &word.into(), &known));
                }
            },
        };
        let said = document.get("dryRun").and_then(Value::as_array).into_iter().flatten();
        let said: Vec<Value> = said.cloned().chain(query.all("dryRun").map(Value::from)).collect();
        // A try in words that are not understood must not become a deletion.
        if let Some(word) = said.iter().find(|word| *word != "All") {
            return refuse(Cause::unsupported("dryRun", word, &["All"]));
        }
        Ok(Self {
            grace_seconds,
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            propagation,
            is_dry_run: !said.is_empty(),
        })
    }
}

impl Api {
    /// Deletes an object, or begins to.
    pub async fn delete(&self, call: &Call, options: &DeleteOptions) -> Result<Deleted, Status> {
        let mut again = Again::new(self, call);
        while again.may().await {
            let old = self.current(call).await?.ok_or_else(|| call.not_found())?;
            let before = call.entry.open(&old.stored, old.revision)?;
            check_preconditions(call, &before, old.revision, options)?;
            let is_dry_run = options.is_dry_run;
            let subject = self.subject(call, Operation::Delete, Some(&before), is_dry_run).await?;
            self.judge(&subject, None).await?;
            let plan = plan(call, &before, options, self.wall.seconds());
            let (change, new) = match plan {
                Plan::Wait => return Ok(Deleted::Begun(old)),
                Plan::Remove => (Change::Delete, None),
                Plan::Mark(new) => {
                    let stored = call.entry.seal(&new)?;
                    let lease = self.lease(call).await?;
                    (Change::Put { value: stored.json().clone(), lease }, Some(stored))
                }
            };
            let mut revision = old.revision;
            if !options.is_dry_run {
                let goes = change == Change::Delete;
                let mut txn = Txn::one(call.key(), Expect::Revision(old.revision), change);
                if goes && services::is_service(call) {
                    txn.writes.extend(services::take_back(call, &before));
                }
                let Some(outcome) = self.commit(txn).await? else { continue };
                match outcome {
                    Outcome::Done { revision: done } => revision = done,
                    Outcome::Conflict { .. } => continue,
                }
            }
            return Ok(match new {
                Some(stored) => Deleted::Begun(Object { stored, revision }),
                None => Deleted::Gone(Object { revision, ..old }, before),
            });
        }
        Err(call.modified())
    }

    /// Deletes many objects; those that others deleted meanwhile do not count.
    pub async fn delete_all(
        self: &Arc<Self>,
        call: &Call,
        items: &[Found],
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        let mut tasks = tokio::task::JoinSet::new();
        let mut waiting = items.iter();
        loop {
            while tasks.len() < AT_ONCE {
                let Some(item) = waiting.next() else { break };
                let rest = call.entry.shelf.rest(&item.kv.key);
                let (namespace, name) = rest.rsplit_once('/').unwrap_or(("", rest));
                let (namespace, name) = (namespace.to_owned(), name.to_owned());
                let call = Call { namespace, name, ..call.clone() };
                let (api, options) = (Arc::clone(self), options.clone());
                tasks.spawn(async move { api.delete(&call, &options).await });
            }
            match tasks.join_next().await {
                None => return Ok(()),
                Some(Ok(Err(status))) if status.code != 404 => return Err(status),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Status::internal(error)),
            }
        }
    }
}

/// What a deletion does.
enum Plan {
    /// It has begun before, and nothing changes.
    Wait,
    /// It goes at once.
    Remove,
    /// It is marked like this.
    Mark(Value),
}

fn plan(call: &Call, before: &Value, options: &DeleteOptions, now: i64) -> Plan {
    let rules = &call.entry.row.rules;
    let grace = rules.grace_seconds(before, options.grace_seconds).filter(|seconds| *seconds > 0);
    let finalizers = finalizers(call, before, options);
    let mut new = before.clone();
    let generation = object::generation(before);
    let metadata = object::metadata_mut(&mut new);
    let began = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64);
    if object::is_terminating(before) {
        let waits = began.unwrap_or(0);
        match grace {
            _ if waits == 0 => {}
            Some(seconds) if seconds < waits && options.grace_seconds.is_some() => {
                metadata.insert("deletionTimestamp".to_owned(), rfc3339(now + seconds).into());
                metadata.insert("deletionGracePeriodSeconds".to_owned(), seconds.into());
                return Plan::Mark(new);
            }
            Some(_) => return Plan::Wait,
            None => {}
        }
    } else {
        if let Some(seconds) = grace {
            set_finalizers(metadata, &finalizers);
            metadata.insert("deletionTimestamp".to_owned(), rfc3339(now + seconds).into());
            metadata.insert("deletionGracePeriodSeconds".to_owned(), seconds.into());
            if generation > 0 {
                metadata.insert("generation".to_owned(), (generation + 1).into());
            }
            return Plan::Mark(new);
        }
        metadata.insert("deletionTimestamp".to_owned(), rfc3339(now).into());
    }
    metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
    set_finalizers(metadata, &finalizers);
    if is_namespace(call) {
        object::child_mut(&mut new, "status").insert("phase".to_owned(), "Terminating".into());
    } else if generation > 0 && !object::is_terminating(before) {
        object::metadata_mut(&mut new).insert("generation".to_owned(), (generation + 1).into());
    }
    match finalizers.is_empty() && !is_held(call, before) {
        true => Plan::Remove,
        false if new == *before => Plan::Wait,
        false => Plan::Mark(new),
    }
}

/// The finalizers a deletion leaves or sets.
fn finalizers(call: &Call, before: &Value, options: &DeleteOptions) -> Vec<String> {
    let mut names = meta::texts(before, "finalizers");
    let has = |name: &str| names.iter().any(|known| known == name);
    let (mut orphan, mut foreground) = match options.propagation {
        Some(Propagation::Orphan) => (true, false),
        Some(Propagation::Foreground) => (false, true),
        Some(Propagation::Background) => (false, false),
        None => (has(ORPHAN) || orphans_by_default(call) && !has(FOREGROUND), has(FOREGROUND)),
    };
    if object::is_terminating(before) && options.propagation.is_none() {
        (orphan, foreground) = (has(ORPHAN), has(FOREGROUND));
    }
    names.retain(|name| !matches!(&**name, ORPHAN | FOREGROUND));
    // A definition goes after its objects.
    if is_definition(call)
        && !object::is_terminating(before)
        && !names.iter().any(|name| name == CLEANUP)
    {
        names.push(CLEANUP.to_owned());
    }
    for (wanted, name) in [(orphan, ORPHAN), (foreground, FOREGROUND)] {
        if wanted {
            names.push(name.to_owned());
        }
    }
    names
}

/// The two kinds that, by their age, keep their pods unless told otherwise.
fn orphans_by_default(call: &Call) -> bool {
    matches!(
        (call.entry.group(), call.entry.plural()),
        ("", "replicationcontrollers") | ("batch", "jobs")
    )
}

fn is_definition(call: &Call) -> bool {
    (call.entry.group(), call.entry.plural())
        == ("apiextensions.k8s.io", "customresourcedefinitions")
}

fn set_finalizers(metadata: &mut serde_json::Map<String, Value>, names: &[String]) {
    match names.is_empty() {
        true => drop(metadata.shift_remove("finalizers")),
        false => drop(metadata.insert("finalizers".to_owned(), json!(names))),
    }
}

/// Whether this is about namespaces themselves.
pub fn is_namespace(call: &Call) -> bool {
    (call.entry.group(), call.entry.plural()) == ("", "namespaces")
}

/// Whether an object is held by more than `metadata.finalizers`: namespaces have their own in `spec`.
pub fn is_held(call: &Call, object: &Value) -> bool {
    is_namespace(call)
        && object::at(object, &["spec", "finalizers"])
            .and_then(Value::as_array)
            .is_some_and(|names| !names.is_empty())
}

fn check_preconditions(
    call: &Call,
    before: &Value,
    revision: u64,
    options: &DeleteOptions,
) -> Result<(), Status> {
    if let Some(uid) = &options.uid
        && uid != object::uid(before)
    {
        let has = object::uid(before);
        let why =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {has}");
        return Err(call.conflict(&why));
    }
    if let Some(version) = &options.resource_version
        && *version != revision.to_string()
    {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {revision}"
        );
        return Err(call.conflict(&why));
    }
    Ok(())
}

impl Deleted {
    /// The same as a write's answer.
    pub fn into_written(self) -> Written {
        let object = match self {
            Self::Gone(object, _) | Self::Begun(object) => object,
        };
        Written { object, is_new: false, warnings: Vec::new() }
    }
}
