//! `deploy` and `develop` of a service.

use super::{Bare, HOOK, Kind, Object, Unique, field, list};

/// `deploy`.
pub(super) static DEPLOY: Object = Object {
    fields: &[
        field("mode", Kind::Text),
        field("replicas", Kind::Int),
        field("labels", Kind::Pairs(Bare::Empty)),
        field("update_config", Kind::Object(&UPDATE)),
        field("rollback_config", Kind::Object(&UPDATE)),
        field("resources", Kind::Object(&RESOURCES)),
        field("restart_policy", Kind::Object(&RESTART)),
        field("placement", Kind::Object(&PLACEMENT)),
        field("endpoint_mode", Kind::Text),
    ],
    required: &[],
};

static UPDATE: Object = Object {
    fields: &[
        field("parallelism", Kind::Int),
        field("delay", Kind::Duration),
        field("failure_action", Kind::Text),
        field("monitor", Kind::Duration),
        field("max_failure_ratio", Kind::Float),
        field("order", Kind::Words(&["start-first", "stop-first"])),
    ],
    required: &[],
};

static RESOURCES: Object = Object {
    fields: &[
        field("limits", Kind::Object(&LIMITS)),
        field("reservations", Kind::Object(&RESERVATIONS)),
    ],
    required: &[],
};

static LIMITS: Object = Object {
    fields: &[field("cpus", Kind::Float), field("memory", Kind::Bytes), field("pids", Kind::Int)],
    required: &[],
};

static RESERVATIONS: Object = Object {
    fields: &[
        field("cpus", Kind::Float),
        field("memory", Kind::Bytes),
        list("devices", Kind::List(&Kind::Object(&DEVICE)), Unique::No),
        list("generic_resources", Kind::List(&Kind::Object(&GENERIC)), Unique::No),
    ],
    required: &[],
};

/// A request for devices.
pub(super) static DEVICE: Object = Object {
    fields: &[
        list("capabilities", Kind::List(&Kind::Text), Unique::Whole),
        field("driver", Kind::Text),
        field("count", Kind::Scalar),
        list("device_ids", Kind::List(&Kind::Text), Unique::Whole),
        field("options", Kind::Pairs(Bare::Empty)),
    ],
    required: &[],
};

static GENERIC: Object =
    Object { fields: &[field("discrete_resource_spec", Kind::Object(&DISCRETE))], required: &[] };

static DISCRETE: Object =
    Object { fields: &[field("kind", Kind::Text), field("value", Kind::Int)], required: &[] };

static RESTART: Object = Object {
    fields: &[
        field("condition", Kind::Text),
        field("delay", Kind::Duration),
        field("max_attempts", Kind::Int),
        field("window", Kind::Duration),
    ],
    required: &[],
};

static PLACEMENT: Object = Object {
    fields: &[
        list("constraints", Kind::List(&Kind::Text), Unique::No),
        list("preferences", Kind::List(&Kind::Object(&PREFERENCE)), Unique::No),
        field("max_replicas_per_node", Kind::Int),
    ],
    required: &[],
};

static PREFERENCE: Object = Object { fields: &[field("spread", Kind::Text)], required: &[] };

/// `develop`.
pub(super) static DEVELOP: Object = Object {
    fields: &[list("watch", Kind::List(&Kind::Object(&WATCH)), Unique::Field("path"))],
    required: &[],
};

static WATCH: Object = Object {
    fields: &[
        field("path", Kind::Text),
        field("action", Kind::Words(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        field("target", Kind::Text),
        field("exec", Kind::Object(&HOOK)),
        list("include", Kind::Texts, Unique::No),
        list("ignore", Kind::Texts, Unique::No),
        field("initial_sync", Kind::Bool),
    ],
    required: &["path", "action"],
};
