//! Flow schemas and priority levels.

use super::super::rules;
use super::super::testing::{accepted, refused};
use serde_json::{Value, json};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind,
        "metadata": {"name": name}, "spec": spec})
}

#[test]
fn schemas() {
    let rules = rules(GROUP, "v1", "FlowSchema");
    let rule = json!({"subjects": [{"kind": "User", "user": {"name": "u"}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}]});
    let good = json!({"priorityLevelConfiguration": {"name": "p"}, "rules": [rule]});
    let made = accepted(&*rules, &object("FlowSchema", "a", good));
    assert_eq!(made["spec"]["matchingPrecedence"], 1000);
    let cells = rules.cells(&made, 0);
    assert_eq!(cells[1..4], [json!("p"), json!(1000), json!("<none>")]);
    assert_eq!(cells[5], "?");
    refused(
        &*rules,
        &object(
            "FlowSchema",
            "a",
            json!({"matchingPrecedence": 1, "rules": [
            {"subjects": [{"kind": "Group", "user": {"name": "u"}}],
             "nonResourceRules": [{"verbs": ["get", "*"], "nonResourceURLs": ["/a*"]}]}]}),
        ),
        &[
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
            "spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'",
            "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
            "spec.rules[0].nonResourceRules[0].verbs: Invalid value: [\"get\",\"*\"]: if '*' is present, must not specify other verbs",
            "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"/a*\": wildcard can only do suffix matching",
        ],
    );
}

#[test]
fn levels() {
    let rules = rules(GROUP, "v1", "PriorityLevelConfiguration");
    let level = |name: &str, spec: Value| object("PriorityLevelConfiguration", name, spec);
    let queue =
        json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}});
    let made = accepted(&*rules, &level("a", queue));
    assert_eq!(
        rules.cells(&made, 0)[1..6],
        [json!("Limited"), json!(30), json!(64), json!(8), json!(50)]
    );
    accepted(&*rules, &level("exempt", json!({"type": "Exempt"})));
    refused(
        &*rules,
        &level("a", json!({"type": "Exempt"})),
        &[
            "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
        ],
    );
    let queuing = json!({"queues": 4, "handSize": 5});
    refused(
        &*rules,
        &level(
            "a",
            json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": queuing}}}),
        ),
        &[
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)",
        ],
    );
}
