//! What was asked for, as it is kept: a pod ([`PodRecord`]) and its containers
//! ([`ContainerRecord`]). Written once at `create`, changed only by `rename` and `update`, under the
//! pod's lock. What *is* lives in [`crate::state`].
//!
//! The records are complete: with them and the image a container can be started again after a
//! reboot, without the command line that made it. They are the only control input of a start; an
//! image's own labels and configuration are copied into them as checked data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use teu_oci::Digest;
use teu_oci::image::Healthcheck;
use teu_oci::runtime::{Device, IdMapping, Resources, Rlimit};

pub mod mount;
pub mod network;

pub use mount::{MountKind, MountRecord, Propagation};
pub use network::{NetworkChoice, NetworkRecord, PortRecord};

/// A sandbox: what its containers share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodRecord {
    /// 64 hex digits.
    pub id: String,
    /// Unique; an implicit pod has none of its own.
    pub name: Option<String>,
    /// Made by `run`/`create` for one container, and removed with it.
    pub implicit: bool,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// Free text.
    pub labels: BTreeMap<String, String>,
    /// Name of the UTS namespace; empty for the short id.
    pub hostname: String,
    /// NIS domain.
    pub domainname: String,
    /// The network, and everything that follows from it.
    pub network: NetworkRecord,
    /// IPC namespace: `private` (the pod's), `host`, `none`, or `container:<id>`.
    pub ipc: NamespaceMode,
    /// UTS namespace: the pod's or the host's.
    pub uts: NamespaceMode,
    /// Pid namespace shared by the pod's containers (`--share pid`).
    pub share_pid: bool,
    /// User namespace of all its containers; empty for the host's.
    pub uid_mappings: Vec<IdMapping>,
    /// Groups likewise.
    pub gid_mappings: Vec<IdMapping>,
    /// `net.*`, `kernel.shm*`, `fs.mqueue.*`
    pub sysctls: BTreeMap<String, String>,
    /// Size of the shared `/dev/shm`; 0 for 64 MiB.
    pub shm_size_bytes: u64,
    /// Parent of the pod's cgroup, instead of Teu's own.
    pub cgroup_parent: Option<String>,
    /// Limits of the pod as a whole.
    pub resources: Resources,
    /// What was typed to make it, for units that make it anew; each flag with its long name.
    pub typed: Vec<String>,
}

/// Whose namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceMode {
    /// One of its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// That of another container, by id.
    Container(String),
}

/// One container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerRecord {
    /// 64 hex digits.
    pub id: String,
    /// Unique, without a leading slash.
    pub name: String,
    /// The pod's id.
    pub pod: String,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// What the person typed for the image.
    pub image: String,
    /// The image's configuration digest (its id).
    pub image_id: Option<Digest>,
    /// diffIDs of its layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// Program and arguments after merging image and command line: entrypoint, then command.
    pub entrypoint: Vec<String>,
    /// See `entrypoint`.
    pub command: Vec<String>,
    /// Merged environment.
    pub env: Vec<String>,
    /// `user[:group]`, as in the image configuration.
    pub user: String,
    /// Supplementary groups by name or number.
    pub group_add: Vec<String>,
    /// Absolute.
    pub working_dir: String,
    /// Merged labels.
    pub labels: BTreeMap<String, String>,
    /// Free text for other programs.
    pub annotations: BTreeMap<String, String>,
    /// Ports the image or the person exposes, `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// A terminal.
    pub tty: bool,
    /// Standard input is kept open.
    pub stdin_open: bool,
    /// Standard input is closed after the first attached client leaves.
    pub stdin_once: bool,
    /// Mounts: volumes, binds, tmpfs.
    pub mounts: Vec<MountRecord>,
    /// Limits.
    pub resources: Resources,
    /// `RLIMIT_…`
    pub rlimits: Vec<Rlimit>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// What it may do.
    pub security: SecurityRecord,
    /// Device nodes given.
    pub devices: Vec<Device>,
    /// Pid namespace.
    pub pid_mode: NamespaceMode,
    /// Cgroup namespace: its own, or the host's.
    pub cgroupns: NamespaceMode,
    /// A small init reaps zombies and forwards signals.
    pub init: bool,
    /// The root is mounted read-only.
    pub readonly_rootfs: bool,
    /// Probe, merged with the image's; `None` when there is none or it is switched off.
    pub healthcheck: Option<Healthcheck>,
    /// One that its probe finds unhealthy is stopped; what follows is the restart policy's to say.
    pub kill_unhealthy: bool,
    /// What happens when it ends.
    pub restart: RestartPolicy,
    /// Signal of `stop`; empty for SIGTERM.
    pub stop_signal: String,
    /// Seconds until SIGKILL; `None` for 10, negative for never.
    pub stop_timeout_s: Option<i64>,
    /// Removed, with its anonymous volumes, when it ends.
    pub auto_remove: bool,
    /// How its output is kept.
    pub log: LogRecord,
    /// Where the command line wants the id written.
    pub cidfile: Option<PathBuf>,
    /// The words of the command line that made it, from which a unit can make it again; none where
    /// something else did.
    pub typed: Vec<String>,
}

/// What a container may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityRecord {
    /// Everything.
    pub privileged: bool,
    /// `CAP_…` (or `ALL`) beyond the default set.
    pub cap_add: Vec<String>,
    /// `CAP_…` (or `ALL`) taken from it.
    pub cap_drop: Vec<String>,
    /// No gain of privileges through exec.
    pub no_new_privileges: bool,
    /// The filter.
    pub seccomp: SeccompChoice,
    /// Paths that are not masked or read-only (`systempaths=unconfined`).
    pub unmask_system_paths: bool,
}

/// Which filter of system calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeccompChoice {
    /// The field's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A profile in Docker's JSON format, as read from the person's file.
    Profile(String),
}

/// What happens when a container ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    No,
    /// Started again after a failure; 0 for any number of times.
    OnFailure {
        /// Ceiling.
        max_retries: u32,
    },
    /// Always started again, except after `stop` (until the next boot).
    Always,
    /// Likewise, and not after a boot if it had been stopped.
    UnlessStopped,
}

/// How output is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRecord {
    /// Kept in `container.log`, or thrown away (`none`).
    pub keep: bool,
    /// A file is rotated at this size.
    pub max_size_bytes: u64,
    /// So many files are kept, the current one included.
    pub max_files: u32,
}

impl Default for LogRecord {
    /// Bounded: five files of 10 MiB.
    fn default() -> Self {
        Self { keep: true, max_size_bytes: 10 << 20, max_files: 5 }
    }
}
