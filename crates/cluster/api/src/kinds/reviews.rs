//! Kinds that are questions to the server, and never stored: reviews of `authentication.k8s.io` and
//! `authorization.k8s.io`, and requests for tokens.

#[cfg(test)]
mod tests;

use super::field::{At, Report};
use super::fill;
use super::kind::Kind;
use super::meta::Place;
use serde_json::{Map, Value};

const TOKEN: Kind = Kind {
    default: |request| fill::missing(fill::child(request, "spec"), "expirationSeconds", 3600),
    check: |request, report| {
        let seconds = request.get("spec.expirationSeconds");
        if seconds.int() < 600 {
            report.invalid(&seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds.int() > 1 << 32 {
            report.invalid(&seconds, "may not specify a duration larger than 2^32 seconds");
        }
    },
    ..Kind::new(Place::Nowhere)
};

const PLAIN: Kind = Kind::new(Place::Nowhere);

const ACCESS: Kind = Kind {
    check: |review, report| {
        check_spec(review, Who::Named, report);
        check_empty(&review.get("metadata"), "", report);
    },
    ..PLAIN
};

const OWN: Kind = Kind {
    check: |review, report| {
        check_spec(review, Who::Asking, report);
        check_empty(&review.get("metadata"), "", report);
    },
    ..PLAIN
};

const LOCAL: Kind = Kind { check: check_local, ..PLAIN };

/// The rules of one of these kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "TokenRequest" => TOKEN,
        "LocalSubjectAccessReview" => LOCAL,
        "SelfSubjectAccessReview" => OWN,
        "SubjectAccessReview" => ACCESS,
        "SelfSubjectReview" | "SelfSubjectRulesReview" | "TokenReview" => PLAIN,
        _ => return None,
    })
}

/// Whose access it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Named,
    Asking,
}

fn check_spec(review: &At, who: Who, report: &mut Report) {
    let spec = review.get("spec");
    let (resource, other) = (spec.get("resourceAttributes"), spec.get("nonResourceAttributes"));
    if resource.is_set() && other.is_set() {
        let why = "cannot be specified in combination with resourceAttributes";
        report.invalid(&other, why);
    }
    if !resource.is_set() && !other.is_set() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        report.invalid_as(&resource, Value::Null, why);
    }
    if who == Who::Named && spec.get("user").is_empty() && spec.get("groups").is_empty() {
        report.invalid_as(&spec.get("user"), "", "at least one of user or group must be specified");
    }
}

/// `metadata` says nothing, but perhaps a namespace.
fn check_empty(meta: &At, namespace: &str, report: &mut Report) {
    let fields = meta.value.as_object().into_iter().flatten();
    let said: Map<String, Value> = fields
        .filter(|(field, value)| {
            let is_empty = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty() || text == namespace,
                _ => false,
            };
            field.as_str() != "managedFields" && !is_empty
        })
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    if !said.is_empty() {
        let why = if namespace.is_empty() {
            "must be empty"
        } else {
            "must be empty except for namespace"
        };
        report.invalid(meta, why);
    }
}

fn check_local(review: &At, report: &mut Report) {
    check_spec(review, Who::Named, report);
    let namespace = review.text("metadata.namespace");
    check_empty(&review.get("metadata"), namespace, report);
    let spec = review.get("spec");
    let (resource, other) = (spec.get("resourceAttributes"), spec.get("nonResourceAttributes"));
    let own = resource.get("namespace");
    if resource.is_set() && own.str() != namespace {
        report.invalid(&own, "must match metadata.namespace");
    }
    if other.is_set() {
        report.invalid(&other, "disallowed on this kind of request");
    }
}
