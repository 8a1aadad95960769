//! Slices of endpoints.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use serde_json::{Value, json};

fn slice(fields: Value) -> Value {
    let mut slice = fields;
    slice["apiVersion"] = "discovery.k8s.io/v1".into();
    slice["kind"] = "EndpointSlice".into();
    slice["metadata"] = json!({"name": "s", "namespace": "default"});
    if slice.get("addressType").is_none() {
        slice["addressType"] = "IPv4".into();
    }
    slice
}

#[test]
fn slices() {
    let rules = rules("discovery.k8s.io", "v1", "EndpointSlice");
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
    let good = slice(json!({"endpoints": [{"addresses": addresses}], "ports": [{"port": 80}]}));
    let made = accepted(&*rules, &good);
    assert_eq!(made["ports"][0], json!({"port": 80, "name": "", "protocol": "TCP"}));
    let cells = rules.cells(&made, 0);
    assert_eq!(cells[2..4], [json!("80"), json!("10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...")]);
    refused(
        &*rules,
        &slice(json!({"endpoints": [{"addresses": ["127.0.0.1"]}, {"addresses": ["::1"]}, {}],
            "ports": [{"name": "a"}, {"name": "a", "protocol": "x"}]})),
        &[
            "endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            "endpoints[1].addresses[0]: Invalid value: \"::1\": must be a valid IPv4 address",
            "endpoints[1].addresses[0]: Invalid value: \"::1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            "endpoints[2].addresses: Required value: must contain at least 1 address",
            "ports[1].name: Duplicate value: \"a\"",
            "ports[1].protocol: Unsupported value: \"x\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
    let domain = slice(json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a"]}]}));
    refused(
        &*rules,
        &domain,
        &[
            "endpoints[0].addresses[0]: Invalid value: \"a\": should be a domain with at least two segments separated by dots",
        ],
    );
    changed(
        &*rules,
        &slice(json!({"endpoints": []})),
        &slice(json!({"endpoints": [], "addressType": "IPv6"})),
        &["addressType: Invalid value: \"IPv6\": field is immutable"],
    );
}
