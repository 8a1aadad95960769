//! A service.

use super::build::BUILD;
use super::deploy::{DEPLOY, DEVELOP, DEVICE};
use super::{
    Bare, Field, GRANT, HOOK, Kind, Merge, Nulls, Object, ULIMIT, Unique, field, list, replaced,
};
use crate::normal::short;

/// A service.
pub static SERVICE: Object = Object { fields: FIELDS, required: &[] };

static FIELDS: &[Field] = &[
    list("profiles", Kind::List(&Kind::Text), Unique::Whole),
    field("annotations", Kind::Pairs(Bare::Empty)),
    field("attach", Kind::Bool),
    field("build", Kind::Short(short::build, &Kind::Object(&BUILD))),
    field("develop", Kind::Object(&DEVELOP)),
    field("blkio_config", Kind::Object(&BLKIO)),
    list("cap_add", Kind::List(&Kind::Text), Unique::Whole),
    list("cap_drop", Kind::List(&Kind::Text), Unique::Whole),
    field("cgroup_parent", Kind::Text),
    field("cgroup", Kind::Words(&["host", "private"])),
    field("cpu_count", Kind::Int),
    field("cpu_percent", Kind::Float),
    field("cpu_period", Kind::Int),
    field("cpu_quota", Kind::Int),
    field("cpu_rt_period", Kind::Int),
    field("cpu_rt_runtime", Kind::Int),
    field("cpus", Kind::Float),
    field("cpuset", Kind::Text),
    field("cpu_shares", Kind::Int),
    replaced("command", Kind::Command),
    list(
        "configs",
        Kind::List(&Kind::Short(short::grant, &Kind::Object(&GRANT))),
        Unique::Granted(""),
    ),
    field("container_name", Kind::Text),
    field("credential_spec", Kind::Object(&CREDENTIAL)),
    field(
        "depends_on",
        Kind::Short(short::depends_on, &Kind::Map(&Kind::Object(&DEPENDENCY), Nulls::Refused)),
    ),
    field("deploy", Kind::Object(&DEPLOY)),
    list("device_cgroup_rules", Kind::List(&Kind::Text), Unique::Whole),
    list(
        "devices",
        Kind::List(&Kind::Short(short::device, &Kind::Object(&DEVICE_NODE))),
        Unique::Field("target"),
    ),
    list("dns", Kind::Texts, Unique::Whole),
    list("dns_opt", Kind::List(&Kind::Text), Unique::Whole),
    list("dns_search", Kind::Texts, Unique::Whole),
    field("domainname", Kind::Text),
    replaced("entrypoint", Kind::Command),
    field("provider", Kind::Object(&PROVIDER)),
    field("environment", Kind::Pairs(Bare::Null)),
    list(
        "env_file",
        Kind::Short(short::env_file, &Kind::List(&Kind::Object(&ENV_FILE))),
        Unique::Field("path"),
    ),
    list("expose", Kind::List(&Kind::Scalar), Unique::Whole),
    field("extends", Kind::Short(short::extends, &Kind::Object(&EXTENDS))),
    list("external_links", Kind::List(&Kind::Text), Unique::Whole),
    list("extra_hosts", Kind::Short(short::extra_hosts, &Kind::List(&Kind::Text)), Unique::Whole),
    list("group_add", Kind::List(&Kind::Scalar), Unique::Whole),
    list("gpus", Kind::Short(short::gpus, &Kind::List(&Kind::Object(&DEVICE))), Unique::No),
    field("hostname", Kind::Text),
    field("healthcheck", Kind::Object(&HEALTHCHECK)),
    field("image", Kind::Text),
    field("init", Kind::Bool),
    field("ipc", Kind::Text),
    field("isolation", Kind::Text),
    field("labels", Kind::Pairs(Bare::Empty)),
    list("label_file", Kind::Texts, Unique::Whole),
    list("links", Kind::List(&Kind::Text), Unique::Whole),
    Field {
        name: "logging",
        kind: Kind::Object(&LOGGING),
        merge: Merge::SameDriver,
        unique: Unique::No,
    },
    field("mem_limit", Kind::Bytes),
    field("mem_reservation", Kind::Bytes),
    field("memswap_limit", Kind::Bytes),
    field("mem_swappiness", Kind::Scalar),
    field("mac_address", Kind::Text),
    field("models", Kind::Short(short::keys, &Kind::Map(&Kind::Object(&MODEL_USE), Nulls::Kept))),
    field("network_mode", Kind::Text),
    field(
        "networks",
        Kind::Short(short::keys, &Kind::Map(&Kind::Object(&ATTACHMENT), Nulls::Kept)),
    ),
    field("oom_kill_disable", Kind::Bool),
    field("oom_score_adj", Kind::Int),
    field("pid", Kind::Text),
    field("pids_limit", Kind::Int),
    field("platform", Kind::Text),
    list("ports", Kind::Short(short::ports, &Kind::List(&Kind::Object(&PORT))), Unique::Port),
    field("privileged", Kind::Bool),
    field("pull_policy", Kind::Text),
    field("pull_refresh_after", Kind::Text),
    field("read_only", Kind::Bool),
    field("restart", Kind::Text),
    field("runtime", Kind::Text),
    field("scale", Kind::Int),
    list(
        "secrets",
        Kind::List(&Kind::Short(short::grant, &Kind::Object(&GRANT))),
        Unique::Granted("/run/secrets"),
    ),
    list("security_opt", Kind::List(&Kind::Text), Unique::Whole),
    field("shm_size", Kind::Bytes),
    field("stdin_open", Kind::Bool),
    field("stop_grace_period", Kind::Duration),
    field("stop_signal", Kind::Text),
    field("storage_opt", Kind::Map(&Kind::Scalar, Nulls::Refused)),
    field("sysctls", Kind::Pairs(Bare::Empty)),
    list("tmpfs", Kind::Texts, Unique::Whole),
    field("tty", Kind::Bool),
    field(
        "ulimits",
        Kind::Map(&Kind::Short(short::ulimit, &Kind::Object(&ULIMIT)), Nulls::Refused),
    ),
    field("use_api_socket", Kind::Bool),
    field("user", Kind::Scalar),
    field("userns_mode", Kind::Text),
    field("uts", Kind::Text),
    field("volume_driver", Kind::Text),
    list(
        "volumes",
        Kind::List(&Kind::Short(short::volume, &Kind::Object(&MOUNT))),
        Unique::Field("target"),
    ),
    list("volumes_from", Kind::List(&Kind::Text), Unique::Whole),
    field("working_dir", Kind::Text),
    list("post_start", Kind::List(&Kind::Object(&HOOK)), Unique::No),
    list("pre_stop", Kind::List(&Kind::Object(&HOOK)), Unique::No),
];

static BLKIO: Object = Object {
    fields: &[
        field("weight", Kind::Int),
        list("weight_device", Kind::List(&Kind::Object(&WEIGHT)), Unique::Field("path")),
        list("device_read_bps", Kind::List(&Kind::Object(&RATE)), Unique::Field("path")),
        list("device_read_iops", Kind::List(&Kind::Object(&RATE)), Unique::Field("path")),
        list("device_write_bps", Kind::List(&Kind::Object(&RATE)), Unique::Field("path")),
        list("device_write_iops", Kind::List(&Kind::Object(&RATE)), Unique::Field("path")),
    ],
    required: &[],
};

static WEIGHT: Object = Object {
    fields: &[field("path", Kind::Text), field("weight", Kind::Int)],
    required: &["path"],
};
static RATE: Object = Object {
    fields: &[field("path", Kind::Text), field("rate", Kind::Bytes)],
    required: &["path"],
};

static CREDENTIAL: Object = Object {
    fields: &[
        field("config", Kind::Text),
        field("file", Kind::Text),
        field("registry", Kind::Text),
    ],
    required: &[],
};

static DEPENDENCY: Object = Object {
    fields: &[
        field(
            "condition",
            Kind::Words(&["service_started", "service_healthy", "service_completed_successfully"]),
        ),
        field("restart", Kind::Bool),
        field("required", Kind::Bool),
    ],
    required: &["condition"],
};

static DEVICE_NODE: Object = Object {
    fields: &[
        field("source", Kind::Text),
        field("target", Kind::Text),
        field("permissions", Kind::Text),
    ],
    required: &["source"],
};

static PROVIDER: Object = Object {
    fields: &[field("type", Kind::Text), field("options", Kind::Map(&Kind::Any, Nulls::Refused))],
    required: &["type"],
};

static ENV_FILE: Object = Object {
    fields: &[
        field("path", Kind::Text),
        field("required", Kind::Bool),
        field("format", Kind::Text),
    ],
    required: &["path"],
};

static EXTENDS: Object = Object {
    fields: &[field("file", Kind::Text), field("service", Kind::Text)],
    required: &["service"],
};

static HEALTHCHECK: Object = Object {
    fields: &[
        replaced("test", Kind::Short(short::probe, &Kind::List(&Kind::Text))),
        field("timeout", Kind::Duration),
        field("interval", Kind::Duration),
        field("retries", Kind::Int),
        field("start_period", Kind::Duration),
        field("start_interval", Kind::Duration),
        field("disable", Kind::Bool),
    ],
    required: &[],
};

static LOGGING: Object = Object {
    fields: &[
        field("driver", Kind::Text),
        field("options", Kind::Map(&Kind::Scalar, Nulls::Empty)),
    ],
    required: &[],
};

static MODEL_USE: Object = Object {
    fields: &[field("endpoint_var", Kind::Text), field("model_var", Kind::Text)],
    required: &[],
};

static ATTACHMENT: Object = Object {
    fields: &[
        list("aliases", Kind::List(&Kind::Text), Unique::Whole),
        field("driver_opts", Kind::Map(&Kind::Scalar, Nulls::Refused)),
        field("gw_priority", Kind::Int),
        field("interface_name", Kind::Text),
        field("ipv4_address", Kind::Text),
        field("ipv6_address", Kind::Text),
        list("link_local_ips", Kind::List(&Kind::Text), Unique::Whole),
        field("mac_address", Kind::Text),
        field("priority", Kind::Int),
    ],
    required: &[],
};

static PORT: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("mode", Kind::Text),
        field("host_ip", Kind::Text),
        field("target", Kind::Int),
        field("published", Kind::Scalar),
        field("protocol", Kind::Text),
        field("app_protocol", Kind::Text),
    ],
    required: &["target"],
};

static MOUNT: Object = Object {
    fields: &[
        field("type", Kind::Words(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        field("source", Kind::Text),
        field("target", Kind::Text),
        field("read_only", Kind::Bool),
        field("consistency", Kind::Text),
        field("bind", Kind::Object(&MOUNT_BIND)),
        field("volume", Kind::Object(&MOUNT_VOLUME)),
        field("tmpfs", Kind::Object(&MOUNT_TMPFS)),
        field("image", Kind::Object(&MOUNT_IMAGE)),
    ],
    required: &["type", "target"],
};

static MOUNT_BIND: Object = Object {
    fields: &[
        field("selinux", Kind::Words(&["z", "Z"])),
        field("propagation", Kind::Text),
        field("create_host_path", Kind::Bool),
        field("recursive", Kind::Words(&["enabled", "disabled", "writable", "readonly"])),
    ],
    required: &[],
};
static MOUNT_VOLUME: Object = Object {
    fields: &[
        field("labels", Kind::Pairs(Bare::Empty)),
        field("nocopy", Kind::Bool),
        field("subpath", Kind::Text),
    ],
    required: &[],
};
static MOUNT_TMPFS: Object =
    Object { fields: &[field("size", Kind::Bytes), field("mode", Kind::Mode)], required: &[] };
static MOUNT_IMAGE: Object = Object { fields: &[field("subpath", Kind::Text)], required: &[] };
