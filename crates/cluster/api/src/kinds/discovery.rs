//! The group `discovery.k8s.io`.

mod endpoint_slice;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "EndpointSlice" => endpoint_slice::RULES,
        _ => return None,
    })
}
