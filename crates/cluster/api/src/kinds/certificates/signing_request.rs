//! `CertificateSigningRequest`. Whether the request in it is signed by the key that is in it, is not
//! checked here.

use super::super::equal::{difference, same};
use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{base64, fill, name, print};
use crate::row::Target;
use serde_json::{Value, json};

pub(super) const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
/// Conditions that stay once they are there.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];
const MOST_NAME: usize = 253 + 1 + 253 + 63 + 1;

pub const RULES: Kind = Kind {
    name: |_, _| Vec::new(),
    status: Some(empty_status),
    prepare,
    stamp,
    check: |request, report| check(request, &Value::Null, report),
    recheck: false,
    change: |request, old, report| change(request, old, "", report),
    change_part: |part, request, old, report| change(request, old, part, report),
    selectable: &["spec.signerName"],
    columns: "Name,Age,SignerName,Requestor,RequestedDuration,Condition",
    cells,
    ..Kind::cluster()
};

fn prepare(request: &mut Value, old: &Value, target: Target<'_>) -> Option<bool> {
    fill::keep(request, old, "spec");
    match target {
        Target::Object => fill::keep(request, old, "status"),
        Target::Subresource("approval") => {
            let conditions = At::root(request).get("status.conditions").value.clone();
            fill::keep(request, old, "status");
            if conditions.is_null() {
                fill::remove(fill::child(request, "status"), "conditions");
            } else {
                fill::set(fill::child(request, "status"), "conditions", conditions);
            }
        }
        Target::Subresource(_) => {
            // A decision stays as it was, in its place; that none comes or goes is checked later.
            let decided =
                |one: &&mut Value| ["Approved", "Denied"].iter().any(|it| one["type"] == *it);
            let mut old = old.clone();
            let was: Vec<&mut Value> = fill::items(fill::child(&mut old, "status"), "conditions")
                .filter(decided)
                .collect();
            let status = fill::child(request, "status");
            if fill::items(status, "conditions").filter(decided).count() == was.len() {
                let own = fill::items(status, "conditions").filter(decided);
                own.zip(was).for_each(|(own, was)| own.clone_from(was));
            }
        }
    }
    Some(false)
}

fn stamp(request: &mut Value, now: &str) {
    let Some(status) = fill::field(request, "status") else { return };
    for condition in fill::items(status, "conditions") {
        fill::missing(condition, "lastUpdateTime", now);
        fill::missing(condition, "lastTransitionTime", now);
    }
}

/// The blocks of PEM text: their words, and whether their bytes can be read.
pub fn blocks(encoded: &str) -> Vec<(String, bool)> {
    let text = String::from_utf8(base64::decode(encoded).unwrap_or_default()).unwrap_or_default();
    let mut found = Vec::new();
    for part in text.split("-----BEGIN ").skip(1) {
        let Some((kind, rest)) = part.split_once("-----") else { continue };
        let Some((body, _)) = rest.split_once("-----END ") else { continue };
        let body: String = body.split_whitespace().collect();
        let bytes = base64::decode(&body).unwrap_or_default();
        found.push((kind.to_owned(), bytes.first() == Some(&0x30)));
    }
    found
}

fn check(request: &At, old: &Value, report: &mut Report) {
    let spec = request.get("spec");
    let own = spec.get("request");
    match blocks(own.str()).first() {
        Some((kind, readable)) if kind == "CERTIFICATE REQUEST" => {
            if !readable {
                report.invalid(&own, "asn1: structure error: malformed certificate request");
            }
        }
        _ => report.invalid(&own, "PEM block type must be CERTIFICATE REQUEST"),
    }
    let usages = spec.get("usages");
    if usages.is_empty() {
        report.required(&usages, "usages must be provided");
    }
    let mut seen: Vec<&str> = Vec::new();
    for usage in usages.items() {
        report.maybe_one_of(&usage, USAGES);
        if seen.contains(&usage.str()) {
            report.duplicate(&usage);
        }
        seen.push(usage.str());
    }
    let signer = spec.get("signerName");
    if signer.str() == "kubernetes.io/legacy-unknown" {
        report.invalid(&signer, "the legacy signerName is not allowed via this API version");
    } else {
        check_signer(&signer, report);
    }
    let seconds = spec.get("expirationSeconds");
    if seconds.is_set() && seconds.int() < 600 {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        report.invalid(&seconds, why);
    }
    check_conditions(&request.get("status.conditions"), report);
    check_certificate(&request.get("status.certificate"), old, report);
}

fn check_certificate(at: &At, old: &Value, report: &mut Report) {
    let before = At::root(old);
    if at.is_empty() || at.str() == before.text("status.certificate") {
        return;
    }
    let found = blocks(at.str());
    let mut fault = |why: String| report.invalid_as(at, "<certificate data>", why);
    if let Some((other, _)) = found.iter().find(|(kind, _)| kind != "CERTIFICATE") {
        fault(format!("only CERTIFICATE PEM blocks are allowed, found {other:?}"));
    } else if found.iter().any(|(_, readable)| !readable) {
        fault("x509: malformed certificate".to_owned());
    } else if found.is_empty() {
        fault("must contain at least one CERTIFICATE PEM block".to_owned());
    }
}

/// `example.com/name`.
pub fn check_signer(at: &At, report: &mut Report) {
    if at.is_empty() {
        return report.required(at, "signerName must be provided");
    }
    let parts: Vec<&str> = at.str().split('/').collect();
    let [domain, path] = parts.as_slice() else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return report.invalid(at, why);
    };
    if domain.len() > 253 {
        report.too_long(at, 253);
    }
    let mut check = |text: &str, rule: fn(&str) -> Vec<String>| {
        let faulty =
            text.split('.').map(|part| (part, rule(part))).find(|(_, whys)| !whys.is_empty());
        if let Some((part, whys)) = faulty {
            for why in whys {
                report.invalid_as(at, text, format!("validating label {part:?}: {why}"));
            }
        }
    };
    check(domain, name::label);
    check(path, name::subdomain);
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        report.invalid_as(at, *domain, why);
    }
    if at.str().len() > MOST_NAME {
        report.too_long(at, MOST_NAME);
    }
}

fn check_conditions(conditions: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for condition in conditions.items() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        if kind.is_empty() {
            report.required(&kind, "");
        }
        if FINAL.contains(&kind.str()) {
            report.one_of(&status, &["True"]);
        } else {
            report.one_of(&status, &["False", "True", "Unknown"]);
        }
        let excluded = match kind.str() {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "-",
        };
        if seen.contains(&excluded) {
            report.invalid(&kind, "Approved and Denied conditions are mutually exclusive");
        }
        if seen.contains(&kind.str()) {
            report.duplicate(&kind);
        }
        seen.push(kind.str());
    }
}

fn change(request: &At, old: &At, part: &str, report: &mut Report) {
    check(request, old.value, report);
    let of = |object: &At, kind: &str| -> Vec<Value> {
        let conditions = object.get("status.conditions");
        let own = conditions.items().filter(|one| one.text("type") == kind);
        own.map(|one| one.value.clone()).collect()
    };
    let conditions = request.get("status.conditions");
    for kind in FINAL {
        let (new, was) = (of(request, kind), of(old, kind));
        if new.len() < was.len() {
            let why = format!("updates may not remove a condition of type {kind:?}");
            report.forbidden(&conditions, &why);
        } else if part != "approval" && kind != "Failed" && new != was {
            let why = if new.len() > was.len() {
                format!("updates may not add a condition of type {kind:?}")
            } else {
                let lines = difference(&json!({"conditions": was}), &json!({"conditions": new}));
                format!("updates may not modify a condition of type {kind:?}\n{lines}")
            };
            report.forbidden(&conditions, &why);
        }
    }
    let (certificate, was) = (request.get("status.certificate"), old.get("status.certificate"));
    if !same(certificate.value, was.value) {
        if part != "status" {
            report.forbidden(&certificate, "updates may not set certificate content");
        } else if !was.is_empty() {
            let why = "updates may not modify existing certificate content";
            report.forbidden(&certificate, why);
        }
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let request = At::root(object);
    let spec = request.get("spec");
    let conditions = request.get("status.conditions");
    let has = |kind: &str| conditions.items().any(|one| one.text("type") == kind);
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    }
    .to_owned();
    if has("Failed") {
        state += ",Failed";
    }
    if !request.get("status.certificate").is_empty() {
        state += ",Issued";
    }
    let lasts = spec.get("expirationSeconds").opt_int();
    let lasts = lasts.map_or_else(|| "<none>".to_owned(), print::duration);
    vec![
        print::name(object),
        print::age(object, now),
        print::or_none(spec.text("signerName")),
        spec.text("username").into(),
        lasts.into(),
        state.into(),
    ]
}
