//! Runtime classes.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use serde_json::{Value, json};

fn class(handler: &str, fields: Value) -> Value {
    let mut class = fields;
    class["apiVersion"] = "node.k8s.io/v1".into();
    class["kind"] = "RuntimeClass".into();
    class["metadata"] = json!({"name": "c"});
    class["handler"] = handler.into();
    class
}

#[test]
fn classes() {
    let rules = rules("node.k8s.io", "v1", "RuntimeClass");
    let overhead = json!({"overhead": {"podFixed": {"cpu": "0.5"}}});
    let made = accepted(&*rules, &class("runc", overhead));
    assert_eq!(made["overhead"]["podFixed"]["cpu"], "500m");
    refused(
        &*rules,
        &class("runc", json!({"overhead": {"podFixed": {"a": "1"}}})),
        &[
            "overhead.limits[a]: Invalid value: \"a\": must be a standard resource type or fully qualified",
            "overhead.limits[a]: Invalid value: \"a\": must be a standard resource for containers",
        ],
    );
    changed(
        &*rules,
        &class("a", json!({})),
        &class("b", json!({})),
        &["handler: Invalid value: \"b\": field is immutable"],
    );
}
