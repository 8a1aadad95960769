//! `IngressClass`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print};
use serde_json::Value;

const MOST_BYTES: usize = 250;

pub const RULES: Kind = Kind {
    default: |class| {
        if let Some(parameters) = fill::at(class, "spec.parameters") {
            fill::missing(parameters, "scope", "Cluster");
        }
    },
    check,
    change: |class, old, report| {
        let controller = "spec.controller";
        report.immutable(&class.get(controller), &old.get(controller));
    },
    generation: true,
    columns: "Name,Controller,Parameters,Age",
    cells,
    ..Kind::cluster()
};

fn check(class: &At, report: &mut Report) {
    let spec = class.get("spec");
    let controller = spec.get("controller");
    if controller.str().len() > MOST_BYTES {
        report.too_long(&controller, MOST_BYTES);
    }
    check_domain_path(&controller, report);
    let parameters = spec.get("parameters");
    if !parameters.is_set() {
        return;
    }
    check_reference(&parameters, report);
    let (scope, namespace) = (parameters.get("scope"), parameters.get("namespace"));
    match scope.str() {
        _ if !scope.is_set() => report.required(&scope, ""),
        "Namespace" if !namespace.is_set() => {
            report.required(&namespace, "`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => report.each(&namespace, name::label(namespace.str())),
        "Cluster" if namespace.is_set() => {
            report.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'");
        }
        "Cluster" => {}
        _ => report.unsupported(&scope, &["Cluster", "Namespace"]),
    }
}

const PATH: &str = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";

/// `example.com/path`.
pub fn check_domain_path(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "");
    }
    let Some((domain, path)) = at.str().split_once('/') else {
        return report.invalid(at, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    if domain.is_empty() || path.is_empty() {
        return report.invalid(at, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
    for why in name::subdomain(domain) {
        report.invalid_as(at, domain, why);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(allowed) {
        report.invalid_as(at, path, PATH);
    }
}

/// Names an object of the same namespace.
pub fn check_reference(at: &At, report: &mut Report) {
    let group = at.get("apiGroup");
    if group.is_set() {
        report.each(&group, name::subdomain(group.str()));
    }
    for field in ["kind", "name"] {
        let text = at.get(field);
        if text.is_empty() {
            report.required(&text, &format!("{field} is required"));
        } else {
            report.each(&text, name::path_segment(text.str(), false));
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let spec = At::root(object);
    let spec = spec.get("spec");
    let parameters = spec.get("parameters");
    let shown = if parameters.is_set() {
        let (kind, own) = (parameters.text("kind"), parameters.text("name"));
        match parameters.text("apiGroup") {
            "" => format!("{kind}/{own}"),
            group => format!("{kind}.{group}/{own}"),
        }
    } else {
        "<none>".to_owned()
    };
    vec![print::name(object), spec.text("controller").into(), shown.into(), print::age(object, now)]
}
