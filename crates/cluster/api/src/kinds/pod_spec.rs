//! `PodSpec` and pod templates, which many kinds contain: what is filled in and what is wrong.

mod affinity;
mod containers;
mod environment;
mod fill_in;
mod handlers;
mod local_path;
mod security;
mod spec;
pub mod template;
mod volumes;
pub mod warn;
mod windows;

pub use affinity::{node_selector, tolerations};
pub use containers::no_padding;
pub use fill_in::{
    claim_spec as fill_claim_spec, is_latest, spec as fill, volume_source as fill_volume,
};
pub use spec::{check, claim_template, consistent_seccomp_and_apparmor, specific_annotations};
pub use volumes::{SOURCES, csi_driver, host_path, no_backsteps};

use super::field::At;
use std::collections::HashMap;

/// What checks of a pod's parts need to know of the rest.
#[derive(Debug)]
pub struct Context<'v> {
    /// Whether it is a pod, not a template for some.
    pub is_pod: bool,
    /// The pod's name, if it has one yet.
    pub name: &'v str,
    /// `terminationGracePeriodSeconds`.
    pub grace: Option<i64>,
    /// Whether users are those of the node.
    pub host_users: bool,
    /// `restartPolicy`.
    pub restart: &'v str,
    /// Names of `resourceClaims`.
    pub claims: Vec<&'v str>,
    /// Volumes that are right, by name.
    pub volumes: HashMap<&'v str, &'v serde_json::Value>,
}

/// Lists of containers in a spec, in the order in which they are visited.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Calls for each container of a spec.
pub fn visit<'v>(spec: &At<'v, '_>, mut call: impl FnMut(&At<'v, '_>)) {
    for list in CONTAINER_LISTS {
        for container in spec.get(list).items() {
            call(&container);
        }
    }
}

/// Whether an init container stays beside the others.
pub fn is_sidecar(container: &At) -> bool {
    container.text("restartPolicy") == "Always"
}
