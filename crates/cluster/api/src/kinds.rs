//! The rules of every built-in kind of Kubernetes: defaults, validation, what a change may touch,
//! columns. [`rules`] finds those of one.
//!
//! A kind is a table of functions ([`kind::Kind`]); what kinds share (metadata, label selectors, pod
//! templates, amounts of resources) is in modules of its own. Texts of faults are those of the real
//! server: people search for them, and tests compare them.

mod base64;
pub mod convert;
pub mod equal;
pub mod field;
mod fill;
pub mod ip;
pub mod kind;
pub mod labels;
pub mod meta;
pub mod name;
pub mod pod_spec;
pub mod print;
pub mod quantities;
pub mod workload;

pub mod admissionregistration;
pub mod apiregistration;
pub mod apps;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod flowcontrol;
pub mod networking;
pub mod node;
pub mod policy;
pub mod rbac;
pub mod resource;
pub mod reviews;
pub mod scheduling;
pub mod storage;

#[cfg(test)]
mod table_tests;
#[cfg(test)]
pub(crate) mod testing;

use crate::row::Rules;
use std::sync::Arc;

/// The rules of a kind of a group (empty for core) and version; those of one without rules of its own
/// if there is no such kind.
pub fn rules(group: &str, version: &str, kind: &str) -> Arc<dyn Rules> {
    match find(group, version, kind) {
        Some(kind) => Arc::new(kind),
        None => Arc::new(crate::row::Plain),
    }
}

fn find(group: &str, version: &str, kind: &str) -> Option<kind::Kind> {
    match group {
        "" => core::rules(kind),
        "apps" => apps::rules(kind),
        "batch" => batch::rules(kind),
        "admissionregistration.k8s.io" => admissionregistration::rules(kind),
        "authentication.k8s.io" | "authorization.k8s.io" => reviews::rules(kind),
        "certificates.k8s.io" => certificates::rules(kind),
        "flowcontrol.apiserver.k8s.io" => flowcontrol::rules(kind),
        "resource.k8s.io" => resource::rules(kind),
        "apiregistration.k8s.io" => apiregistration::rules(kind),
        "autoscaling" => autoscaling::rules(version, kind),
        "coordination.k8s.io" => coordination::rules(kind),
        "discovery.k8s.io" => discovery::rules(kind),
        "networking.k8s.io" => networking::rules(kind),
        "node.k8s.io" => node::rules(kind),
        "policy" => policy::rules(kind),
        "rbac.authorization.k8s.io" => rbac::rules(kind),
        "scheduling.k8s.io" => scheduling::rules(kind),
        "storage.k8s.io" => storage::rules(kind),
        "storagemigration.k8s.io" => storage::migration_rules(kind),
        "events.k8s.io" => Some(core::NEW_EVENTS),
        _ => None,
    }
}
