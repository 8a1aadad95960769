//! `ClusterTrustBundle`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{base64, name, print};
use super::signing_request::{blocks, check_signer};

pub const RULES: Kind = Kind {
    name: name::path_segment,
    check,
    change: |bundle, old, report| {
        let signer = "spec.signerName";
        report.immutable(&bundle.get(signer), &old.get(signer));
    },
    selectable: &["spec.signerName"],
    columns: "Name,SignerName,Age",
    cells: |object, now| {
        let bundle = At::root(object);
        let signer = print::or_none(bundle.text("spec.signerName"));
        vec![print::name(object), signer, print::age(object, now)]
    },
    ..Kind::cluster()
};

fn check(bundle: &At, report: &mut Report) {
    let (own, signer) = (bundle.get("metadata.name"), bundle.get("spec.signerName"));
    if signer.is_empty() {
        if own.str().contains(':') {
            let why = "ClusterTrustBundle without signer name must not have \":\" in its name";
            report.invalid(&own, why);
        }
    } else {
        let prefix = format!("{}:", signer.str().replace('/', ":"));
        if !own.str().starts_with(&prefix) {
            let signer = signer.str();
            let why = format!(
                "ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            );
            report.invalid(&own, why);
        }
        check_signer(&signer, report);
    }
    let anchors = bundle.get("spec.trustBundle");
    let found = blocks(&base64::encode(anchors.str().as_bytes()));
    let mut fault = |why: &str| report.invalid_as(&anchors, "<value omitted>", why);
    if found.is_empty() {
        fault("at least one trust anchor must be provided");
    }
    for (place, (kind, readable)) in found.iter().enumerate() {
        if kind != "CERTIFICATE" {
            fault(&format!("entry {place} has bad block type: {kind}"));
        } else if !readable {
            fault(&format!("entry {place} does not parse as X.509: malformed certificate"));
        }
    }
}
