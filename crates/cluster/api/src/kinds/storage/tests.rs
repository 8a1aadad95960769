//! Kinds of storage.

use super::super::rules;
use super::super::testing::{accepted, changed, changed_part, refused};
use crate::row::Rules;
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("storage.k8s.io", "v1", kind)
}

fn object(kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = "storage.k8s.io/v1".into();
    fields["kind"] = kind.into();
    if fields.get("metadata").is_none() {
        fields["metadata"] = json!({"name": "one"});
    }
    fields
}

#[test]
fn classes() {
    let rules = of("StorageClass");
    let class = |fields: Value| object("StorageClass", fields);
    let made = accepted(
        &*rules,
        &class(json!({"provisioner": "Example.com/disk", "metadata": {"name": "c",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})),
    );
    assert_eq!(
        rules.cells(&made, 0)[..5],
        [
            json!("c (default)"),
            json!("Example.com/disk"),
            json!("Delete"),
            json!("Immediate"),
            json!(false)
        ]
    );
    refused(
        &*rules,
        &class(json!({"reclaimPolicy": "x", "volumeBindingMode": "y", "parameters": {"": "a"},
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}]}]})),
        &[
            "provisioner: Required value",
            "parameters: Invalid value: \"\": field can not be empty.",
            "reclaimPolicy: Unsupported value: \"x\": supported values: \"Delete\", \"Retain\"",
            "volumeBindingMode: Unsupported value: \"y\": supported values: \"Immediate\", \"WaitForFirstConsumer\"",
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
        ],
    );
    changed(
        &*rules,
        &class(json!({"provisioner": "a"})),
        &class(json!({"provisioner": "b", "parameters": {"a": "b"}, "reclaimPolicy": "Retain"})),
        &[
            "parameters: Forbidden: updates to parameters are forbidden.",
            "provisioner: Forbidden: updates to provisioner are forbidden.",
            "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
        ],
    );
    refused(
        &*of("VolumeAttributesClass"),
        &object("VolumeAttributesClass", json!({"driverName": "a"})),
        &["parameters: Required value: must contain at least one key/value pair"],
    );
}

#[test]
fn drivers_and_nodes() {
    let rules = of("CSIDriver");
    let made = accepted(&*rules, &object("CSIDriver", json!({"spec": {}})));
    assert_eq!(
        made["spec"],
        json!({"attachRequired": true, "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "podInfoOnMount": false, "requiresRepublish": false, "seLinuxMount": false,
            "storageCapacity": false, "volumeLifecycleModes": ["Persistent"]})
    );
    changed(
        &*rules,
        &object("CSIDriver", json!({"spec": {}})),
        &object(
            "CSIDriver",
            json!({"spec": {"attachRequired": false,
            "tokenRequests": [{"audience": "a"}, {"audience": "a"}]}}),
        ),
        &[
            "spec.tokenRequests[1].audience: Duplicate value: \"a\"",
            "spec.attachedRequired: Invalid value: false: field is immutable",
        ],
    );
    let node = |drivers: Value| object("CSINode", json!({"spec": {"drivers": drivers}}));
    refused(
        &*of("CSINode"),
        &node(json!([{"name": "a", "nodeID": "1"}, {"name": "a", "nodeID": ""}])),
        &["spec.drivers[1].nodeID: Required value", "spec.drivers[1].name: Duplicate value: \"a\""],
    );
    changed(
        &*of("CSINode"),
        &node(json!([{"name": "a", "nodeID": "1", "allocatable": {"count": 1}}])),
        &node(json!([{"name": "a", "nodeID": "1", "allocatable": {"count": 2}}])),
        &[],
    );
}

#[test]
fn attachments_and_capacities() {
    let rules = of("VolumeAttachment");
    let attachment = |fields: Value| object("VolumeAttachment", json!({"spec": fields}));
    let good = attachment(json!({"attacher": "a", "nodeName": "n",
        "source": {"persistentVolumeName": "v"}}));
    let made = accepted(&*rules, &good);
    assert_eq!(made["status"], json!({"attached": false}));
    refused(
        &*rules,
        &attachment(json!({"attacher": "", "nodeName": "n", "source": {}})),
        &[
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
            "spec.attacher: Required value",
            "spec.attacher: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
    let mut attached = good.clone();
    attached["status"] = json!({"attached": true});
    let after = changed_part(&*rules, (&good, &attached), "status", &[]);
    assert_eq!(rules.cells(&after, 0)[4], true);
    let metadata = json!({"name": "one", "namespace": "default"});
    let capacity = |class: &str| {
        object(
            "CSIStorageCapacity",
            json!({"metadata": metadata, "storageClassName": class,
            "capacity": "1024Mi"}),
        )
    };
    let made = accepted(&*of("CSIStorageCapacity"), &capacity("a"));
    assert_eq!(made["capacity"], "1Gi");
    changed(
        &*of("CSIStorageCapacity"),
        &capacity("a"),
        &capacity("b"),
        &["storageClassName: Invalid value: \"b\": field is immutable"],
    );
}
