//! The group `policy`.

mod pod_disruption_budget;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "PodDisruptionBudget" => pod_disruption_budget::RULES,
        _ => return None,
    })
}
