//! Pods.

mod faults;

use super::super::super::testing::{accepted, changed, changed_part, created};
use super::RULES;
use crate::row::{Rules, Target};
use serde_json::{Value, json};

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"}, "spec": spec})
}

fn plain() -> Value {
    pod(json!({"containers": [{"name": "c", "image": "busybox"}]}))
}

/// A pod with one container that has these fields.
fn with(mut container: Value) -> Value {
    container["name"] = "c".into();
    container["image"] = "busybox:1".into();
    pod(json!({"containers": [container]}))
}

/// A pod with these fields beside its container.
fn beside(mut spec: Value) -> Value {
    spec["containers"] = json!([{"name": "c", "image": "busybox:1"}]);
    pod(spec)
}

#[test]
fn what_was_not_said_is_filled_in() {
    let made = accepted(&RULES, &plain());
    assert_eq!(
        made["spec"],
        json!({"containers": [{"name": "c", "image": "busybox", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always"}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "securityContext": {},
            "schedulerName": "default-scheduler", "enableServiceLinks": true})
    );
    assert_eq!(made["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    let made = accepted(
        &RULES,
        &with(json!({
            "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
            "ports": [{"containerPort": 80}],
            "livenessProbe": {"httpGet": {"port": 80}},
            "readinessProbe": {"grpc": {"port": 81}},
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        })),
    );
    let container = &made["spec"]["containers"][0];
    assert_eq!(container["resources"]["requests"], json!({"cpu": "500m", "memory": "1Gi"}));
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    let get = json!({"port": 80, "path": "/", "scheme": "HTTP"});
    assert_eq!(
        container["livenessProbe"],
        json!({"httpGet": get, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
            "failureThreshold": 3})
    );
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    assert_eq!(made["status"]["qosClass"], "Guaranteed");
    let made = accepted(
        &RULES,
        &beside(json!({"serviceAccountName": "s", "hostNetwork": false, "volumes": [{"name": "a"},
            {"name": "b", "secret": {"secretName": "x"}}, {"name": "c", "hostPath": {"path": "/"}},
            {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]})),
    );
    assert_eq!(made["spec"]["serviceAccount"], "s");
    assert_eq!(
        made["spec"]["volumes"],
        json!([{"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "x", "defaultMode": 420}},
            {"name": "c", "hostPath": {"path": "/", "type": ""}},
            {"name": "d", "projected": {"defaultMode": 420,
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}}])
    );
}

#[test]
fn tags_that_move_are_pulled() {
    for (image, moves) in [
        ("a", true),
        ("a:latest", true),
        ("a:1", false),
        ("host:5000/a", true),
        ("host:5000/a:1", false),
        ("a@sha256:00", false),
        ("", false),
    ] {
        assert_eq!(super::super::super::pod_spec::is_latest(image), moves, "{image}");
    }
}

#[test]
fn only_a_little_of_a_pod_changes() {
    let mut image = plain();
    image["spec"]["containers"][0]["image"] = "busybox:2".into();
    image["spec"]["containers"][0]["imagePullPolicy"] = "Always".into();
    image["spec"]["activeDeadlineSeconds"] = 30.into();
    image["spec"]["tolerations"] = json!([{"key": "a", "operator": "Exists"}]);
    changed(&RULES, &plain(), &image, &[]);
    let mut other = plain();
    other["spec"]["hostname"] = "x".into();
    changed(
        &RULES,
        &plain(),
        &other,
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n- hostname: null\n+ hostname: \"x\"\n",
        ],
    );
    changed(
        &RULES,
        &image,
        &plain(),
        &[
            "spec.activeDeadlineSeconds: Invalid value: \"null\": must not update from a positive integer to nil value",
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ],
    );
    let two =
        pod(json!({"containers": [{"name": "c", "image": "a"}, {"name": "d", "image": "a"}]}));
    changed(
        &RULES,
        &plain(),
        &two,
        &["spec.containers: Forbidden: pod updates may not add or remove containers"],
    );
}

#[test]
fn a_gated_pod_may_be_told_more() {
    let gated = beside(json!({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}));
    let made = created(&RULES, &gated);
    assert_eq!(made["status"]["conditions"][0]["reason"], "SchedulingGated");
    let mut more = gated.clone();
    more["spec"]["nodeSelector"] = json!({"a": "b", "c": "d"});
    more["spec"]["schedulingGates"] = json!([]);
    changed(&RULES, &gated, &more, &[]);
    more["spec"]["nodeSelector"] = json!({"c": "d"});
    more["spec"]["schedulingGates"] = json!([{"name": "h"}]);
    changed(
        &RULES,
        &gated,
        &more,
        &[
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'",
            "spec.nodeSelector: Invalid value: {\"c\":\"d\"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ],
    );
}

#[test]
fn the_status_is_kept_apart() {
    let mut new = plain();
    new["spec"]["hostname"] = "ignored".into();
    new["status"] = json!({"phase": "Running", "podIP": "10.0.0.1",
        "conditions": [{"type": "bad type", "status": "True"}]});
    let object = changed_part(
        &RULES,
        (&plain(), &new),
        "status",
        &[
            "metadata.conditions[0].Type: Invalid value: \"bad type\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ],
    );
    assert_eq!(object["spec"].get("hostname"), None);
    assert_eq!(object["status"]["qosClass"], "BestEffort");
    assert_eq!(object["status"]["podIPs"], json!([{"ip": "10.0.0.1"}]));
    new["status"] = json!({"qosClass": "Guaranteed"});
    changed_part(
        &RULES,
        (&plain(), &new),
        "status",
        &["status.qosClass: Invalid value: \"Guaranteed\": field is immutable"],
    );
    assert!(!RULES.prepare_update(&mut new, &plain(), Target::Subresource("status")));
}

#[test]
fn ephemeral_containers_only_come() {
    let mut new = plain();
    new["spec"]["hostname"] = "ignored".into();
    new["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "a"}]);
    let object = changed_part(&RULES, (&plain(), &new), "ephemeralcontainers", &[]);
    assert_eq!(object["spec"].get("hostname"), None);
    assert_eq!(object["spec"]["ephemeralContainers"][0]["name"], "e");
    changed_part(
        &RULES,
        (&new, &plain()),
        "ephemeralcontainers",
        &[
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be removed\n",
        ],
    );
}

#[test]
fn a_resize_keeps_the_class_of_service() {
    let sized = |cpu: &str| with(json!({"resources": {"requests": {"cpu": cpu}}}));
    let object = changed_part(&RULES, (&sized("1"), &sized("2")), "resize", &[]);
    assert_eq!(object["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2");
    changed_part(
        &RULES,
        (&sized("1"), &with(json!({}))),
        "resize",
        &[
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        ],
    );
}

#[test]
fn a_binding_is_for_good() {
    let mut made = created(&RULES, &plain());
    let binding = json!({"target": {"kind": "Node", "name": "n"}});
    RULES.write_subresource(&mut made, "binding", &binding).unwrap();
    RULES.stamp(&mut made, "2026-01-01T00:00:00Z");
    assert_eq!(made["spec"]["nodeName"], "n");
    assert_eq!(
        made["status"]["conditions"],
        json!([{"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    );
    let again = RULES.write_subresource(&mut made, "binding", &binding).unwrap_err();
    assert_eq!(again.code, 409);
    assert_eq!(
        again.message,
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\""
    );
    let mut fresh = created(&RULES, &plain());
    let meant = json!({"metadata": {"resourceVersion": "7"}, "target": {"name": "n"}});
    let other = RULES.write_subresource(&mut fresh, "binding", &meant).unwrap_err();
    assert!(other.message.contains("ResourceVersion in precondition: 7"), "{}", other.message);
    let nowhere = RULES.write_subresource(&mut made, "binding", &json!({})).unwrap_err();
    assert_eq!(nowhere.message, "Binding \"p\" is invalid: target.name: Required value");
}

#[test]
fn grace_periods() {
    let mut object = created(&RULES, &plain());
    assert_eq!(RULES.grace_seconds(&object, None), Some(0));
    object["spec"]["nodeName"] = "n".into();
    assert_eq!(RULES.grace_seconds(&object, None), Some(30));
    assert_eq!(RULES.grace_seconds(&object, Some(5)), Some(5));
    assert_eq!(RULES.grace_seconds(&object, Some(-1)), Some(1));
    object["status"]["phase"] = "Failed".into();
    assert_eq!(RULES.grace_seconds(&object, None), Some(0));
}

fn line(spec: Value, status: Value) -> Vec<Value> {
    let mut object = pod(spec);
    object["status"] = status;
    object["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z".into();
    let cells = RULES.cells(&object, 3600);
    assert_eq!(cells.len(), RULES.columns().len());
    cells
}

#[test]
fn one_word_for_the_state() {
    let one = json!({"containers": [{"name": "c"}]});
    let state = |state: Value| json!({"phase": "Running", "containerStatuses": [state]});
    for (status, word) in [
        (json!({"phase": "Pending"}), "Pending"),
        (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted"),
        (state(json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}})), "CrashLoopBackOff"),
        (state(json!({"state": {"terminated": {"exitCode": 2}}})), "ExitCode:2"),
        (state(json!({"state": {"terminated": {"signal": 9}}})), "Signal:9"),
        (state(json!({"state": {"terminated": {"reason": "Completed"}}})), "Completed"),
        (state(json!({"ready": true, "state": {"running": {}}})), "Running"),
        (
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
            "SchedulingGated",
        ),
    ] {
        assert_eq!(line(one.clone(), status)[2], word);
    }
    let status = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
        "containerStatuses": [{"ready": true, "restartCount": 3, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "1970-01-01T00:55:00Z"}}}]});
    let spec = json!({"containers": [{"name": "c"}, {"name": "d"}], "nodeName": "n"});
    assert_eq!(
        line(spec, status),
        ["p", "1/2", "Running", "3 (5m ago)", "60m", "10.0.0.1", "n", "<none>", "<none>"]
    );
}

#[test]
fn init_containers_come_first() {
    let spec = json!({"containers": [{"name": "c"}],
        "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
    let first = json!({"name": "i", "state": {"running": {}}});
    let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0}}});
    let side = json!({"name": "s", "started": true, "ready": true, "state": {"running": {}}});
    let status = |list: Value| json!({"phase": "Pending", "initContainerStatuses": list});
    let cells = line(spec.clone(), status(json!([first, {"name": "s"}])));
    assert_eq!(cells[1..3], ["0/2", "Init:0/2"]);
    let cells = line(spec.clone(), status(json!([done, side])));
    assert_eq!(cells[1..3], ["1/2", "Pending"]);
    let failed = json!({"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}});
    assert_eq!(line(spec, status(json!([failed])))[2], "Init:Error");
}

#[test]
fn people_are_warned() {
    let object = created(
        &RULES,
        &pod(
            json!({"containers": [{"name": "c", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
            "ports": [{"containerPort": 80}, {"containerPort": 80}]}],
            "nodeSelector": {"beta.kubernetes.io/os": "linux"}}),
        ),
    );
    assert_eq!(
        RULES.warnings(&object, None),
        [
            "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply",
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ]
    );
    assert_eq!(RULES.warnings(&object, Some(&object)), Vec::<String>::new());
}

#[test]
fn classes_of_service() {
    for (requests, limits, class) in [
        (json!({}), json!({}), "BestEffort"),
        (json!({"cpu": "1"}), json!({}), "Burstable"),
        (json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": "1", "memory": "1Gi"}), "Guaranteed"),
        (json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": "2", "memory": "1Gi"}), "Burstable"),
        (json!({"example.com/gpu": "1"}), json!({"example.com/gpu": "1"}), "BestEffort"),
    ] {
        let object = with(json!({"resources": {"requests": requests, "limits": limits}}));
        assert_eq!(super::qos_class(&object), class);
    }
}

#[test]
fn labels_become_part_of_spreading() {
    let mut object = beside(
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"b": "2"}}, "matchLabelKeys": ["a"]}]}),
    );
    object["metadata"]["labels"] = json!({"a": "1"});
    let made = created(&RULES, &object);
    assert_eq!(
        made["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"],
        json!([{"key": "a", "operator": "In", "values": ["1"]}])
    );
}
