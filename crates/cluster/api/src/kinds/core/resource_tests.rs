//! Limits, quotas, endpoints and volumes.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use crate::row::{Rules, Target};
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("", "v1", kind)
}

fn object(kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = "v1".into();
    fields["kind"] = kind.into();
    fields["metadata"] = json!({"name": "one"});
    if kind != "PersistentVolume" {
        fields["metadata"]["namespace"] = "default".into();
    }
    fields
}

#[test]
fn limit_ranges() {
    let rules = of("LimitRange");
    let range = |limit: Value| object("LimitRange", json!({"spec": {"limits": [limit]}}));
    let made = accepted(
        &*rules,
        &range(json!({"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"}})),
    );
    let limit = &made["spec"]["limits"][0];
    assert_eq!(limit["default"], json!({"cpu": "1"}));
    assert_eq!(limit["defaultRequest"], json!({"cpu": "1", "memory": "1Mi"}));
    refused(
        &*rules,
        &range(json!({"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"},
            "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}})),
        &[
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
            "spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than max value 1",
            "spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than default limit value 1",
            "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1",
        ],
    );
    refused(
        &*rules,
        &range(json!({"type": "Pod", "default": {"cpu": "1"}})),
        &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    );
    refused(
        &*rules,
        &range(json!({"type": "x"})),
        &[
            "spec.limits[0].type: Invalid value: \"x\": must be a standard limit type or fully qualified",
        ],
    );
}

#[test]
fn quotas() {
    let rules = of("ResourceQuota");
    let quota = |spec: Value| object("ResourceQuota", json!({"spec": spec}));
    let mut made = accepted(&*rules, &quota(json!({"hard": {"pods": "5", "limits.cpu": "2000m"}})));
    assert_eq!(made["spec"]["hard"]["limits.cpu"], "2");
    made["status"] = json!({"hard": made["spec"]["hard"], "used": {"pods": "1"}});
    assert_eq!(rules.cells(&made, 0)[1..3], [json!("pods: 1/5"), json!("limits.cpu: 0/2")]);
    refused(
        &*rules,
        &quota(json!({"hard": {"pods": "0.5", "a": "1"}})),
        &[
            "spec.hard[pods]: Invalid value: \"500m\": must be an integer",
            "spec.hard[a]: Invalid value: \"a\": must be a standard resource type or fully qualified",
            "spec.hard[a]: Invalid value: \"a\": must be a standard resource for quota",
        ],
    );
    refused(
        &*rules,
        &quota(json!({"hard": {"services": "1"}, "scopes": ["BestEffort", "NotBestEffort"],
            "scopeSelector": {"matchExpressions": [{"scopeName": "Terminating", "operator": "In"}]}})),
        &[
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: unsupported scope applied to resource",
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes",
            "spec.scopeSelector.matchExpressions: Invalid value: {\"matchExpressions\":[{\"scopeName\":\"Terminating\",\"operator\":\"In\"}]}: unsupported scope applied to resource",
            "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
            "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ],
    );
    changed(
        &*rules,
        &quota(json!({"scopes": ["BestEffort"]})),
        &quota(json!({"scopes": ["NotBestEffort"]})),
        &["spec.scopes: Invalid value: [\"NotBestEffort\"]: field is immutable"],
    );
}

#[test]
fn endpoints() {
    let rules = of("Endpoints");
    let endpoints = |subset: Value| object("Endpoints", json!({"subsets": [subset]}));
    let addresses = json!([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]);
    let good = json!({"addresses": addresses, "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]});
    let made = accepted(&*rules, &endpoints(good));
    assert_eq!(made["subsets"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(rules.cells(&made, 0)[1], "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...");
    refused(
        &*rules,
        &endpoints(json!({"ports": [{"port": 0}, {"name": "a", "port": 1, "protocol": "x"}]})),
        &[
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
            "subsets[0].ports[0].name: Required value",
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "subsets[0].ports[1].protocol: Unsupported value: \"x\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
}

#[test]
fn volumes() {
    let rules = of("PersistentVolume");
    let volume = |fields: Value| {
        let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"]});
        for (name, value) in fields.as_object().unwrap() {
            spec[name] = value.clone();
        }
        object("PersistentVolume", json!({"spec": spec}))
    };
    let host = json!({"hostPath": {"path": "/a"}});
    let mut made = accepted(&*rules, &volume(host.clone()));
    assert_eq!(made["status"], json!({"phase": "Pending"}));
    rules.stamp(&mut made, "now");
    assert_eq!(made["status"]["lastPhaseTransitionTime"], "now");
    let mut bound = made.clone();
    bound["status"]["phase"] = "Bound".into();
    rules.prepare_update(&mut bound, &made, Target::Subresource("status"));
    rules.stamp(&mut bound, "later");
    assert_eq!(bound["status"]["lastPhaseTransitionTime"], "later");
    let cells = rules.cells(&made, 0);
    assert_eq!(
        cells[1..6],
        [json!("1Gi"), json!("RWO,ROX"), json!("Retain"), json!("Pending"), json!("")]
    );
    assert_eq!(cells[10], "Filesystem");
    refused(
        &*rules,
        &volume(json!({"capacity": {"cpu": "1"}, "accessModes": []})),
        &[
            "spec.accessModes: Required value",
            "spec.capacity: Unsupported value: {\"cpu\":\"1\"}: supported values: \"storage\"",
            "spec: Required value: must specify a volume type",
        ],
    );
    refused(
        &*rules,
        &volume(json!({"hostPath": {"path": "/"}, "nfs": {"server": "s", "path": "/"},
            "persistentVolumeReclaimPolicy": "Recycle"})),
        &[
            "spec.nfs: Forbidden: may not specify more than 1 volume type",
            "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
        ],
    );
    let local = json!({"local": {"path": "/a"}});
    let why = "metadata.annotations: Required value: Local volume requires node affinity";
    refused(&*rules, &volume(local), &[why]);
    changed(
        &*rules,
        &volume(host),
        &volume(json!({"hostPath": {"path": "/a"}, "volumeMode": "Block"})),
        &["volumeMode: Invalid value: \"Block\": field is immutable"],
    );
}
