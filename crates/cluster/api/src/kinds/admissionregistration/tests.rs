//! Webhooks and policies.

use super::super::rules;
use super::super::testing::{accepted, refused};
use crate::row::Rules;
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("admissionregistration.k8s.io", "v1", kind)
}

fn object(kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = "admissionregistration.k8s.io/v1".into();
    fields["kind"] = kind.into();
    fields["metadata"] = json!({"name": "one"});
    fields
}

fn rule() -> Value {
    json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]})
}

#[test]
fn webhooks() {
    let rules = of("MutatingWebhookConfiguration");
    let hook = json!({"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "rules": [rule()]});
    let made =
        accepted(&*rules, &object("MutatingWebhookConfiguration", json!({"webhooks": [hook]})));
    let own = &made["webhooks"][0];
    assert_eq!(own["failurePolicy"], "Fail");
    assert_eq!(own["matchPolicy"], "Equivalent");
    assert_eq!(own["timeoutSeconds"], 10);
    assert_eq!(own["reinvocationPolicy"], "Never");
    assert_eq!(own["clientConfig"]["service"]["port"], 443);
    assert_eq!(own["rules"][0]["scope"], "*");
    assert_eq!(rules.cells(&made, 0)[1], 1);
    let bad = json!({"name": "a.b", "sideEffects": "Some", "admissionReviewVersions": ["v2"],
        "timeoutSeconds": 31, "clientConfig": {"url": "http://u@h/?a=b"},
        "rules": [{"operations": ["*", "x"], "apiGroups": ["*"], "apiVersions": [], "resources": ["a/*", "a/b"]}]});
    refused(
        &*of("ValidatingWebhookConfiguration"),
        &object("ValidatingWebhookConfiguration", json!({"webhooks": [bad]})),
        &[
            "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments separated by dots",
            "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"x\"]: if '*' is present, must not specify other operations",
            "webhooks[0].rules[0].operations[1]: Unsupported value: \"x\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"",
            "webhooks[0].rules[0].apiVersions: Required value",
            "webhooks[0].rules[0].resources[1]: Invalid value: \"a/b\": if 'a/*' is present, must not specify a/b",
            "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            "webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in the URL",
            "webhooks[0].clientConfig.url: Invalid value: \"a=b\": query parameters are not permitted in the URL",
            "webhooks[0].admissionReviewVersions: Invalid value: [\"v2\"]: must include at least one of v1, v1beta1",
        ],
    );
}

#[test]
fn policies() {
    let rules = of("ValidatingAdmissionPolicy");
    let policy = |spec: Value| object("ValidatingAdmissionPolicy", json!({"spec": spec}));
    let made = accepted(
        &*rules,
        &policy(json!({"matchConstraints": {"resourceRules": [rule()]},
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [{"expression": "true"}]})),
    );
    let constraints = &made["spec"]["matchConstraints"];
    assert_eq!(constraints["namespaceSelector"], json!({}));
    assert_eq!(constraints["matchPolicy"], "Equivalent");
    assert_eq!(rules.cells(&made, 0)[1..3], [json!(1), json!("v1/ConfigMap")]);
    refused(
        &*rules,
        &policy(json!({"variables": [{"name": "in", "expression": ""}],
            "matchConditions": [{"name": "a", "expression": " "}]})),
        &[
            "spec.matchConstraints: Required value",
            "spec.matchConditions[0].expression: Required value",
            "spec.variables[0].name: Invalid value: \"in\": name is not a valid CEL identifier",
            "spec.variables[0].expression: Required value: expression is not specified",
            "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
            "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
        ],
    );
}

#[test]
fn bindings() {
    let rules = of("ValidatingAdmissionPolicyBinding");
    let binding = |spec: Value| object("ValidatingAdmissionPolicyBinding", json!({"spec": spec}));
    let made = accepted(
        &*rules,
        &binding(json!({"policyName": "p", "validationActions": ["Deny"],
            "paramRef": {"name": "n", "parameterNotFoundAction": "Deny"}})),
    );
    assert_eq!(rules.cells(&made, 0)[1..3], [json!("p"), json!("*/n")]);
    refused(
        &*rules,
        &binding(json!({"paramRef": {}, "validationActions": ["Deny", "Warn"]})),
        &[
            "spec.policyName: Required value",
            "spec.paramRef: Required value: one of name or selector must be specified",
            "spec.paramRef.parameterNotFoundAction: Required value",
            "spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        ],
    );
    let mutating = object(
        "MutatingAdmissionPolicy",
        json!({"spec": {"matchConstraints": {"resourceRules": [rule()]},
            "mutations": [{"patchType": "JSONPatch"}]}}),
    );
    refused(
        &*of("MutatingAdmissionPolicy"),
        &mutating,
        &[
            "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        ],
    );
}
