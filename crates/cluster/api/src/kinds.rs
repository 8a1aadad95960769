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

pub mod apps;
pub mod batch;
pub mod core;

#[cfg(test)]
mod testing;

use crate::row::Rules;
use std::sync::Arc;

/// The rules of a kind of a group (empty for core) and version; those of one without rules of its own
/// if there is no such kind.
pub fn rules(group: &str, version: &str, kind: &str) -> Arc<dyn Rules> {
    let found: Option<kind::Kind> = match group {
        "" => core::rules(kind),
        "apps" => apps::rules(kind),
        "batch" => batch::rules(kind),
        "events.k8s.io" => Some(core::NEW_EVENTS),
        // Until they have rules of their own: names with colons.
        "rbac.authorization.k8s.io" => {
            let is_cluster = kind.starts_with("Cluster");
            let kind = if is_cluster { kind::Kind::cluster() } else { kind::Kind::namespaced() };
            Some(kind::Kind { name: name::path_segment, ..kind })
        }
        _ => None,
    };
    let _ = version;
    match found {
        Some(kind) => Arc::new(kind),
        None => Arc::new(crate::row::Plain),
    }
}
