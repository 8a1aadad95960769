//! The group `apiregistration.k8s.io`.

mod api_service;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "APIService" => api_service::RULES,
        _ => return None,
    })
}
