//! The core group: `v1`.

mod component_status;
mod config_map;
mod endpoints;
mod event;
mod limit_range;
mod namespace;
mod node;
mod persistent_volume;
mod persistent_volume_claim;
mod pod;
mod pod_template;
mod replication_controller;
mod resource_quota;
#[cfg(test)]
mod resource_tests;
mod secret;
mod service;
mod service_account;
#[cfg(test)]
mod tests;

use super::kind::Kind;

pub use event::{from_core as event_from_core, to_core as event_to_core};
pub use persistent_volume_claim::check_spec as check_claim_spec;
pub use pod::qos_class;
pub use service::{PROTOCOLS, host, port_or_name};

/// Events of events.k8s.io.
pub const NEW_EVENTS: Kind = event::NEW_RULES;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "ComponentStatus" => component_status::RULES,
        "ConfigMap" => config_map::RULES,
        "Endpoints" => endpoints::RULES,
        "Event" => event::RULES,
        "LimitRange" => limit_range::RULES,
        "Namespace" => namespace::RULES,
        "Node" => node::RULES,
        "PersistentVolume" => persistent_volume::RULES,
        "PersistentVolumeClaim" => persistent_volume_claim::RULES,
        "Pod" => pod::RULES,
        "PodTemplate" => pod_template::RULES,
        "ReplicationController" => replication_controller::RULES,
        "ResourceQuota" => resource_quota::RULES,
        "Secret" => secret::RULES,
        "Service" => service::RULES,
        "ServiceAccount" => service_account::RULES,
        _ => return None,
    })
}
