//! Owners of pods that run for ever.

use super::super::rules;
use super::super::testing::{accepted, changed, changed_part, refused};
use crate::row::Target;
use serde_json::{Value, json};

fn owner(kind: &str, fields: Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "busybox:1"}]}}});
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": "o", "namespace": "default"}, "spec": spec})
}

const KINDS: [&str; 4] = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"];

#[test]
fn what_was_not_said_is_filled_in() {
    for kind in KINDS {
        let made = accepted(&*rules("apps", "v1", kind), &owner(kind, json!({})));
        assert_eq!(made["spec"]["template"]["spec"]["restartPolicy"], "Always");
    }
    let made = accepted(&*rules("apps", "v1", "Deployment"), &owner("Deployment", json!({})));
    assert_eq!(
        made["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    assert_eq!(made["spec"]["progressDeadlineSeconds"], 600);
    let made = accepted(&*rules("apps", "v1", "DaemonSet"), &owner("DaemonSet", json!({})));
    assert_eq!(
        made["metadata"]["annotations"],
        json!({"deprecated.daemonset.template.generation": "1"})
    );
    let made = accepted(&*rules("apps", "v1", "StatefulSet"), &owner("StatefulSet", json!({})));
    assert_eq!(
        made["spec"]["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
}

#[test]
fn faults_of_selectors_and_templates() {
    let unlabeled = json!({"spec": {"containers": [{"name": "c", "image": "a"}]}});
    for kind in KINDS {
        let rules = rules("apps", "v1", kind);
        refused(
            &*rules,
            &owner(kind, json!({"template": unlabeled})),
            &[
                "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
            ],
        );
        let mut ends = owner(kind, json!({}));
        ends["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
        refused(
            &*rules,
            &ends,
            &[
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ],
        );
    }
    let rules = rules("apps", "v1", "Deployment");
    refused(
        &*rules,
        &owner("Deployment", json!({"selector": null})),
        &["spec.selector: Required value"],
    );
    refused(
        &*rules,
        &owner("Deployment", json!({"selector": {}})),
        &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    );
}

#[test]
fn faults_of_strategies() {
    let deployment = rules("apps", "v1", "Deployment");
    for (fields, reasons) in [
        (
            json!({"strategy": {"type": "Recreate", "rollingUpdate": {}}}),
            vec![
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ],
        ),
        (
            json!({"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}),
            vec![
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ],
        ),
        (
            json!({"replicas": -1, "minReadySeconds": 600}),
            vec![
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
            ],
        ),
    ] {
        refused(&*deployment, &owner("Deployment", fields), &reasons);
    }
    refused(
        &*rules("apps", "v1", "DaemonSet"),
        &owner("DaemonSet", json!({"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}})),
        &[
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ],
    );
    refused(
        &*rules("apps", "v1", "StatefulSet"),
        &owner("StatefulSet", json!({"podManagementPolicy": "x", "updateStrategy": {"type": "y"}})),
        &[
            "spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'",
            "spec.updateStrategy: Invalid value: {\"type\":\"y\"}: must be 'RollingUpdate' or 'OnDelete'",
        ],
    );
}

#[test]
fn what_does_not_change() {
    let other = json!({"selector": {"matchLabels": {"c": "d"}},
        "template": {"metadata": {"labels": {"c": "d"}}, "spec": {"containers": [{"name": "c", "image": "busybox:1"}]}}});
    for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
        changed(
            &*rules("apps", "v1", kind),
            &owner(kind, json!({})),
            &owner(kind, other.clone()),
            &["spec.selector: Invalid value: {\"matchLabels\":{\"c\":\"d\"}}: field is immutable"],
        );
    }
    let sets = rules("apps", "v1", "StatefulSet");
    changed(
        &*sets,
        &owner("StatefulSet", json!({})),
        &owner("StatefulSet", json!({"replicas": 3})),
        &[],
    );
    changed(
        &*sets,
        &owner("StatefulSet", json!({})),
        &owner("StatefulSet", json!({"serviceName": "s"})),
        &[
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ],
    );
}

#[test]
fn counts_in_statuses() {
    let mut new = owner("Deployment", json!({}));
    new["status"] = json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": 1});
    changed_part(
        &*rules("apps", "v1", "Deployment"),
        (&owner("Deployment", json!({})), &new),
        "status",
        &["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"],
    );
}

#[test]
fn scale_is_read_and_written() {
    let rules = rules("apps", "v1", "Deployment");
    let mut made = accepted(&*rules, &owner("Deployment", json!({"replicas": 2})));
    let mut scale = rules.read_subresource(&made, "scale").unwrap();
    assert_eq!(scale["spec"], json!({"replicas": 2}));
    assert_eq!(scale["status"], json!({"replicas": 0, "selector": "a=b"}));
    scale["spec"]["replicas"] = 5.into();
    rules.write_subresource(&mut made, "scale", &scale).unwrap();
    assert_eq!(made["spec"]["replicas"], 5);
    scale["spec"]["replicas"] = json!(-1);
    let refused = rules.write_subresource(&mut made, "scale", &scale).unwrap_err();
    assert_eq!(
        refused.message,
        "Scale.autoscaling \"o\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[test]
fn generations_follow_the_spec() {
    let rules = rules("apps", "v1", "DaemonSet");
    let old = accepted(&*rules, &owner("DaemonSet", json!({})));
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"x": "y"});
    assert!(!rules.prepare_update(&mut new, &old, Target::Object));
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:2".into();
    assert!(rules.prepare_update(&mut new, &old, Target::Object));
    assert_eq!(new["metadata"]["annotations"]["deprecated.daemonset.template.generation"], "2");
    assert!(rules.has_generation());
}

#[test]
fn columns_are_those_of_kubectl() {
    let line = |kind: &str, status: Value| {
        let rules = rules("apps", "v1", kind);
        let mut object = accepted(&*rules, &owner(kind, json!({})));
        object["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z".into();
        object["status"] = status;
        let cells = rules.cells(&object, 3 * 86_400);
        assert_eq!(cells.len(), rules.columns().len(), "{kind}");
        cells.iter().map(Value::to_string).collect::<Vec<_>>().join(" ").replace('"', "")
    };
    assert_eq!(
        line(
            "Deployment",
            json!({"readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1})
        ),
        "o 1/1 1 1 3d c busybox:1 a=b"
    );
    assert_eq!(line("ReplicaSet", json!({"replicas": 1})), "o 1 1 0 3d c busybox:1 a=b");
    assert_eq!(line("StatefulSet", json!({})), "o 0/1 3d c busybox:1");
    assert_eq!(
        line("DaemonSet", json!({"desiredNumberScheduled": 2})),
        "o 2 0 0 0 0 <none> 3d c busybox:1 a=b"
    );
    let revision = json!({"metadata": {"name": "r", "creationTimestamp": "1970-01-01T00:00:00Z",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true}]},
        "revision": 2});
    let cells = rules("apps", "v1", "ControllerRevision").cells(&revision, 60);
    assert_eq!(cells, [json!("r"), json!("daemonset.apps/d"), json!(2), json!("60s")]);
}
