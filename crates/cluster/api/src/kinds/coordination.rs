//! The group `coordination.k8s.io`.

mod lease;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "Lease" => lease::RULES,
        _ => return None,
    })
}
