//! Questions.

use super::super::rules;
use super::super::testing::{accepted, refused};
use serde_json::{Value, json};

fn ask(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

#[test]
fn access() {
    let of = |kind: &str| rules("authorization.k8s.io", "v1", kind);
    let attributes = json!({"verb": "get", "resource": "pods", "namespace": "a"});
    let spec = json!({"user": "u", "resourceAttributes": attributes});
    accepted(&*of("SubjectAccessReview"), &ask("SubjectAccessReview", json!({}), spec.clone()));
    refused(
        &*of("SubjectAccessReview"),
        &ask("SubjectAccessReview", json!({"name": "a"}), json!({})),
        &[
            "spec.resourceAttributes: Invalid value: \"null\": exactly one of nonResourceAttributes or resourceAttributes must be specified",
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
            "metadata: Invalid value: {\"name\":\"a\"}: must be empty",
        ],
    );
    let local = |namespace: &str| {
        ask("LocalSubjectAccessReview", json!({"namespace": namespace}), spec.clone())
    };
    accepted(&*of("LocalSubjectAccessReview"), &local("a"));
    refused(
        &*of("LocalSubjectAccessReview"),
        &local("b"),
        &["spec.resourceAttributes.namespace: Invalid value: \"a\": must match metadata.namespace"],
    );
}

#[test]
fn tokens() {
    let rules = rules("authentication.k8s.io", "v1", "TokenRequest");
    let made = accepted(&*rules, &json!({"spec": {}}));
    assert_eq!(made["spec"]["expirationSeconds"], 3600);
    refused(
        &*rules,
        &json!({"spec": {"expirationSeconds": 1}}),
        &[
            "spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
        ],
    );
}
