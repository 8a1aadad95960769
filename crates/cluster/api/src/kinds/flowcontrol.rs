//! The group `flowcontrol.apiserver.k8s.io`.

mod flow_schema;
mod priority_level;
#[cfg(test)]
mod tests;

use super::field::{At, Report};
use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "FlowSchema" => flow_schema::RULES,
        "PriorityLevelConfiguration" => priority_level::RULES,
        _ => return None,
    })
}

/// Conditions have a type each, and each once.
fn check_conditions(object: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for condition in object.get("status.conditions").items() {
        let kind = condition.get("type");
        if seen.contains(&kind.str()) {
            report.duplicate(&kind);
        }
        seen.push(kind.str());
        if kind.is_empty() {
            report.required(&kind, "must not be empty");
        }
    }
}
