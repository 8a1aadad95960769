//! `metav1.Status`: every answer that is not an object, with the reasons, codes and texts of the
//! real server, because clients act on them and people read them.

use serde::Serialize;
use serde_json::{Value, json};

/// An answer, mostly a refusal.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP's status.
    pub code: u16,
    /// Kubernetes' word for it, such as `NotFound`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about: `group`, `kind` (a resource's name or a kind), `name`, `uid`.
    pub about: Option<Box<About>>,
    /// Field by field.
    pub causes: Vec<Cause>,
    /// When to try again.
    pub retry_seconds: Option<u32>,
}

/// What a status is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// API group.
    pub group: String,
    /// Resource or kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The kind of fault.
    pub reason: CauseKind,
    /// With the field's value, as Kubernetes words it, without the field.
    pub message: String,
    /// `spec.containers[0].name`.
    pub field: String,
}

/// Kinds of faults (`metav1.CauseType` of field errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "their own words")]
pub enum CauseKind {
    FieldValueNotFound,
    FieldValueRequired,
    FieldValueDuplicate,
    FieldValueInvalid,
    FieldValueNotSupported,
    FieldValueForbidden,
    FieldValueTooLong,
    FieldValueTooMany,
    FieldValueTypeInvalid,
    InternalError,
    FieldManagerConflict,
    UnexpectedServerResponse,
    NamespaceTerminating,
    DisruptionBudget,
    ResourceVersionTooLarge,
}

impl Cause {
    /// `Invalid value: "…": why`.
    pub fn invalid(field: impl Into<String>, value: &Value, why: impl std::fmt::Display) -> Self {
        let message = format!("Invalid value: {}: {why}", shown(value));
        Self { reason: CauseKind::FieldValueInvalid, message, field: field.into() }
    }

    /// `Required value: why`.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = after("Required value", why);
        Self { reason: CauseKind::FieldValueRequired, message, field: field.into() }
    }

    /// `Forbidden: why`.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        let message = after("Forbidden", why);
        Self { reason: CauseKind::FieldValueForbidden, message, field: field.into() }
    }

    /// `Duplicate value: "…"`.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self { reason: CauseKind::FieldValueDuplicate, message, field: field.into() }
    }

    /// `Not found: "…"`.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Not found: {}", shown(value));
        Self { reason: CauseKind::FieldValueNotFound, message, field: field.into() }
    }

    /// `Unsupported value: "…": supported values: …`.
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let message =
            format!("Unsupported value: {}: supported values: {}", shown(value), list.join(", "));
        Self { reason: CauseKind::FieldValueNotSupported, message, field: field.into() }
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let message = format!("Too long: may not be more than {limit} bytes");
        Self { reason: CauseKind::FieldValueTooLong, message, field: field.into() }
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(field: impl Into<String>, actual: usize, limit: usize) -> Self {
        let message = format!("Too many: {actual}: must have at most {limit} items");
        Self { reason: CauseKind::FieldValueTooMany, message, field: field.into() }
    }
}

fn after(what: &str, why: &str) -> String {
    if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") }
}

/// As Go prints a value in a field error: texts quoted, the rest as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "\"null\"".to_owned(),
        other => other.to_string(),
    }
}

impl Status {
    /// Any.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            about: None,
            causes: Vec::new(),
            retry_seconds: None,
        }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.about = Some(Box::new(About {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
        }));
        self
    }

    /// 404 of an object. `resource` as in paths.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(group, resource));
        Self::new(404, "NotFound", message).about(group, resource, name)
    }

    /// 404 of a path.
    pub fn not_found_path(_path: &str) -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 409: there is one already.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, resource));
        Self::new(409, "AlreadyExists", message).about(group, resource, name)
    }

    /// 409: somebody else was faster, or it may not be now.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            qualified(group, resource)
        );
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// 409 of an update with an old resource version.
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// 422 with causes. `kind` is the object's kind.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let list: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let what = match list.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            many => format!(": [{}]", many.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid{what}", qualified(group, kind));
        let mut status = Self::new(422, "Invalid", message).about(group, kind, name);
        status.causes = causes;
        status
    }

    /// 400.
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", why)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403 of an object.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(group, resource);
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    /// 405.
    pub fn method_not_allowed(group: &str, resource: &str, action: &str) -> Self {
        let message = format!(
            "{action} is not supported on resources of kind \"{}\"",
            qualified(group, resource)
        );
        Self::new(405, "MethodNotAllowed", message).about(group, resource, "")
    }

    /// 406.
    pub fn not_acceptable(types: &[&str]) -> Self {
        let message = format!("only the following media types are accepted: {}", types.join(", "));
        Self::new(406, "NotAcceptable", message)
    }

    /// 415.
    pub fn unsupported_media_type(types: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            types.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 413.
    pub fn too_large(why: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", why)
    }

    /// 429.
    pub fn too_many_requests(why: impl Into<String>, retry_seconds: u32) -> Self {
        let mut status = Self::new(429, "TooManyRequests", why);
        status.retry_seconds = Some(retry_seconds);
        status
    }

    /// 410: the history asked for is gone.
    pub fn expired(why: impl Into<String>) -> Self {
        Self::new(410, "Expired", why)
    }

    /// 500.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {why}"))
    }

    /// 504.
    pub fn timeout(why: impl Into<String>) -> Self {
        Self::new(504, "Timeout", why)
    }

    /// The document.
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": if self.code < 400 { "Success" } else { "Failure" },
            "message": self.message, "reason": self.reason,
        });
        let mut details = serde_json::Map::new();
        let about = self.about.as_deref().cloned().unwrap_or_default();
        for (name, text) in
            [("name", about.name), ("group", about.group), ("kind", about.kind), ("uid", about.uid)]
        {
            if !text.is_empty() {
                details.insert(name.to_owned(), text.into());
            }
        }
        if !self.causes.is_empty() {
            details.insert("causes".to_owned(), json!(self.causes));
        }
        if let Some(seconds) = self.retry_seconds {
            details.insert("retryAfterSeconds".to_owned(), seconds.into());
        }
        if let (false, Some(fields)) = (details.is_empty(), status.as_object_mut()) {
            fields.insert("details".to_owned(), details.into());
        }
        if let Some(fields) = status.as_object_mut() {
            fields.insert("code".to_owned(), self.code.into());
        }
        status
    }
}

fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_kubernetes() {
        let causes = vec![
            Cause::invalid("metadata.name", &json!("A"), "no"),
            Cause::required("spec.containers", ""),
        ];
        let status = Status::invalid("apps", "Deployment", "x", causes);
        assert_eq!(
            status.message,
            "Deployment.apps \"x\" is invalid: [metadata.name: Invalid value: \"A\": no, spec.containers: Required value]"
        );
        let value = status.to_value();
        assert_eq!(value["details"]["causes"][1]["reason"], "FieldValueRequired");
        assert_eq!(value["details"]["group"], "apps");
        assert_eq!(Status::not_found("", "pods", "x").message, "pods \"x\" not found");
    }
}
