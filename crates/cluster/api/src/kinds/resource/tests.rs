//! Devices.

use super::super::rules;
use super::super::testing::{accepted, changed, changed_part, refused};
use crate::row::Rules;
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("resource.k8s.io", "v1", kind)
}

fn object(kind: &str, spec: Value) -> Value {
    let mut made = json!({"apiVersion": "resource.k8s.io/v1", "kind": kind,
        "metadata": {"name": "one"}, "spec": spec});
    if kind.starts_with("ResourceClaim") {
        made["metadata"]["namespace"] = "default".into();
    }
    made
}

fn claim(requests: Value) -> Value {
    object("ResourceClaim", json!({"devices": {"requests": requests}}))
}

#[test]
fn claims() {
    let rules = of("ResourceClaim");
    let good = claim(json!([{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]));
    let made = accepted(&*rules, &good);
    let exact = &made["spec"]["devices"]["requests"][0]["exactly"];
    assert_eq!((&exact["allocationMode"], &exact["count"]), (&json!("ExactCount"), &json!(1)));
    assert_eq!(rules.cells(&made, 0)[1], "pending");
    refused(
        &*rules,
        &claim(
            json!([{"name": "a"}, {"name": "a", "exactly": {"deviceClassName": "", "allocationMode": "x"}}]),
        ),
        &[
            "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
            "spec.devices.requests[1].exactly.deviceClassName: Required value",
            "spec.devices.requests[1].exactly.allocationMode: Unsupported value: \"x\": supported values: \"All\", \"ExactCount\"",
            "spec.devices.requests[1].name: Duplicate value: \"a\"",
        ],
    );
    let other = claim(json!([]));
    changed(
        &*rules,
        &good,
        &other,
        &["spec: Invalid value: {\"devices\":{\"requests\":[]}}: field is immutable"],
    );
    let mut reserved = good.clone();
    reserved["metadata"]["labels"] = json!({"a": "b"});
    reserved["status"] = json!({"reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}]});
    let why = "status.reservedFor: Forbidden: may not be specified when `allocated` is not set";
    let after = changed_part(&*rules, (&good, &reserved), "status", &[why]);
    assert_eq!(after["metadata"].get("labels"), None);
}

#[test]
fn classes_and_slices() {
    let class = object("DeviceClass", json!({"config": [{}], "selectors": [{}]}));
    refused(
        &*of("DeviceClass"),
        &class,
        &["spec.selectors[0].cel: Required value", "spec.config[0].opaque: Required value"],
    );
    let rules = of("ResourceSlice");
    let pool = json!({"name": "p", "generation": 1, "resourceSliceCount": 1});
    let devices = json!([{"name": "d", "attributes": {"a": {"int": 1}}, "capacity": {"m": {"value": "1024Mi"}}}]);
    let good =
        json!({"driver": "d.example.com", "pool": pool, "nodeName": "n", "devices": devices});
    let made = accepted(&*rules, &object("ResourceSlice", good));
    assert_eq!(made["spec"]["devices"][0]["capacity"]["m"]["value"], "1Gi");
    assert_eq!(rules.cells(&made, 0)[1..4], [json!("n"), json!("d.example.com"), json!("p")]);
    refused(
        &*rules,
        &object(
            "ResourceSlice",
            json!({"driver": "d", "pool": {"name": "p"}, "allNodes": false,
            "devices": [{"name": "d", "attributes": {"a": {}}}]}),
        ),
        &[
            "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            "spec.allNodes: Invalid value: false: must be either unset or set to true",
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required",
            "spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified",
        ],
    );
}
