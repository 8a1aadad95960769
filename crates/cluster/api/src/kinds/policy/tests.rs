//! Disruption budgets.

use super::super::rules;
use super::super::testing::{accepted, changed_part, refused};
use serde_json::{Value, json};

fn budget(spec: Value) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"}, "spec": spec})
}

#[test]
fn budgets() {
    let rules = rules("policy", "v1", "PodDisruptionBudget");
    let made = accepted(&*rules, &budget(json!({"minAvailable": "50%"})));
    assert_eq!(rules.cells(&made, 0)[1..4], [json!("50%"), json!("N/A"), json!(0)]);
    refused(
        &*rules,
        &budget(
            json!({"minAvailable": "101%", "maxUnavailable": -1, "unhealthyPodEvictionPolicy": "x"}),
        ),
        &[
            "spec: Invalid value: {\"minAvailable\":\"101%\",\"maxUnavailable\":-1,\"unhealthyPodEvictionPolicy\":\"x\"}: minAvailable and maxUnavailable cannot be both set",
            "spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%",
            "spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0",
            "spec.unhealthyPodEvictionPolicy: Unsupported value: \"x\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"",
        ],
    );
    let old = budget(json!({"minAvailable": 1}));
    let mut new = old.clone();
    new["status"] = json!({"disruptionsAllowed": -1, "conditions": []});
    let why = "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0";
    changed_part(&*rules, (&old, &new), "status", &[why]);
}
