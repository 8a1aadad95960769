//! What owners of pods have in common: a selector, a template that it selects, counts, `scale`.

use super::field::{At, Report};
use super::{equal, fill, labels, pod_spec};
use crate::object;
use crate::row::Target;
use crate::status::{Cause, Status};
use serde_json::{Value, json};

/// A selector that must be there and select something.
pub fn selector(spec: &At, empty: &str, report: &mut Report) {
    let at = spec.get("selector");
    if !at.is_set() {
        return report.required(&at, "");
    }
    labels::check(&at, report);
    if labels::is_empty(at.value) {
        report.invalid(&at, empty);
    }
}

/// The template's labels are those that the selector selects.
pub fn selects_template(spec: &At, report: &mut Report) {
    let (selector, at) = (spec.get("selector"), spec.get("template.metadata.labels"));
    let wanted = selector.is_set() && !labels::is_empty(selector.value);
    if wanted && !labels::selects(selector.value, at.value) {
        not_selected(&at, report);
    }
}

/// The words for it.
pub fn not_selected(at: &At, report: &mut Report) {
    let value = if at.value.is_null() { json!({}) } else { at.value.clone() };
    report.invalid_as(at, value, "`selector` does not match template `labels`");
}

/// A template of pods that run for ever.
pub fn template(spec: &At, kind: &str, report: &mut Report) {
    pod_spec::template::check(&spec.get("template"), report);
    runs_for_ever(spec, kind, report);
}

/// No end is set to the pods of a template.
pub fn runs_for_ever(spec: &At, kind: &str, report: &mut Report) {
    let restart = spec.get("template.spec.restartPolicy");
    if restart.str() != "Always" {
        report.unsupported(&restart, &["Always"]);
    }
    let deadline = spec.get("template.spec.activeDeadlineSeconds");
    if deadline.is_set() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        report.forbidden(&deadline, &why);
    }
}

/// Several numbers of at least 0.
pub fn counts(at: &At, fields: &[&str], report: &mut Report) {
    for field in fields {
        report.non_negative(&at.get(field));
    }
}

/// Counts that are part of another.
pub fn at_most(status: &At, fields: &[&str], of: &str, why: &str, report: &mut Report) {
    for field in fields {
        let at = status.get(field);
        if at.int() > status.get(of).int() {
            report.invalid_as(&at, at.int(), why);
        }
    }
}

/// `collisionCount` only grows.
pub fn collisions(status: &At, old: &At, report: &mut Report) {
    let (at, was) = (status.get("collisionCount"), old.get("collisionCount"));
    report.non_negative(&at);
    if was.is_set() && at.int() < was.int() {
        report.invalid_as(&at, at.int(), "cannot be decremented");
    }
}

/// A number or a percentage, of at least 0.
pub fn number_or_percent(at: &At, report: &mut Report) {
    match at.value {
        Value::String(text) => report.each(at, super::name::percent(text)),
        _ => report.non_negative(at),
    }
}

/// The number of either.
pub fn amount(at: &At) -> i64 {
    let percent = at.str().strip_suffix('%').and_then(|digits| digits.parse().ok());
    at.opt_int().or(percent).unwrap_or(0)
}

/// Not more than all of them.
pub fn at_most_all(at: &At, report: &mut Report) {
    if at.str().ends_with('%') && amount(at) > 100 {
        report.invalid(at, "must not be greater than 100%");
    }
}

/// Warnings about the template of a kind, at creation and when it changes.
pub fn warn(object: &Value, old: Option<&Value>) -> Vec<String> {
    let template = |object: &Value| At::root(object).get("spec.template").value.clone();
    if old.is_some_and(|old| equal::same(&template(old), &template(object))) {
        return Vec::new();
    }
    pod_spec::warn::check(&At::root(object).get("spec.template"))
}

/// The status of a status update keeps labels, as the real server does for these.
pub fn keep_labels(object: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    if target == Target::Subresource("status") {
        let before = old.get("metadata").unwrap_or(&Value::Null);
        fill::keep(fill::child(object, "metadata"), before, "labels");
    }
    None
}

/// `scale` of an object that has `spec.replicas`; the selector as text.
pub fn scale(object: &Value, selector: &str) -> Value {
    let at = At::root(object);
    let mut metadata =
        json!({"name": object::name(object), "namespace": object::namespace(object)});
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        fill::keep(&mut metadata, at.get("metadata").value, field);
    }
    let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {}, "status": {"replicas": at.get("status.replicas").int()}});
    let replicas = at.get("spec.replicas").int();
    if replicas != 0 {
        scale["spec"]["replicas"] = replicas.into();
    }
    if selector != "<none>" {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

/// `scale` of one with a label selector.
pub fn read_part(object: &Value, part: &str) -> Result<Value, Status> {
    match part {
        "scale" => {
            let selector = At::root(object).get("spec.selector").value;
            Ok(scale(object, &labels::shown(selector)))
        }
        _ => Err(Status::not_found_path(part)),
    }
}

/// Takes over a `scale`. What follows is a change of the object itself.
pub fn write_part(object: &mut Value, part: &str, sent: &Value) -> Result<(), Status> {
    if part != "scale" {
        return Err(Status::not_found_path(part));
    }
    let scale = At::root(sent);
    let (name, asked) = (object::name(object).to_owned(), scale.text("metadata.name"));
    let mut causes: Vec<Cause> = Vec::new();
    let replicas = scale.get("spec.replicas");
    if replicas.int() < 0 {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", replicas.value, why));
    }
    if !causes.is_empty() {
        return Err(Status::invalid("autoscaling", "Scale", &name, causes));
    }
    if !asked.is_empty() && asked != name {
        let why =
            format!("the name of the object ({asked}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(why));
    }
    let version = scale.text("metadata.resourceVersion");
    if !version.is_empty() {
        fill::set(fill::child(object, "metadata"), "resourceVersion", version);
    }
    fill::set(fill::child(object, "spec"), "replicas", replicas.int());
    Ok(())
}
