//! The group `apps`.

mod controller_revision;
mod daemon_set;
mod deployment;
mod replica_set;
mod stateful_set;
#[cfg(test)]
mod tests;

use super::kind::Kind;

pub use replica_set::check_status as check_replica_status;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "ControllerRevision" => controller_revision::RULES,
        "DaemonSet" => daemon_set::RULES,
        "Deployment" => deployment::RULES,
        "ReplicaSet" => replica_set::RULES,
        "StatefulSet" => stateful_set::RULES,
        _ => return None,
    })
}
