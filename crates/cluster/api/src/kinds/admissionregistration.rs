//! The group `admissionregistration.k8s.io`.

mod expressions;
mod matching;
mod mutating_policy;
mod policy;
#[cfg(test)]
mod tests;
mod webhooks;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "MutatingAdmissionPolicy" => mutating_policy::RULES,
        "MutatingAdmissionPolicyBinding" => mutating_policy::BINDING,
        "MutatingWebhookConfiguration" => webhooks::MUTATING,
        "ValidatingAdmissionPolicy" => policy::RULES,
        "ValidatingAdmissionPolicyBinding" => policy::BINDING,
        "ValidatingWebhookConfiguration" => webhooks::VALIDATING,
        _ => return None,
    })
}
