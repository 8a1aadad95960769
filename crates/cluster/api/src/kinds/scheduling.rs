//! The group `scheduling.k8s.io`.

mod priority_class;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "PriorityClass" => priority_class::RULES,
        _ => return None,
    })
}
