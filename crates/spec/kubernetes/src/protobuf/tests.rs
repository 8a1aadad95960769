//! Zeros, bounds, envelopes, and what is not an object of fields.

use super::{DecodeError, decode, encode, is_known, read_watch_event, type_of, watch_event};
use crate::types;
use crate::wire::Writer;
use serde_json::{Value, json};

fn round(object: &Value) -> Value {
    decode(&encode(object).expect("encoded"), None).expect("decoded")
}

/// A message of this kind with these bytes.
fn envelope(api_version: &str, kind: &str, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer(super::MAGIC.to_vec());
    out.message(1, |out| {
        out.text(1, api_version);
        out.text(2, kind);
    });
    out.message(2, write);
    out.0
}

#[test]
fn what_is_there_comes_back() {
    let pod = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": { "name": "a", "labels": { "b": "c", "a": "b" }, "creationTimestamp": "2026-11-26T16:00:00Z" },
        "spec": {
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1Gi" } }, { "name": "w", "emptyDir": {} }],
            "containers": [{
                "name": "c",
                "image": "i",
                "resources": { "limits": { "cpu": "100m" } },
                "livenessProbe": { "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 3 },
                "readinessProbe": { "tcpSocket": { "port": 80 } },
            }],
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": false,
            "securityContext": { "supplementalGroups": [1, 2, 3], "runAsUser": 0 },
        },
    });
    assert_eq!(round(&pod), pod);
    let secret = json!({
        "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "s" },
        "data": { "k": "AAEC", "empty": "" }, "type": "Opaque",
    });
    assert_eq!(round(&secret), secret);
    let lease = json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": { "name": "l" },
        "spec": { "holderIdentity": "me", "renewTime": "2026-11-26T16:00:00.123456Z", "leaseTransitions": 0 },
    });
    assert_eq!(round(&lease), lease);
}

#[test]
fn zeros_stand_where_gos_json_has_them() {
    let bytes = envelope("v1", "Pod", |out| {
        out.message(1, |out| {
            out.text(1, "a");
            out.text(2, "");
            out.number(7, 0);
            out.message(8, |_| {});
        });
        out.message(2, |out| {
            out.message(2, |out| {
                out.text(1, "");
                out.text(2, "");
                out.message(8, |_| {});
                out.number(16, 0);
            });
            out.number(4, 0);
            out.number(11, 0);
        });
        out.message(3, |_| {});
    });
    let expected = json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": { "name": "a" },
        "spec": {
            "containers": [{ "name": "", "resources": {} }],
            "terminationGracePeriodSeconds": 0,
        },
        "status": {},
    });
    assert_eq!(decode(&bytes, None).expect("a pod"), expected);
}

#[test]
fn schemas_of_custom_resources_come_back() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": { "type": "array", "items": { "type": "string", "default": "x" } },
            "b": { "type": "object", "additionalProperties": { "type": "integer", "maximum": 1.5 } },
            "c": { "additionalProperties": true, "x-kubernetes-preserve-unknown-fields": true },
            "d": { "enum": ["one", 2, null, { "three": [3] }], "default": { "q": [1] } },
            "e": { "items": [{ "type": "string" }], "dependencies": { "f": ["g"] } },
        },
    });
    let definition = json!({
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com",
            "names": { "plural": "widgets", "kind": "Widget" },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": false,
                "schema": { "openAPIV3Schema": schema },
                "subresources": { "status": {} },
            }],
        },
    });
    assert_eq!(round(&definition), definition);
}

#[test]
fn raw_extensions_hold_json_or_an_object() {
    let revision = json!({
        "kind": "ControllerRevision", "apiVersion": "apps/v1", "metadata": { "name": "r" },
        "data": { "spec": [1, null, "x"] }, "revision": 0,
    });
    assert_eq!(round(&revision), revision);
    let inner = encode(&json!({ "kind": "ConfigMap", "apiVersion": "v1", "data": { "a": "b" } }));
    let bytes = envelope("apps/v1", "ControllerRevision", |out| {
        out.message(2, |out| out.bytes(1, &inner.expect("encoded")));
    });
    assert_eq!(decode(&bytes, None).expect("one")["data"]["data"]["a"], "b");
    let bytes = envelope("apps/v1", "ControllerRevision", |out| {
        out.message(2, |out| out.bytes(1, b"{not json"));
    });
    assert!(matches!(decode(&bytes, None), Err(DecodeError::Json(_))));
}

#[test]
fn options_come_under_every_group() {
    assert_eq!(type_of("apps/v1", "DeleteOptions"), type_of("v1", "DeleteOptions"));
    assert_eq!(
        type_of("meta.k8s.io/v1", "PartialObjectMetadata").and_then(types::name),
        Some("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata")
    );
    assert!(is_known("v1", "PodList") && is_known("autoscaling/v1", "Scale"));
    assert!(is_known("policy/v1", "Eviction") && is_known("v1", "Status"));
    assert!(!is_known("example.com/v1", "Widget"));
    assert!(
        !is_known("apps.example.com/v1", "Deployment") && !is_known("example.com/v1", "Status")
    );
    assert!(is_known("example.com/v1", "DeleteOptions") && !is_known("apps/v2", "Deployment"));
    let options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
        "propagationPolicy": "Background", "preconditions": { "uid": "u" },
    });
    assert_eq!(round(&options), options);
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
        "reason": "NotFound", "details": { "name": "a", "causes": [{ "reason": "r", "field": "f" }] },
    });
    assert_eq!(round(&status), status);
}

#[test]
fn a_missing_kind_is_what_was_expected() {
    let mut out = Writer(super::MAGIC.to_vec());
    out.message(2, |out| out.message(1, |out| out.text(1, "a")));
    let read = decode(&out.0, Some(("v1", "ConfigMap"))).expect("a config map");
    assert_eq!(read["kind"], "ConfigMap");
    assert!(matches!(decode(&out.0, None), Err(DecodeError::Kind { .. })));
}

#[test]
fn events_are_framed() {
    let object = json!({ "kind": "ConfigMap", "apiVersion": "v1", "data": { "a": "b" } });
    let bytes = watch_event("ADDED", &encode(&object).expect("encoded"));
    let (length, event) = bytes.split_first_chunk::<4>().expect("a length");
    assert_eq!(u32::from_be_bytes(*length) as usize, event.len());
    assert_eq!(read_watch_event(event).expect("an event"), ("ADDED".to_owned(), object));
}

#[test]
fn bad_bytes_are_refused() {
    assert!(matches!(decode(b"{}", None), Err(DecodeError::Magic)));
    assert!(matches!(decode(b"k8s\0\x0a\x7f", None), Err(DecodeError::Broken)));
    let text = envelope("v1", "ConfigMap", |out| out.message(1, |out| out.bytes(1, b"\xff")));
    assert!(matches!(decode(&text, None), Err(DecodeError::Text)));
    let wrong = envelope("v1", "ConfigMap", |out| out.number(1, 1));
    let error = decode(&wrong, None).expect_err("refused").to_string();
    assert_eq!(error, "metadata: not of the field's type");
    let error =
        encode(&json!({ "kind": "Pod", "apiVersion": "v1", "spec": { "hostNetwork": "yes" } }));
    let error = error.expect_err("refused").to_string();
    assert_eq!(error, "hostNetwork: \"yes\" is not true or false");
    assert!(encode(&json!({ "kind": "Widget", "apiVersion": "example.com/v1" })).is_err());
}

#[test]
fn depth_and_number_are_bounded() {
    // A schema in a schema in a schema: `not` is number 28.
    fn nest(out: &mut Writer, levels: usize) {
        if levels > 0 {
            out.message(28, |out| nest(out, levels - 1));
        }
    }
    let schema = |levels| {
        envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", |out| {
            out.message(2, |out| {
                out.message(7, |out| out.message(4, |out| out.message(1, |out| nest(out, levels))));
            });
        })
    };
    let read = decode(&schema(80), None).expect("deep enough");
    assert!(encode(&read).is_ok());
    assert!(matches!(decode(&schema(200), None), Err(DecodeError::Depth)));
    let many = envelope("v1", "Pod", |out| {
        out.message(1, |out| (0..super::VALUES + 1).for_each(|_| out.text(14, "")));
    });
    assert!(matches!(decode(&many, None), Err(DecodeError::Values)));
}
