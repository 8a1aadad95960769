//! The group `networking.k8s.io`.

mod addresses;
mod ingress;
mod ingress_class;
mod network_policy;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "IPAddress" => addresses::ADDRESS,
        "Ingress" => ingress::RULES,
        "IngressClass" => ingress_class::RULES,
        "NetworkPolicy" => network_policy::RULES,
        "ServiceCIDR" => addresses::NETWORKS,
        _ => return None,
    })
}
