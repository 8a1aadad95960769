//! Services of an aggregated API.

use super::super::rules;
use super::super::testing::{accepted, refused};
use serde_json::{Value, json};

fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name}, "spec": spec})
}

#[test]
fn services() {
    let rules = rules("apiregistration.k8s.io", "v1", "APIService");
    let spec = json!({"group": "example.com", "version": "v1", "groupPriorityMinimum": 1000,
        "versionPriority": 10, "service": {"name": "s", "namespace": "n"},
        "insecureSkipTLSVerify": true});
    let mut made = accepted(&*rules, &service("v1.example.com", spec));
    assert_eq!(made["spec"]["service"]["port"], 443);
    made["status"] = json!({"conditions": [
        {"type": "Available", "status": "False", "reason": "MissingEndpoints"}]});
    assert_eq!(rules.cells(&made, 0)[1..3], [json!("n/s"), json!("False (MissingEndpoints)")]);
    let spec = json!({"group": "example.com", "version": "v1", "groupPriorityMinimum": 1000,
        "versionPriority": 10});
    let mut own = accepted(&*rules, &service("v1.example.com", spec));
    rules.stamp(&mut own, "2026-01-01T00:00:00Z");
    assert_eq!(rules.cells(&own, 0)[1..3], [json!("Local"), json!("True")]);
    let condition = &own["status"]["conditions"][0];
    assert_eq!(
        (&condition["reason"], condition["lastTransitionTime"].is_string()),
        (&json!("Local"), true)
    );
    refused(
        &*rules,
        &service("a", json!({"group": "example.com", "version": "v1", "caBundle": "AAA="})),
        &[
            "metadata.name: Invalid value: \"a\": must be `spec.version+\".\"+spec.group`: \"v1.example.com\"",
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
            "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            "spec.caBundle: Invalid value: \"2 bytes\": local APIServices may not have a caBundle",
        ],
    );
}
