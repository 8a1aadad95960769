//! Classes of priority.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use serde_json::{Value, json};

fn class(name: &str, value: i64) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": name}, "value": value})
}

#[test]
fn classes() {
    let rules = rules("scheduling.k8s.io", "v1", "PriorityClass");
    let made = accepted(&*rules, &class("high", 1000));
    assert_eq!(made["preemptionPolicy"], "PreemptLowerPriority");
    accepted(&*rules, &class("system-node-critical", 2_000_001_000));
    refused(
        &*rules,
        &class("a", 1_000_000_001),
        &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    );
    refused(
        &*rules,
        &class("system-a", 1),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-a is not a known system priority class",
        ],
    );
    changed(
        &*rules,
        &class("a", 1),
        &class("a", 2),
        &["value: Forbidden: may not be changed in an update."],
    );
}
