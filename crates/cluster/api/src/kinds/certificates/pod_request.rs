//! `PodCertificateRequest`. Whether its key is of a known kind is not checked here.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, meta, name, print};
use super::signing_request::check_signer;
use serde_json::Value;

/// Seconds that a certificate may last: an hour, and 91 days.
const LASTS: (i64, i64) = (3600, 91 * 86_400);

pub const RULES: Kind = Kind {
    default: |request| fill::missing(fill::child(request, "spec"), "maxExpirationSeconds", 86_400),
    status: Some(empty_status),
    check: |request, report| check(&request.get("spec"), report),
    recheck: false,
    change: |request, old, report| report.immutable(&request.get("spec"), &old.get("spec")),
    change_part: |_, request, _, report| {
        meta::conditions(&request.get("status.conditions"), report);
    },
    selectable: &["spec.signerName", "spec.podName", "spec.nodeName"],
    columns: "Name,PodName,ServiceAccountName,NodeName,SignerName,State,Age",
    cells,
    ..Kind::namespaced()
};

fn check(spec: &At, report: &mut Report) {
    check_signer(&spec.get("signerName"), report);
    for field in ["podName", "serviceAccountName", "nodeName"] {
        let own = spec.get(field);
        report.each(&own, name::subdomain(own.str()));
    }
    for field in ["podUID", "serviceAccountUID", "nodeUID"] {
        let own = spec.get(field);
        if own.is_empty() {
            report.invalid(&own, "must not be empty");
        }
    }
    let (least, most) = LASTS;
    let lasts = spec.get("maxExpirationSeconds");
    if lasts.is_set() {
        report.between(&lasts, least, most);
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let request = At::root(object);
    let spec = request.get("spec");
    let conditions = request.get("status.conditions");
    let known = ["Issued", "Denied", "Failed"];
    let state = conditions.items().map(|one| one.text("type")).find(|one| known.contains(one));
    vec![
        print::name(object),
        spec.text("podName").into(),
        spec.text("serviceAccountName").into(),
        spec.text("nodeName").into(),
        spec.text("signerName").into(),
        state.unwrap_or("Pending").into(),
        print::age(object, now),
    ]
}
