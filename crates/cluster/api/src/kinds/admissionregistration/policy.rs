//! `ValidatingAdmissionPolicy` and its binding.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, labels, meta, name, print};
use super::expressions;
use super::matching::{FAILURE, check_conditions, check_resources, fill_resources};
use crate::admission::policy::Policy;
use crate::cel::RESERVED;
use serde_json::Value;

const MOST_ANNOTATIONS: usize = 20;
const MOST_EXPRESSION: usize = 5 * 1024;
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];

/// The policy.
pub const RULES: Kind = Kind {
    default: fill_policy,
    status: Some(empty_status),
    prepare: meta::status_alone,
    check: |policy, report| {
        let spec = policy.get("spec");
        check_head(&spec, report);
        check_validations(policy, &spec, report);
        expressions::check(policy, &Policy::read(policy.value).faults(), report);
    },
    change_part: |_, policy, _, report| check_status(&policy.get("status"), report),
    generation: true,
    columns: "Name,Validations:integer,ParamKind,Age",
    cells: |object, now| {
        let spec = At::root(object);
        let count = spec.get("spec.validations").len();
        let kind = param_kind(&spec.get("spec.paramKind"));
        vec![print::name(object), count.into(), kind, print::age(object, now)]
    },
    ..Kind::cluster()
};

/// The binding.
pub const BINDING: Kind = Kind {
    default: fill_binding,
    check: |binding, report| {
        check_binding(binding, report);
        check_actions(&binding.get("spec.validationActions"), report);
    },
    generation: true,
    columns: "Name,PolicyName,ParamRef,Age",
    cells: |object, now| {
        let spec = At::root(object);
        let spec = spec.get("spec");
        let reference = param_ref(&spec.get("paramRef"));
        let policy = spec.text("policyName").into();
        vec![print::name(object), policy, reference, print::age(object, now)]
    },
    ..Kind::cluster()
};

/// Fills in a policy.
pub fn fill_policy(policy: &mut Value) {
    let spec = fill::child(policy, "spec");
    fill::missing(spec, "failurePolicy", "Fail");
    if let Some(resources) = fill::field(spec, "matchConstraints") {
        fill_resources(resources);
    }
}

/// Fills in a binding.
pub fn fill_binding(binding: &mut Value) {
    if let Some(resources) = fill::at(binding, "spec.matchResources") {
        fill_resources(resources);
    }
}

/// What a policy's parameters are, as it is listed.
pub fn param_kind(kind: &At) -> Value {
    if kind.is_set() {
        format!("{}/{}", kind.text("apiVersion"), kind.text("kind")).into()
    } else {
        "<unset>".into()
    }
}

/// Where a binding's parameters are, as it is listed.
pub fn param_ref(reference: &At) -> Value {
    if !reference.is_set() {
        return "<unset>".into();
    }
    let namespace = print::or(reference.text("namespace"), "*");
    let own = reference.text("name");
    format!("{}/{own}", namespace.as_str().unwrap_or_default()).into()
}

/// What all policies have.
pub fn check_head(spec: &At, report: &mut Report) {
    report.one_of(&spec.get("failurePolicy"), FAILURE);
    let kind = spec.get("paramKind");
    if kind.is_set() {
        check_kind(&kind, report);
    }
    let constraints = spec.get("matchConstraints");
    if constraints.is_set() {
        check_resources(&constraints, report);
        if constraints.get("resourceRules").is_empty() {
            report.required(&constraints.get("resourceRules"), "");
        }
    } else {
        report.required(&constraints, "");
    }
    check_conditions(&spec.get("matchConditions"), report);
    for variable in spec.get("variables").items() {
        let (own, expression) = (variable.get("name"), variable.get("expression"));
        if own.str().trim().is_empty() {
            report.required(&own, "name is not specified");
        } else if !name::c_identifier(own.str()).is_empty() || RESERVED.contains(&own.str()) {
            report.invalid(&own, "name is not a valid CEL identifier");
        }
        if expression.str().trim().is_empty() {
            report.required(&expression, "expression is not specified");
        }
    }
}

fn check_kind(kind: &At, report: &mut Report) {
    let (api, own) = (kind.get("apiVersion"), kind.get("kind"));
    if api.is_empty() {
        report.required(&api, "");
    } else if api.str().matches('/').count() > 1 {
        report.invalid(&api, format!("unexpected GroupVersion string: {}", api.str()));
    } else {
        let text = api.str();
        let (group, version) = text.split_once('/').unwrap_or(("", text));
        let faults = if group.is_empty() { Vec::new() } else { name::subdomain(group) };
        if !faults.is_empty() {
            report.invalid_as(&api, group, faults.join(","));
        }
        let faults = name::label_1035(version);
        if version.is_empty() {
            report.invalid(&api, "version must be specified");
        } else if !faults.is_empty() {
            report.invalid_as(&api, version, faults.join(","));
        }
    }
    let faults = name::label_1035(&own.str().to_lowercase());
    if own.is_empty() {
        report.required(&own, "");
    } else if !faults.is_empty() {
        let intro = "may have mixed case, but should otherwise match: ";
        report.invalid(&own, format!("{intro}{}", faults.join(",")));
    }
}

fn check_validations(policy: &At, spec: &At, report: &mut Report) {
    let (validations, annotations) = (spec.get("validations"), spec.get("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        report.required(&validations, why);
        report.required(&annotations, why);
    }
    for validation in validations.items() {
        check_validation(&validation, report);
    }
    if annotations.len() > MOST_ANNOTATIONS {
        let why = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        report.invalid(&annotations, why);
    }
    let mut seen: Vec<&str> = Vec::new();
    for annotation in annotations.items() {
        let key = annotation.get("key");
        let whole = format!("{}/{}", policy.text("metadata.name"), key.str());
        for why in name::qualified(&whole) {
            report.invalid_as(&key, whole.clone(), why);
        }
        let expression = annotation.get("valueExpression");
        match expression.str().trim().len() {
            0 => report.required(&expression, "valueExpression is not specified"),
            bytes if bytes > MOST_EXPRESSION => {
                let why = format!("must not exceed {MOST_EXPRESSION} bytes in length");
                report.required(&expression, &why);
            }
            _ => {}
        }
        if seen.contains(&key.str()) {
            report.duplicate(&key);
        }
        seen.push(key.str());
    }
}

fn check_validation(validation: &At, report: &mut Report) {
    if validation.text("expression").trim().is_empty() {
        report.required(&validation.get("expression"), "expression is not specified");
    }
    let (computed, message) = (validation.get("messageExpression"), validation.get("message"));
    if !computed.is_empty() && computed.str().trim().is_empty() {
        report.invalid(&computed, "must be non-empty if specified");
    }
    let text = message.str().trim();
    if !message.is_empty() && text.is_empty() {
        report.invalid(&message, "message must be non-empty if specified");
    } else if text.contains(['\n', '\r']) {
        report.invalid(&message, "message must not contain line breaks");
    }
    report.maybe_one_of(&validation.get("reason"), REASONS);
}

fn check_status(status: &At, report: &mut Report) {
    for warning in status.get("typeChecking.expressionWarnings").items() {
        for field in ["warning", "fieldRef"] {
            if warning.text(field).trim().is_empty() {
                report.required(&warning.get(field), "");
            }
        }
    }
    meta::conditions(&status.get("conditions"), report);
}

/// What all bindings have.
pub fn check_binding(binding: &At, report: &mut Report) {
    let spec = binding.get("spec");
    let policy = spec.get("policyName");
    if policy.is_empty() {
        report.required(&policy, "");
    } else {
        report.each(&policy, name::subdomain(policy.str()));
    }
    check_reference(&spec.get("paramRef"), report);
    check_resources(&spec.get("matchResources"), report);
}

fn check_reference(reference: &At, report: &mut Report) {
    if !reference.is_set() {
        return;
    }
    let (own, selector) = (reference.get("name"), reference.get("selector"));
    let exclusive = "name and selector are mutually exclusive";
    if !own.is_empty() {
        report.each(&own, name::path_segment(own.str(), false));
        if selector.is_set() {
            report.forbidden(&own, exclusive);
        }
    }
    if selector.is_set() {
        labels::check(&selector, report);
        if !own.is_empty() {
            report.forbidden(&selector, exclusive);
        }
    } else if own.is_empty() {
        report.required(reference, "one of name or selector must be specified");
    }
    report.one_of(&reference.get("parameterNotFoundAction"), &["Deny", "Allow"]);
}

fn check_actions(actions: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for action in actions.items() {
        report.maybe_one_of(&action, &["Audit", "Deny", "Warn"]);
        if seen.contains(&action.str()) {
            report.duplicate(&action);
        }
        seen.push(action.str());
    }
    if seen.contains(&"Deny") && seen.contains(&"Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        report.invalid(actions, why);
    }
    if seen.is_empty() {
        report.required(actions, "at least one validation action is required");
    }
}
