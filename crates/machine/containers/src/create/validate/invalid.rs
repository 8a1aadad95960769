//! Why a request is refused. The texts are Docker's where people search for them.

/// Why a request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Invalid {
    #[error("no command specified: the image has none, give one after its name")]
    NoCommand,
    #[error("invalid environment variable: {0:?}")]
    Env(String),
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    WorkingDir(String),
    #[error("invalid mount path: '{0}' mount path must be absolute")]
    DestinationRelative(String),
    #[error("invalid mount path {0:?}: it is too long or holds a control character")]
    DestinationForm(String),
    #[error("invalid specification: destination can't be '/' (in {0:?})")]
    DestinationRoot(String),
    #[error("Duplicate mount point: {0}")]
    DuplicateMount(String),
    #[error(
        "invalid mount config for type \"bind\": invalid mount path: '{0}' mount path must be absolute"
    )]
    BindSource(String),
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {0}")]
    BindMissing(String),
    #[error("invalid mode {0:o} for tmpfs: permission bits are at most 7777")]
    TmpfsMode(u32),
    #[error(
        "invalid mount config for type \"volume\": subpath {0:?} must be a relative path within the volume"
    )]
    Subpath(String),
    #[error("Invalid containerPort: {0}: expected port[/tcp|udp|sctp], 1 to 65535")]
    Port(String),
    #[error("Minimum memory limit allowed is 6MB")]
    MemoryMinimum,
    #[error("Minimum memory reservation allowed is 6MB")]
    ReservationMinimum,
    #[error("Minimum memory limit can not be less than memory reservation limit, see usage")]
    ReservationOverLimit,
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage")]
    SwapWithoutMemory,
    #[error("Minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapBelowMemory,
    #[error("invalid value: {0}, valid memory swappiness range is 0-100")]
    Swappiness(u64),
    #[error("Range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    Cpus(u32),
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    CpuPeriod,
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    CpuQuota,
    #[error("Invalid value {0} for cpuset cpus")]
    Cpuset(String),
    #[error("Invalid value {0} for cpuset mems")]
    Mems(String),
    #[error("Requested CPUs are not available - requested {wanted}, available: 0-{last}")]
    CpusetAbsent { wanted: String, last: u32 },
    #[error("Range of blkio weight is from 10 to 1000")]
    BlkioWeight,
    #[error("invalid pids limit {0}: use a positive number, or -1 for none")]
    Pids(i64),
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i32),
    #[error("invalid CapAdd/CapDrop: unknown capability: \"{0}\"")]
    Capability(String),
    #[error("Invalid signal: {0}")]
    Signal(String),
    #[error("invalid ulimit type: {0}")]
    Ulimit(String),
    #[error("ulimit {kind}: soft limit must be less than or equal to hard limit: {soft} > {hard}")]
    UlimitOrder { kind: String, soft: u64, hard: u64 },
    #[error("{0} in Healthcheck cannot be less than one millisecond")]
    HealthTime(&'static str),
    #[error("Retries in Healthcheck cannot be negative")]
    HealthRetries,
    #[error("Unknown type '{0}' in Healthcheck (try 'CMD')")]
    HealthKind(String),
    #[error("can't create 'AutoRemove' container with restart policy")]
    RestartAndRemove,
    #[error("log files: at least one must be kept, and of no less than 1 KiB")]
    Log,
    #[error("invalid hostname format: {0}")]
    Hostname(String),
    #[error("conflicting options: hostname and the UTS mode")]
    HostnameAndUts,
    #[error("conflicting options: {0} and the network mode")]
    NetworkMode(&'static str),
    #[error("conflicting options: port publishing and the container type network mode")]
    PortsAndContainerNetwork,
    #[error("user specified IP address is supported on user defined networks only")]
    AddressOnDefault,
    #[error("network-scoped alias is supported only for containers in user defined networks")]
    AliasOnDefault,
    #[error("an IPv4 address was expected where there is an IPv6 one, or the other way round")]
    AddressFamily,
    #[error("invalid label: its name is empty")]
    Label,
    #[error("invalid cgroup parent {0:?}")]
    CgroupParent(String),
    #[error(
        "sysctl '{0}' is not whitelisted: only those of the container's own namespaces can be set (net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem)"
    )]
    Sysctl(String),
    #[error("sysctl '{key}' is not allowed in the host's {namespace} namespace")]
    SysctlHost { key: String, namespace: &'static str },
    #[error("conflicting options: --pid container:{0} and a pod that shares its pid namespace")]
    PidModeAndSharing(String),
    #[error(
        "options that belong to the pod were given for a container of one: {0}; give them to `pod create`"
    )]
    PodOption(&'static str),
    #[error("image {image} is for {have}, not for {want}")]
    Platform { image: String, have: String, want: String },
    #[error("Container ID file found, make sure the other container isn't running or delete {0}")]
    CidFile(String),
    #[error("the image has too many {0} (more than {1})")]
    TooMany(&'static str, usize),
}
