//! The group `autoscaling`: autoscalers of v2, which is stored, and v1.

mod convert;
mod metrics;
mod pod_autoscaler;
mod scale;
mod shown;
#[cfg(test)]
mod tests;

use super::kind::Kind;

pub use convert::{from_stored, to_stored};

/// The rules of one of its kinds.
pub fn rules(version: &str, kind: &str) -> Option<Kind> {
    Some(match (version, kind) {
        ("v1", "HorizontalPodAutoscaler") => pod_autoscaler::OLD,
        (_, "HorizontalPodAutoscaler") => pod_autoscaler::RULES,
        ("v1", "Scale") => scale::RULES,
        _ => return None,
    })
}
