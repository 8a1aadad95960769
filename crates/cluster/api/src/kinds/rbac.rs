//! The group `rbac.authorization.k8s.io`.

mod binding;
mod role;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// Its name, which references repeat.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "ClusterRole" => role::CLUSTER,
        "ClusterRoleBinding" => binding::CLUSTER,
        "Role" => role::NAMESPACED,
        "RoleBinding" => binding::NAMESPACED,
        _ => return None,
    })
}
