//! Leases.

use super::super::rules;
use super::super::testing::{accepted, refused};
use serde_json::{Value, json};

fn lease(spec: Value) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "l", "namespace": "default"}, "spec": spec})
}

#[test]
fn leases() {
    let rules = rules("coordination.k8s.io", "v1", "Lease");
    let made =
        accepted(&*rules, &lease(json!({"holderIdentity": "me", "leaseDurationSeconds": 15})));
    assert_eq!(rules.cells(&made, 0)[1], "me");
    assert!(rules.allows_create_on_update());
    refused(
        &*rules,
        &lease(json!({"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "a"})),
        &[
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            "spec.preferredHolder: Forbidden: may only be specified when `strategy` is defined",
        ],
    );
    refused(
        &*rules,
        &lease(json!({"strategy": "x"})),
        &[
            "spec.strategy.strategy: Unsupported value: \"x\": supported values: \"OldestEmulationVersion\"",
        ],
    );
}
