//! Ingresses, policies, addresses.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use crate::row::Rules;
use serde_json::{Value, json};
use std::sync::Arc;

fn of(kind: &str) -> Arc<dyn Rules> {
    rules("networking.k8s.io", "v1", kind)
}

fn object(kind: &str, spec: Value) -> Value {
    let mut made = json!({"apiVersion": "networking.k8s.io/v1", "kind": kind,
        "metadata": {"name": "one"}, "spec": spec});
    if ["Ingress", "NetworkPolicy"].contains(&kind) {
        made["metadata"]["namespace"] = "default".into();
    }
    made
}

fn backend() -> Value {
    json!({"service": {"name": "s", "port": {"number": 80}}})
}

#[test]
fn ingresses() {
    let rules = of("Ingress");
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend()});
    let host = |name: &str| json!({"host": name, "http": {"paths": [path]}});
    let good = json!({"ingressClassName": "nginx", "tls": [{"hosts": ["*.a.b"]}],
        "rules": [host("a.b"), host("*.a.b"), host("c.d"), host("e.f")]});
    let made = accepted(&*rules, &object("Ingress", good));
    assert_eq!(made["status"], json!({"loadBalancer": {}}));
    assert_eq!(
        rules.cells(&made, 0)[1..5],
        [json!("nginx"), json!("a.b,*.a.b,c.d + 1 more..."), json!(""), json!("80, 443")]
    );
    // Rules count, with or without a host; addresses are in order, each once.
    let mut reached = made;
    let Some(all) = reached["spec"]["rules"].as_array_mut() else { panic!("no rules") };
    all.insert(0, json!({"http": {"paths": [path]}}));
    all.pop();
    let show = |ingress: &Value| rules.cells(ingress, 0)[2..4].to_vec();
    assert_eq!(show(&reached)[0], "a.b,*.a.b,c.d");
    let Some(all) = reached["spec"]["rules"].as_array_mut() else { panic!("no rules") };
    all.push(json!({"http": {"paths": [path]}}));
    let at = [
        json!({"ip": "10.0.0.9"}),
        json!({"hostname": "b"}),
        json!({"ip": "10.0.0.10"}),
        json!({"ip": "10.0.0.9"}),
    ];
    reached["status"]["loadBalancer"]["ingress"] = json!(at);
    assert_eq!(show(&reached), ["a.b,*.a.b,c.d + 2 more...", "10.0.0.10,10.0.0.9,b"]);
    refused(
        &*rules,
        &object("Ingress", json!({})),
        &["spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"],
    );
    let bad = |path: Value| object("Ingress", json!({"rules": [{"http": {"paths": [path]}}]}));
    let at = "spec.rules[0].http.paths[0]";
    let cases = [
        (json!({"backend": backend()}), "pathType: Required value: pathType must be specified"),
        (
            json!({"pathType": "Exact", "path": "a", "backend": backend()}),
            "path: Invalid value: \"a\": must be an absolute path",
        ),
        (
            json!({"pathType": "Exact", "path": "/a//b", "backend": backend()}),
            "path: Invalid value: \"/a//b\": must not contain '//'",
        ),
        (
            json!({"pathType": "Prefix", "path": "/", "backend": {}}),
            "backend: Invalid value: \"\": resource or service backend is required",
        ),
        (
            json!({"pathType": "Prefix", "path": "/", "backend": {"service": {"name": "a"}}}),
            "backend: Required value: port name or number is required",
        ),
        (
            json!({"pathType": "x", "path": "/", "backend": backend()}),
            "pathType: Unsupported value: \"x\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\"",
        ),
    ];
    for (path, why) in cases {
        refused(&*rules, &bad(path), &[&format!("{at}.{why}")]);
    }
    let host =
        "spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address";
    refused(&*rules, &object("Ingress", json!({"rules": [{"host": "10.0.0.1"}]})), &[host]);
}

#[test]
fn ingress_classes() {
    let rules = of("IngressClass");
    let class = |parameters: Value| {
        object("IngressClass", json!({"controller": "a.b/c", "parameters": parameters}))
    };
    let made = accepted(&*rules, &class(json!({"apiGroup": "a.b", "kind": "K", "name": "n"})));
    assert_eq!(made["spec"]["parameters"]["scope"], "Cluster");
    assert_eq!(rules.cells(&made, 0)[2], "K.a.b/n");
    refused(
        &*rules,
        &class(json!({"kind": "K", "scope": "Namespace"})),
        &[
            "spec.parameters.name: Required value: name is required",
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ],
    );
    changed(
        &*rules,
        &object("IngressClass", json!({"controller": "a.b/c"})),
        &object("IngressClass", json!({"controller": "a.b/d"})),
        &["spec.controller: Invalid value: \"a.b/d\": field is immutable"],
    );
}

#[test]
fn network_policies() {
    let rules = of("NetworkPolicy");
    let spec = json!({"podSelector": {"matchLabels": {"a": "b"}}, "egress": [{"ports": [{"port": 53}],
        "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]});
    let made = accepted(&*rules, &object("NetworkPolicy", spec));
    assert_eq!(made["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(made["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(rules.cells(&made, 0)[1], "a=b");
    refused(
        &*rules,
        &object(
            "NetworkPolicy",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 2, "endPort": 1}, {"endPort": 3}],
                "from": [{}, {"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]}),
        ),
        &[
            "spec.ingress[0].ports[0].endPort: Invalid value: 2: must be greater than or equal to `port`",
            "spec.ingress[0].ports[1].endPort: Invalid value: 3: may not be specified when `port` is not specified",
            "spec.ingress[0].from[0]: Required value: must specify a peer",
            "spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: \"11.0.0.0/8\": must be a strict subset of `cidr`",
            "spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer",
        ],
    );
}

#[test]
fn addresses() {
    let parent = json!({"resource": "services", "namespace": "default", "name": "a"});
    let mut address = object("IPAddress", json!({"parentRef": parent}));
    address["metadata"]["name"] = "10.0.0.1".into();
    let made = accepted(&*of("IPAddress"), &address);
    assert_eq!(of("IPAddress").cells(&made, 0)[1], "services/default/a");
    let rules = of("ServiceCIDR");
    let networks = |cidrs: Value| object("ServiceCIDR", json!({"cidrs": cidrs}));
    accepted(&*rules, &networks(json!(["10.0.0.0/24", "fd00::/64"])));
    refused(
        &*rules,
        &networks(json!([])),
        &["spec.cidrs: Required value: at least one CIDR required"],
    );
    changed(
        &*rules,
        &networks(json!(["10.0.0.0/24"])),
        &networks(json!(["10.0.1.0/24"])),
        &["spec.cidrs: Invalid value: [\"10.0.1.0/24\"]: field is immutable"],
    );
}
