//! The documents of admission webhooks: what is asked, what an answer means. The caller sends them.

use super::Request;
use super::matching::{matches_namespace, matches_object, matches_rules};
use super::policy::{self, Around, compile, conditions_hold, text};
use crate::cel::{CelError, Program};
use crate::patch::{Operation, parse_operations};
use crate::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An answer that has been understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Changes of the object.
    pub patch: Vec<Operation>,
    /// Told to the client.
    pub warnings: Vec<String>,
    /// For the audit log, the webhook's name before each key.
    pub annotations: Vec<(String, String)>,
}

/// A webhook of a configuration, its conditions compiled: read once, asked for every request.
#[derive(Debug, Clone)]
pub struct Webhook {
    webhook: Value,
    conditions: Vec<(String, Result<Program, CelError>)>,
}

impl Webhook {
    /// Reads one.
    pub fn read(webhook: &Value) -> Self {
        let condition = |it: &Value| (text(it, "name").to_owned(), compile(text(it, "expression")));
        let conditions = webhook["matchConditions"].as_array().into_iter().flatten();
        Self { webhook: webhook.clone(), conditions: conditions.map(condition).collect() }
    }

    /// The webhook as it is written.
    pub fn value(&self) -> &Value {
        &self.webhook
    }

    /// What cannot be compiled, with its field in the webhook.
    pub fn faults(&self) -> Vec<(String, CelError)> {
        let each = self.conditions.iter().enumerate();
        each.filter_map(|(at, (_, program))| {
            let error = program.as_ref().err()?;
            Some((format!("matchConditions[{at}].expression"), error.clone()))
        })
        .collect()
    }

    /// Whether it is to be called. An error is a condition that failed, of which [`is_lenient`]
    /// decides.
    pub fn is_called(
        &self,
        request: &Request<'_>,
        namespace: Option<&Value>,
    ) -> Result<bool, String> {
        let webhook = &self.webhook;
        let is_equivalent = webhook["matchPolicy"].as_str() != Some("Exact");
        let matches = matches_rules(&webhook["rules"], request, is_equivalent)
            && matches_namespace(&webhook["namespaceSelector"], request, namespace)
            && matches_object(&webhook["objectSelector"], request);
        if !matches || self.conditions.is_empty() {
            return Ok(matches);
        }
        conditions_hold(&self.conditions, &policy::scope(request, Around::default()))
    }
}

/// Whether a failed call lets the request pass.
pub fn is_lenient(webhook: &Value) -> bool {
    webhook["failurePolicy"] == "Ignore"
}

/// The first version of a review that both know.
pub fn review_version(webhook: &Value) -> Option<&'static str> {
    let versions = webhook["admissionReviewVersions"].as_array()?;
    versions.iter().find_map(|version| match version.as_str() {
        Some("v1") => Some("v1"),
        Some("v1beta1") => Some("v1beta1"),
        _ => None,
    })
}

/// The question.
pub fn review(request: &Request<'_>, version: &str, uid: &str) -> Value {
    let mut attributes = request.attributes(uid);
    attributes["object"] = request.object.cloned().unwrap_or_default();
    attributes["oldObject"] = request.old.cloned().unwrap_or_default();
    json!({
        "kind": "AdmissionReview",
        "apiVersion": format!("admission.k8s.io/{version}"),
        "request": attributes,
    })
}

/// Why there is no answer that lets a request pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The webhook refuses.
    Denied(Status),
    /// The answer is none; whether that matters says [`is_lenient`].
    Broken(String),
}

/// What an answer says.
pub fn read(answer: &Value, name: &str, uid: &str, may_patch: bool) -> Result<Answer, Failure> {
    let response = &answer["response"];
    let broken = |why: String| Err(Failure::Broken(why));
    if !response.is_object() {
        return broken("webhook response was absent".to_owned());
    }
    if response["uid"] != uid {
        return broken(format!("expected response.uid={uid:?}, got {}", response["uid"]));
    }
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
    let mut read = Answer {
        patch: Vec::new(),
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
        annotations: annotations
            .filter_map(|(key, value)| Some((format!("{name}/{key}"), value.as_str()?.to_owned())))
            .collect(),
    };
    if response["allowed"] != true {
        return Err(Failure::Denied(refusal(name, &response["status"])));
    }
    let Some(patch) = response["patch"].as_str().filter(|patch| !patch.is_empty()) else {
        return Ok(read);
    };
    if !may_patch {
        return broken("a validating webhook may not send a patch".to_owned());
    }
    match response["patchType"].as_str() {
        Some("JSONPatch") => {}
        other => return broken(format!("unexpected patch type {:?}", other.unwrap_or_default())),
    }
    let decoded = STANDARD.decode(patch).map_err(|it| Failure::Broken(it.to_string()))?;
    let document =
        crate::decode::json(&decoded).map_err(|it| Failure::Broken(it.to_string()))?.value;
    read.patch = parse_operations(&document).map_err(|it| Failure::Broken(it.to_string()))?;
    Ok(read)
}

/// The refusal in the real server's words.
fn refusal(name: &str, result: &Value) -> Status {
    let denied = format!("admission webhook {name:?} denied the request");
    let message = match (text(result, "message"), text(result, "reason")) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = result["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
    let reason = match (text(result, "reason"), code) {
        ("Forbidden", _) | ("", 403) => "Forbidden",
        ("Invalid", _) => "Invalid",
        ("NotFound", _) => "NotFound",
        ("Conflict", _) => "Conflict",
        ("Unauthorized", _) => "Unauthorized",
        ("InternalError", _) => "InternalError",
        ("TooManyRequests", _) => "TooManyRequests",
        ("BadRequest", _) => "BadRequest",
        _ => "",
    };
    Status::new(code, reason, message)
}

/// 500: the call failed and the webhook is not lenient.
pub fn failed(name: &str, why: impl std::fmt::Display) -> Status {
    Status::internal(format_args!("failed calling webhook {name:?}: {why}"))
}
