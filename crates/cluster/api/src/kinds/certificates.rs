//! The group `certificates.k8s.io`.

mod pod_request;
mod signing_request;
#[cfg(test)]
mod tests;
mod trust_bundle;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "ClusterTrustBundle" => trust_bundle::RULES,
        "PodCertificateRequest" => pod_request::RULES,
        "CertificateSigningRequest" => signing_request::RULES,
        _ => return None,
    })
}
