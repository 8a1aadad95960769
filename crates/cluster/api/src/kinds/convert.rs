//! Kinds that are served in several forms and stored in one: events of core and of events.k8s.io,
//! autoscalers of v1 and v2.

use super::{autoscaling, core};
use serde_json::Value;

/// One kind with another form.
struct Shared {
    /// Group, version and kind as served.
    served: (&'static str, &'static str, &'static str),
    /// Group and version whose form is stored.
    stored: (&'static str, &'static str),
    to_stored: fn(&Value) -> Value,
    from_stored: fn(&Value) -> Value,
}

const SHARED: &[Shared] = &[
    Shared {
        served: ("events.k8s.io", "v1", "Event"),
        stored: ("", "v1"),
        to_stored: core::event_to_core,
        from_stored: core::event_from_core,
    },
    Shared {
        served: ("autoscaling", "v1", "HorizontalPodAutoscaler"),
        stored: ("autoscaling", "v2"),
        to_stored: autoscaling::to_stored,
        from_stored: autoscaling::from_stored,
    },
];

fn shared(group: &str, version: &str, kind: &str) -> Option<&'static Shared> {
    SHARED.iter().find(|shared| shared.served == (group, version, kind))
}

/// Group and version in whose form a kind is stored; nothing if it is its own.
pub fn stored_as(group: &str, version: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    shared(group, version, kind).map(|shared| shared.stored)
}

/// An object of this group and version as it is stored.
pub fn to_stored(group: &str, version: &str, kind: &str, object: Value) -> Value {
    match shared(group, version, kind) {
        Some(shared) => (shared.to_stored)(&object),
        None => object,
    }
}

/// A stored object in the form of this group and version.
pub fn from_stored(group: &str, version: &str, kind: &str, object: Value) -> Value {
    match shared(group, version, kind) {
        Some(shared) => (shared.from_stored)(&object),
        None => object,
    }
}
