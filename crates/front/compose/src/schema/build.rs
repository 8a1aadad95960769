//! `build` of a service.

use super::{Bare, Field, GRANT, Kind, Nulls, Object, ULIMIT, Unique, field, list};
use crate::normal::short;

/// `build`.
pub(super) static BUILD: Object = Object { fields: FIELDS, required: &[] };

static FIELDS: &[Field] = &[
    field("context", Kind::Text),
    field("dockerfile", Kind::Text),
    field("dockerfile_inline", Kind::Text),
    list("entitlements", Kind::List(&Kind::Text), Unique::Whole),
    field("args", Kind::Pairs(Bare::Null)),
    field("provenance", Kind::Scalar),
    field("sbom", Kind::Scalar),
    list("ssh", Kind::Short(short::ssh, &Kind::List(&Kind::Text)), Unique::Whole),
    field("labels", Kind::Pairs(Bare::Empty)),
    list("cache_from", Kind::Texts, Unique::No),
    list("cache_to", Kind::Texts, Unique::No),
    field("no_cache", Kind::Bool),
    field("additional_contexts", Kind::Pairs(Bare::Empty)),
    field("pull", Kind::Bool),
    list("extra_hosts", Kind::Short(short::extra_hosts, &Kind::List(&Kind::Text)), Unique::Whole),
    field("isolation", Kind::Text),
    field("network", Kind::Text),
    field("target", Kind::Text),
    list(
        "secrets",
        Kind::List(&Kind::Short(short::grant, &Kind::Object(&GRANT))),
        Unique::Granted("/run/secrets"),
    ),
    field("shm_size", Kind::Bytes),
    list("tags", Kind::Texts, Unique::Whole),
    field(
        "ulimits",
        Kind::Map(&Kind::Short(short::ulimit, &Kind::Object(&ULIMIT)), Nulls::Refused),
    ),
    list("platforms", Kind::Texts, Unique::Whole),
    field("privileged", Kind::Bool),
];
