//! Requests for certificates.

use super::super::super::row::Target;
use super::super::testing::{accepted, changed_part, refused};
use super::super::{base64, rules};
use serde_json::{Value, json};

fn pem(kind: &str) -> String {
    let text = format!("-----BEGIN {kind}-----\nMAA=\n-----END {kind}-----\n");
    base64::encode(text.as_bytes())
}

fn request(spec: Value) -> Value {
    let mut own = json!({"request": pem("CERTIFICATE REQUEST"), "signerName": "a.b/c",
        "usages": ["client auth"]});
    for (name, value) in spec.as_object().unwrap() {
        own[name] = value.clone();
    }
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "r"}, "spec": own})
}

fn with(conditions: Value) -> Value {
    let mut made = request(json!({}));
    made["status"] = json!({"conditions": conditions});
    made
}

#[test]
fn requests() {
    let rules = rules("certificates.k8s.io", "v1", "CertificateSigningRequest");
    let made = accepted(&*rules, &request(json!({"expirationSeconds": 3600})));
    assert_eq!(made["status"], json!({}));
    let cells = rules.cells(&made, 0);
    assert_eq!(cells[2..], [json!("a.b/c"), json!(""), json!("60m"), json!("Pending")]);
    refused(
        &*rules,
        &request(
            json!({"request": "", "usages": ["x"], "signerName": "a/b/c", "expirationSeconds": 1}),
        ),
        &[
            "spec.request: Invalid value: \"\": PEM block type must be CERTIFICATE REQUEST",
            &format!(
                "spec.usages[0]: Unsupported value: \"x\": supported values: {}",
                super::signing_request::USAGES
                    .iter()
                    .map(|one| format!("{one:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "spec.signerName: Invalid value: \"a/b/c\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
            "spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 600 seconds (10 minutes)",
        ],
    );
}

#[test]
fn approval() {
    let rules = rules("certificates.k8s.io", "v1", "CertificateSigningRequest");
    let approved = with(json!([{"type": "Approved", "status": "True"}]));
    let new = request(json!({}));
    let mut after = changed_part(&*rules, (&new, &approved), "approval", &[]);
    rules.stamp(&mut after, "2026-01-01T00:00:00Z");
    assert_eq!(after["status"]["conditions"][0]["lastUpdateTime"], "2026-01-01T00:00:00Z");
    assert_eq!(rules.cells(&after, 0)[5], "Approved");
    let why = "status.conditions: Forbidden: updates may not add a condition of type \"Approved\"";
    changed_part(&*rules, (&new, &approved), "status", &[why]);
    // A decision that is there stays as it was, in its place.
    let mut sent = with(
        json!([{"type": "Done", "status": "True"}, {"type": "Approved", "status": "True", "reason": "other"}]),
    );
    rules.prepare_update(&mut sent, &approved, Target::Subresource("status"));
    assert_eq!(sent["status"]["conditions"][0]["type"], "Done");
    assert_eq!(sent["status"]["conditions"][1], approved["status"]["conditions"][0]);
    let both = with(
        json!([{"type": "Approved", "status": "True"}, {"type": "Denied", "status": "False"}]),
    );
    changed_part(
        &*rules,
        (&new, &both),
        "approval",
        &[
            "status.conditions[1].status: Unsupported value: \"False\": supported values: \"True\"",
            "status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive",
        ],
    );
    let mut old = approved.clone();
    let mut sent = new;
    sent["spec"]["signerName"] = "x.y/z".into();
    rules.prepare_update(&mut sent, &old, Target::Object);
    assert_eq!(sent["spec"], old["spec"]);
    assert_eq!(sent["status"], old["status"]);
    old["status"]["certificate"] = pem("CERTIFICATE").into();
    assert_eq!(rules.cells(&old, 0)[5], "Approved,Issued");
}

#[test]
fn trust_bundles() {
    let rules = rules("certificates.k8s.io", "v1", "ClusterTrustBundle");
    let bundle = |name: &str, anchors: &str| {
        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle",
            "metadata": {"name": name}, "spec": {"signerName": "a.b/c", "trustBundle": anchors}})
    };
    let anchors = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    accepted(&*rules, &bundle("a.b:c:one", anchors));
    refused(
        &*rules,
        &bundle("one", ""),
        &[
            "metadata.name: Invalid value: \"one\": ClusterTrustBundle for signerName a.b/c must be named with prefix a.b:c:",
            "spec.trustBundle: Invalid value: \"<value omitted>\": at least one trust anchor must be provided",
        ],
    );
}

#[test]
fn requests_of_pods() {
    let rules = rules("certificates.k8s.io", "v1", "PodCertificateRequest");
    let mut own = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
        "metadata": {"name": "r", "namespace": "default"}, "spec": {"signerName": "a.b/c",
            "podName": "p", "podUID": "1", "serviceAccountName": "s", "serviceAccountUID": "2",
            "nodeName": "n", "nodeUID": "3"}});
    let made = accepted(&*rules, &own);
    assert_eq!(made["spec"]["maxExpirationSeconds"], 86_400);
    assert_eq!(rules.cells(&made, 0)[5], "Pending");
    own["spec"]["maxExpirationSeconds"] = 1.into();
    let why =
        "spec.maxExpirationSeconds: Invalid value: 1: must be between 3600 and 7862400, inclusive";
    refused(&*rules, &own, &[why]);
}
