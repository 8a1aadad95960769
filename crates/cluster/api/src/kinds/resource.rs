//! The group `resource.k8s.io`. Expressions are not compiled here.

mod claim;
mod parts;
mod slice;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "DeviceClass" => claim::CLASS,
        "DeviceTaintRule" => slice::TAINT_RULES,
        "ResourceClaim" => claim::RULES,
        "ResourceClaimTemplate" => claim::TEMPLATE,
        "ResourceSlice" => slice::RULES,
        _ => return None,
    })
}
