//! Requests of every kind, and what is to be done about them.

use super::*;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use serde_json::json;

const NOW: i64 = 1_780_272_000;
const NODE: [&str; 2] = ["digital signature", "client auth"];

struct Asks<'a> {
    signer: &'a str,
    name: &'a str,
    group: &'a str,
    host: Option<&'a str>,
    usages: &'a [&'a str],
    conditions: &'a [&'a str],
}

impl Default for Asks<'_> {
    fn default() -> Self {
        Self {
            signer: NODE_CLIENT,
            name: "system:node:a",
            group: "system:nodes",
            host: None,
            usages: &NODE,
            conditions: &[],
        }
    }
}

fn request(asks: &Asks<'_>) -> Value {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::OrganizationName, asks.group);
    params.distinguished_name.push(DnType::CommonName, asks.name);
    if let Some(host) = asks.host {
        params.subject_alt_names = vec![SanType::DnsName(host.try_into().expect("a name"))];
    }
    let key = KeyPair::generate().expect("a key");
    let pem = params.serialize_request(&key).expect("a request").pem().expect("text");
    let condition = |kind: &&str| json!({ "type": kind, "status": "True", "lastUpdateTime": "2026-06-01T00:00:00Z" });
    json!({
        "metadata": { "name": "r", "creationTimestamp": "2026-06-01T00:00:00Z" },
        "spec": {
            "request": STANDARD.encode(pem), "signerName": asks.signer, "usages": asks.usages,
            "username": "system:node:a", "expirationSeconds": 7200,
        },
        "status": { "conditions": asks.conditions.iter().map(condition).collect::<Vec<_>>() },
    })
}

#[test]
fn only_what_a_node_may_have_is_asked_for() {
    let ways = |asks: Asks<'_>| match step(&request(&asks), NOW) {
        Step::Ask(ways) => ways,
        _ => Vec::new(),
    };
    assert_eq!(ways(Asks::default()), [OWN, ANY]);
    assert_eq!(ways(Asks { name: "system:node:b", ..Asks::default() }), [ANY]);
    assert_eq!(ways(Asks { name: "admin", ..Asks::default() }), []);
    assert_eq!(ways(Asks { group: "system:masters", ..Asks::default() }), []);
    assert_eq!(ways(Asks { host: Some("x.example"), ..Asks::default() }), []);
    assert_eq!(ways(Asks { usages: &["client auth"], ..Asks::default() }), []);
    assert_eq!(ways(Asks { usages: &["server auth"], ..Asks::default() }), []);
    assert_eq!(ways(Asks { conditions: &["Denied"], ..Asks::default() }), []);
    let server = Asks {
        signer: NODE_SERVER,
        usages: &["digital signature", "server auth"],
        ..Asks::default()
    };
    assert_eq!(ways(server), []);
}

#[test]
fn each_signer_permits_its_own() {
    let check = |asks: Asks<'_>, wanted: &str| {
        let asks = Asks { conditions: &["Approved"], ..asks };
        let got = match step(&request(&asks), NOW) {
            Step::Sign(_, grant) => {
                assert_eq!((grant.validity.begins, grant.validity.ends), (NOW - 300, NOW + 7200));
                "signed".to_owned()
            }
            Step::Fail(why) => why,
            other => format!("{other:?}"),
        };
        assert_eq!(got, wanted);
    };
    let server = ["server auth", "digital signature", "key encipherment"];
    check(Asks::default(), "signed");
    check(Asks { signer: CLIENT, name: "jane", group: "dev", ..Asks::default() }, "signed");
    check(
        Asks { signer: NODE_SERVER, usages: &server, host: Some("a"), ..Asks::default() },
        "signed",
    );
    check(
        Asks { signer: NODE_SERVER, usages: &server, ..Asks::default() },
        "DNS or IP subjectAltName is required",
    );
    check(
        Asks { signer: CLIENT, usages: &server, ..Asks::default() },
        "invalid usage for client certificate: server auth",
    );
    check(
        Asks { signer: CLIENT, usages: &["digital signature"], ..Asks::default() },
        "missing required usage for client certificate: client auth",
    );
    check(Asks { group: "x", ..Asks::default() }, "subject organization is not system:nodes");
    check(
        Asks { name: "x", ..Asks::default() },
        "subject common name does not begin with system:node: ",
    );
    check(
        Asks { usages: &server, ..Asks::default() },
        "usages did not match [digital signature client auth]",
    );
    check(Asks { host: Some("a"), ..Asks::default() }, "DNS subjectAltNames are not allowed");
    check(Asks { signer: "example.com/other", ..Asks::default() }, "Nothing");
    let mut broken = request(&Asks { conditions: &["Approved"], ..Asks::default() });
    broken["spec"]["request"] = STANDARD.encode("nothing").into();
    assert!(matches!(step(&broken, NOW), Step::Fail(_)));
}

#[test]
fn old_ones_go() {
    let check = |conditions: &[&str], certificate: &str, wanted: i64| {
        let mut request = request(&Asks { conditions, ..Asks::default() });
        if !certificate.is_empty() {
            request["status"]["certificate"] = STANDARD.encode(certificate).into();
        }
        assert_eq!(due(&request), wanted, "{conditions:?}");
    };
    check(&[], "", NOW + 24 * HOUR);
    check(&["Denied"], "", NOW + HOUR);
    check(&["Approved", "Failed"], "", NOW + HOUR);
    check(&["Approved"], "", i64::MAX);
    check(&["Approved"], "x", NOW + HOUR);
}
