//! The group `node.k8s.io`.

mod runtime_class;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "RuntimeClass" => runtime_class::RULES,
        _ => return None,
    })
}
