//! Keys of quadlet files and the flags they are. Names are podman's, podman-systemd.unit(5).

/// What a key becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Read elsewhere.
    Own,
    /// `--flag=value`
    Text(&'static str),
    /// `--flag=word` for every word.
    Words(&'static str),
    /// `--flag` when true.
    Switch(&'static str),
    /// `--flag=value`, where the value's beginning may name another file.
    Reference(&'static str),
    /// As it is.
    Args,
    /// It would not be kept.
    Refused(&'static str),
}

use Form::{Args, Own, Reference, Refused, Switch, Text, Words};

/// `[Container]`
pub(super) const CONTAINER: &[(&str, Form)] = &[
    ("AddCapability", Words("cap-add")),
    ("AddDevice", Text("device")),
    ("AddHost", Text("add-host")),
    ("Annotation", Words("annotation")),
    ("AutoUpdate", Own),
    ("ContainerName", Own),
    ("DNS", Text("dns")),
    ("DNSOption", Text("dns-option")),
    ("DNSSearch", Text("dns-search")),
    ("DropCapability", Words("cap-drop")),
    ("Entrypoint", Text("entrypoint")),
    ("Environment", Words("env")),
    ("EnvironmentFile", Text("env-file")),
    ("Exec", Own),
    ("ExposeHostPort", Text("expose")),
    ("Group", Own),
    ("GroupAdd", Text("group-add")),
    ("HealthCmd", Text("health-cmd")),
    ("HealthInterval", Text("health-interval")),
    ("HealthRetries", Text("health-retries")),
    ("HealthStartPeriod", Text("health-start-period")),
    ("HealthTimeout", Text("health-timeout")),
    ("HostName", Text("hostname")),
    ("IP", Text("ip")),
    ("IP6", Text("ip6")),
    ("Image", Own),
    ("Label", Words("label")),
    ("LogDriver", Text("log-driver")),
    ("LogOpt", Text("log-opt")),
    ("Memory", Text("memory")),
    ("Mount", Text("mount")),
    ("Network", Reference("network")),
    ("NetworkAlias", Text("network-alias")),
    ("NoNewPrivileges", Switch("security-opt=no-new-privileges")),
    ("Notify", Refused("containers tell systemd nothing; the unit is up when the program runs")),
    ("PidsLimit", Text("pids-limit")),
    ("Pod", Reference("pod")),
    ("PodmanArgs", Args),
    ("PublishPort", Text("publish")),
    ("Pull", Text("pull")),
    ("ReadOnly", Switch("read-only")),
    ("Rootfs", Refused("containers are made from images: teu import makes one of a tree")),
    ("RunInit", Switch("init")),
    ("SeccompProfile", Text("security-opt=seccomp")),
    ("Secret", Refused("bind a file instead")),
    ("ShmSize", Text("shm-size")),
    ("StopSignal", Text("stop-signal")),
    ("StopTimeout", Text("stop-timeout")),
    ("Sysctl", Words("sysctl")),
    ("Tmpfs", Text("tmpfs")),
    ("Ulimit", Text("ulimit")),
    ("User", Own),
    ("Volume", Reference("volume")),
    ("WorkingDir", Text("workdir")),
];

/// `[Pod]`
pub(super) const POD: &[(&str, Form)] = &[
    ("AddHost", Text("add-host")),
    ("DNS", Text("dns")),
    ("DNSOption", Text("dns-option")),
    ("DNSSearch", Text("dns-search")),
    ("HostName", Text("hostname")),
    ("IP", Text("ip")),
    ("IP6", Text("ip6")),
    ("Label", Words("label")),
    ("Network", Reference("network")),
    ("NetworkAlias", Text("network-alias")),
    ("PodName", Own),
    ("PodmanArgs", Args),
    ("PublishPort", Text("publish")),
    ("ShmSize", Text("shm-size")),
];

/// `[Volume]`
pub(super) const VOLUME: &[(&str, Form)] = &[
    ("Device", Text("opt=device")),
    ("Driver", Text("driver")),
    ("Label", Words("label")),
    ("Options", Text("opt=o")),
    ("PodmanArgs", Args),
    ("Type", Text("opt=type")),
    ("VolumeName", Own),
];

/// `[Network]`
pub(super) const NETWORK: &[(&str, Form)] = &[
    ("Driver", Text("driver")),
    ("Gateway", Text("gateway")),
    ("IPRange", Text("ip-range")),
    ("IPv6", Switch("ipv6")),
    ("Internal", Switch("internal")),
    ("Label", Words("label")),
    ("NetworkName", Own),
    ("Options", Words("opt")),
    ("PodmanArgs", Args),
    ("Subnet", Text("subnet")),
];

/// `[Kube]`
pub(super) const KUBE: &[(&str, Form)] = &[
    ("ConfigMap", Text("configmap")),
    ("Network", Reference("network")),
    ("PodmanArgs", Args),
    ("PublishPort", Text("publish")),
    ("Yaml", Own),
];

/// `[Build]`
pub(super) const BUILD: &[(&str, Form)] = &[
    ("BuildArg", Words("build-arg")),
    ("File", Text("file")),
    ("ImageTag", Own),
    ("Label", Words("label")),
    ("Network", Text("network")),
    ("PodmanArgs", Args),
    ("Pull", Switch("pull")),
    ("Secret", Text("secret")),
    ("SetWorkingDirectory", Own),
    ("Target", Text("target")),
];
