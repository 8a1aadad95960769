//! The small kinds of core.

use super::super::testing::{accepted, changed, changed_part, refused};
use super::super::{convert, rules};
use crate::row::{Rules, Target};
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("", "v1", kind)
}

fn object(kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = "v1".into();
    fields["kind"] = kind.into();
    if fields.get("metadata").is_none() {
        fields["metadata"] = json!({"name": "one", "namespace": "default"});
    }
    fields
}

#[test]
fn metadata_is_checked() {
    let cases: &[(Value, &str)] = &[
        (
            json!({"namespace": "default"}),
            "metadata.name: Required value: name or generateName is required",
        ),
        (json!({"name": "a"}), "metadata.namespace: Required value"),
        (
            json!({"name": "a", "namespace": "default", "labels": {"a": "-"}}),
            "metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            json!({"name": "a", "namespace": "default", "finalizers": ["x"]}),
            "metadata.finalizers[0]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified",
        ),
        (
            json!({"name": "a", "namespace": "default", "annotations": {"a": "x".repeat(262_144)}}),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            json!({"name": "a", "namespace": "default",
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}),
            "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
        ),
    ];
    for (metadata, reason) in cases {
        let config = object("ConfigMap", json!({"metadata": metadata}));
        refused(&*of("ConfigMap"), &config, &[reason]);
    }
}

#[test]
fn config_maps() {
    let rules = of("ConfigMap");
    accepted(
        &*rules,
        &object("ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"c": "AAA="}})),
    );
    refused(
        &*rules,
        &object("ConfigMap", json!({"data": {"": "b"}})),
        &[
            "data[]: Invalid value: \"\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        ],
    );
    refused(
        &*rules,
        &object("ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"a": "AAA="}})),
        &["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"],
    );
    refused(
        &*rules,
        &object("ConfigMap", json!({"data": {"a": "b".repeat(1_048_577)}})),
        &["[]: Too long: may not be more than 1048576 bytes"],
    );
    let fixed = object("ConfigMap", json!({"immutable": true, "data": {"a": "b"}}));
    changed(
        &*rules,
        &fixed,
        &object("ConfigMap", json!({"data": {"a": "c"}})),
        &[
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ],
    );
}

#[test]
fn secrets() {
    let rules = of("Secret");
    let made = accepted(&*rules, &object("Secret", json!({"stringData": {"a": "hello"}})));
    assert_eq!(made["data"], json!({"a": "aGVsbG8="}));
    assert_eq!(made["type"], "Opaque");
    assert_eq!(made.get("stringData"), None);
    let typed = |kind: &str, data: Value| object("Secret", json!({"type": kind, "data": data}));
    refused(
        &*rules,
        &typed("kubernetes.io/tls", json!({"tls.crt": ""})),
        &["data[tls.key]: Required value"],
    );
    refused(
        &*rules,
        &typed("kubernetes.io/basic-auth", json!({})),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    refused(
        &*rules,
        &typed("kubernetes.io/ssh-auth", json!({})),
        &["data[ssh-privatekey]: Required value"],
    );
    refused(
        &*rules,
        &typed("kubernetes.io/dockerconfigjson", json!({})),
        &["data[.dockerconfigjson]: Required value"],
    );
    refused(
        &*rules,
        &typed("kubernetes.io/service-account-token", json!({})),
        &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    );
    changed(
        &*rules,
        &typed("Opaque", json!({})),
        &typed("other", json!({})),
        &["type: Invalid value: \"other\": field is immutable"],
    );
}

#[test]
fn namespaces() {
    let rules = of("Namespace");
    let space = object("Namespace", json!({"metadata": {"name": "one"}}));
    let made = accepted(&*rules, &space);
    assert_eq!(made["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "one"}));
    assert_eq!(made["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(made["status"], json!({"phase": "Active"}));
    let mut ending = space.clone();
    ending["status"] = json!({"phase": "Terminating"});
    changed_part(
        &*rules,
        (&space, &ending),
        "status",
        &[
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
        ],
    );
    refused(
        &*rules,
        &object("Namespace", json!({"metadata": {"name": "a.b"}})),
        &["metadata.name: Invalid value: \"a.b\": must not contain dots"],
    );
}

#[test]
fn nodes() {
    let rules = of("Node");
    let node = |spec: Value| object("Node", json!({"metadata": {"name": "n"}, "spec": spec}));
    let mut bare = node(json!({"podCIDR": "10.1.0.0/24"}));
    bare["status"] = json!({"capacity": {"cpu": "2"}});
    let made = accepted(&*rules, &bare);
    assert_eq!(made["spec"]["podCIDRs"], json!(["10.1.0.0/24"]));
    assert_eq!(made["status"]["allocatable"], json!({"cpu": "2"}));
    refused(
        &*rules,
        &node(json!({"taints": [{"key": "a", "effect": "Never"}]})),
        &[
            "metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
        ],
    );
    changed(
        &*rules,
        &node(json!({"providerID": "a", "podCIDR": "10.1.0.0/24"})),
        &node(json!({"providerID": "b", "podCIDR": "10.2.0.0/24"})),
        &[
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
            "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
        ],
    );
    let mut ready = node(json!({"unschedulable": true}));
    ready["metadata"]["labels"] = json!({"node-role.kubernetes.io/worker": ""});
    ready["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z".into();
    ready["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian"},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]});
    let cells = rules.cells(&ready, 90_000);
    let expected = [
        "n",
        "Ready,SchedulingDisabled",
        "worker",
        "25h",
        "v1.36.0",
        "10.0.0.1",
        "<none>",
        "Debian",
        "<unknown>",
        "<unknown>",
    ];
    assert_eq!(cells, expected);
    assert_eq!(cells.len(), rules.columns().len());
    assert_eq!(rules.field(&ready, "spec.unschedulable").as_deref(), Some("true"));
}

#[test]
fn events_have_two_forms() {
    let rules = rules("events.k8s.io", "v1", "Event");
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "a/b", "reportingInstance": "b-1", "action": "Do", "reason": "Did",
        "type": "Normal", "note": "hello", "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
    accepted(&*rules, &event);
    let stored = convert::to_stored("events.k8s.io", "v1", "Event", event.clone());
    assert_eq!(stored["apiVersion"], "v1");
    assert_eq!(stored["message"], "hello");
    assert_eq!(stored["involvedObject"]["name"], "p");
    // Selectors look at what is stored, and at what is read.
    for form in [&stored, &event] {
        assert_eq!(rules.field(form, "regarding.name").as_deref(), Some("p"));
    }
    let back = convert::from_stored("events.k8s.io", "v1", "Event", stored);
    assert_eq!(back, event);
    let mut bare = event.clone();
    bare["eventTime"] = Value::Null;
    bare["deprecatedCount"] = 1.into();
    refused(
        &*rules,
        &bare,
        &["eventTime: Required value", "count: Invalid value: \"\": needs to be unset"],
    );
    let old = object("Event", json!({"involvedObject": {"namespace": "other"}}));
    refused(
        &*of("Event"),
        &old,
        &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
    );
    let mut seen = old;
    seen["involvedObject"] = json!({"kind": "Pod", "name": "p"});
    seen["lastTimestamp"] = "1970-01-01T00:00:00Z".into();
    assert_eq!(of("Event").cells(&seen, 61)[..4], ["61s", "", "", "pod/p"]);
    assert_eq!(of("Event").cells(&seen, 61).len(), of("Event").columns().len());
}

#[test]
fn a_status_belongs_to_its_subresource() {
    let rules = of("Service");
    let mut old = object("Service", json!({"spec": {"ports": [{"port": 80}]}}));
    rules.default(&mut old);
    let mut new = old.clone();
    new["spec"]["ports"][0]["port"] = 81.into();
    new["status"] = json!({"conditions": []});
    rules.prepare_update(&mut new, &old, Target::Subresource("status"));
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(new["status"], json!({"conditions": []}));
}
