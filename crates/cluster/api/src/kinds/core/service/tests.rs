//! Services.

use super::super::super::testing::{accepted, changed, refused};
use super::RULES;
use crate::row::{Rules, Target};
use serde_json::{Value, json};

fn service(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec})
}

fn web() -> Value {
    service(json!({"ports": [{"port": 80}], "selector": {"app": "web"}}))
}

#[test]
fn what_was_not_said_is_filled_in() {
    let mut object = web();
    RULES.default(&mut object);
    let spec = &object["spec"];
    assert_eq!(spec["type"], "ClusterIP");
    assert_eq!(spec["sessionAffinity"], "None");
    assert_eq!(spec["internalTrafficPolicy"], "Cluster");
    assert_eq!(spec["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    assert_eq!(object["status"], json!({"loadBalancer": {}}));
    accepted(&RULES, &web());
}

#[test]
fn faults_have_the_words_of_kubernetes() {
    refused(&RULES, &service(json!({"selector": {"a": "b"}})), &["spec.ports: Required value"]);
    let mut named = web();
    named["metadata"]["name"] = "1web".into();
    refused(
        &RULES,
        &named,
        &[
            "metadata.name: Invalid value: \"1web\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
    refused(
        &RULES,
        &service(json!({"ports": [{"port": 0}, {"name": "b", "port": 80, "protocol": "ICMP"}]})),
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[1].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
    refused(
        &RULES,
        &service(json!({"type": "ExternalName", "externalName": ""})),
        &["spec.externalName: Required value"],
    );
    refused(
        &RULES,
        &service(json!({"ports": [{"port": 80, "nodePort": 30080}]})),
        &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
    refused(
        &RULES,
        &service(json!({"ports": [{"port": 80}], "clusterIP": "x", "clusterIPs": ["x"]})),
        &[
            "spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ],
    );
}

#[test]
fn an_update_keeps_what_was_given_out() {
    let mut old =
        service(json!({"type": "NodePort", "clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5"],
        "ports": [{"port": 80, "nodePort": 30080}]}));
    RULES.default(&mut old);
    let mut new = service(json!({"type": "NodePort", "ports": [{"port": 80}]}));
    RULES.default(&mut new);
    RULES.prepare_update(&mut new, &old, Target::Object);
    assert_eq!(new["spec"]["clusterIP"], "10.0.0.5");
    assert_eq!(new["spec"]["ports"][0]["nodePort"], 30080);
    new["spec"]["type"] = "ClusterIP".into();
    RULES.prepare_update(&mut new, &old, Target::Object);
    assert_eq!(new["spec"]["ports"][0].get("nodePort"), None);
    assert_eq!(new["spec"].get("externalTrafficPolicy"), None);
}

#[test]
fn an_address_is_for_good() {
    let old = service(
        json!({"clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5"], "ports": [{"port": 80}]}),
    );
    let new = service(
        json!({"clusterIP": "10.0.0.6", "clusterIPs": ["10.0.0.6"], "ports": [{"port": 80}]}),
    );
    changed(
        &RULES,
        &old,
        &new,
        &["spec.clusterIPs[0]: Invalid value: [\"10.0.0.6\"]: may not change once set"],
    );
}

#[test]
fn columns_are_those_of_kubectl() {
    let mut object = service(json!({"type": "LoadBalancer", "clusterIPs": ["10.0.0.5"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}));
    object["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z".into();
    let cells = RULES.cells(&object, 303);
    assert_eq!(
        cells,
        ["web", "LoadBalancer", "10.0.0.5", "<pending>", "80:30080/TCP,53/UDP", "5m3s", "<none>"]
    );
}
