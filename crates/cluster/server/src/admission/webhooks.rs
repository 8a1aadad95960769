//! Webhooks: those that are about a request, asked in the order of their configurations' names.

use super::Subject;
use crate::api::Api;
use crate::id;
use crate::webhook::{Callee, ask};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use teu_api::admission::webhook::{
    Answer, Failure, Webhook, failed, is_lenient, read, review, review_version,
};
use teu_api::decode::{self, Decoded, Strictness};
use teu_api::{Status, object, patch};
use teu_kubernetes::Schema;

/// Seconds for an answer, and at most.
const SECONDS: u64 = 10;
const MAX_SECONDS: u64 = 30;
/// The group of configurations.
const GROUP: &str = "admissionregistration.k8s.io";

impl Api {
    /// Has webhooks change an object.
    pub(super) async fn mutate_by_webhooks(
        &self,
        subject: &Subject<'_>,
        object: &mut Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let all = self.webhooks(subject, "mutatingwebhookconfigurations").await?;
        let mut seen: Vec<(&Webhook, Value)> = Vec::new();
        for webhook in all.iter().flat_map(|one| one.iter()) {
            if self.change_by(subject, webhook, object, warnings).await? {
                seen.push((webhook, object.clone()));
            }
        }
        // Those that want it see once more what others made of what they had seen.
        for (webhook, before) in seen {
            let wants = webhook.value()["reinvocationPolicy"] == "IfNeeded";
            if wants && before != *object {
                self.change_by(subject, webhook, object, warnings).await?;
            }
        }
        Ok(())
    }

    /// Asks those that change objects where there is nothing to change: they may still refuse.
    pub(super) async fn ask_mutating_webhooks(
        &self,
        subject: &Subject<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let all = self.webhooks(subject, "mutatingwebhookconfigurations").await?;
        for webhook in all.iter().flat_map(|one| one.iter()) {
            let answer = self.ask_webhook(subject, webhook, None, true).await?;
            let Answer { patch, warnings: told, .. } = answer.unwrap_or_default();
            if !patch.is_empty() {
                let why = format!(
                    "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                    name_of(webhook)
                );
                return Err(Status::internal(why));
            }
            warnings.extend(told);
        }
        Ok(())
    }

    /// Has one webhook change an object; says whether it was asked.
    async fn change_by(
        &self,
        subject: &Subject<'_>,
        webhook: &Webhook,
        object: &mut Value,
        warnings: &mut Vec<String>,
    ) -> Result<bool, Status> {
        let Some(answer) = self.ask_webhook(subject, webhook, Some(object), true).await? else {
            return Ok(false);
        };
        warnings.extend(answer.warnings);
        if !answer.patch.is_empty() {
            let name = name_of(webhook);
            let broken = |why: String| failed(name, &why);
            patch::json::apply(object, &answer.patch).map_err(|error| broken(error.to_string()))?;
            *object = fitted(subject, std::mem::take(object))?;
        }
        Ok(true)
    }

    /// Has webhooks judge an object.
    pub(super) async fn judge_by_webhooks(
        &self,
        subject: &Subject<'_>,
        object: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let all = self.webhooks(subject, "validatingwebhookconfigurations").await?;
        for webhook in all.iter().flat_map(|one| one.iter()) {
            let answer = self.ask_webhook(subject, webhook, object, false).await?;
            warnings.extend(answer.unwrap_or_default().warnings);
        }
        Ok(())
    }

    /// The webhooks of all configurations of a kind, read once for each version of them.
    async fn webhooks(
        &self,
        subject: &Subject<'_>,
        plural: &str,
    ) -> Result<Vec<Arc<Vec<Webhook>>>, Status> {
        let configurations = self.all(&subject.call.rows, (GROUP, plural), "").await?;
        let read_one = |configuration: &Value| {
            let name = format!("{plural}/{}", object::name(configuration));
            let version = object::text(configuration, &["metadata", "resourceVersion"]);
            self.webhooks.get(&name, version.unwrap_or_default(), || {
                let all = configuration["webhooks"].as_array().into_iter().flatten();
                all.map(Webhook::read).collect()
            })
        };
        Ok(configurations.iter().map(read_one).collect())
    }

    /// Asks one, if it is about the request; nothing if it is not, or failed and may.
    async fn ask_webhook(
        &self,
        subject: &Subject<'_>,
        webhook: &Webhook,
        object: Option<&Value>,
        may_patch: bool,
    ) -> Result<Option<Answer>, Status> {
        let (config, name) = (webhook.value(), name_of(webhook));
        let request = subject.request(object);
        match webhook.is_called(&request, subject.namespace.as_ref()) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) if is_lenient(config) => return Ok(None),
            Err(why) => return Err(request.forbidden(&why)),
        }
        let effects = config["sideEffects"].as_str().unwrap_or_default();
        if subject.is_dry_run && !matches!(effects, "None" | "NoneOnDryRun") {
            let text = format!("admission webhook {name:?} does not support dry run");
            return Err(Status::bad_request(text));
        }
        let uid = id::uid();
        let version = review_version(config).unwrap_or("v1");
        let question = Bytes::from(review(&request, version, &uid).to_string());
        let seconds = config["timeoutSeconds"].as_u64().unwrap_or(SECONDS).clamp(1, MAX_SECONDS);
        let callee = Callee::of(&config["clientConfig"]);
        let answer = ask(self, &callee, question, Duration::from_secs(seconds)).await;
        let understood = match &answer {
            Ok(answer) => read(answer, name, &uid, may_patch),
            Err(error) => Err(Failure::Broken(format!("failed to call webhook: {error}"))),
        };
        match understood {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Denied(status)) => Err(status),
            Err(Failure::Broken(_)) if is_lenient(config) => Ok(None),
            Err(Failure::Broken(why)) => Err(failed(name, &why)),
        }
    }
}

fn name_of(webhook: &Webhook) -> &str {
    webhook.value()["name"].as_str().unwrap_or_default()
}

/// A changed object as its schema and its defaults want it.
pub(super) fn fitted(subject: &Subject<'_>, value: Value) -> Result<Value, Status> {
    let entry = &subject.call.entry;
    let decoded = Decoded { value, faults: Vec::new() };
    let (group, version, kind) = subject.kind();
    let slash = if group.is_empty() { "" } else { "/" };
    let api_version = format!("{group}{slash}{version}");
    if kind == entry.kind() {
        let named = (&*api_version, kind);
        let (mut object, _) =
            decode::object(decoded, &entry.row.schema, Strictness::Ignore, named)?;
        entry.row.rules.default(&mut object);
        return Ok(object);
    }
    let any = Schema::any();
    let schema = subject.document.as_ref().unwrap_or(&any);
    decode::object(decoded, schema, Strictness::Ignore, (&api_version, kind)).map(|(it, _)| it)
}
