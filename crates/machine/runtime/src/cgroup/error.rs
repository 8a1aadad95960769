//! What can go wrong with a control group: always with the file, the value and the field's name.

use std::io;
use std::path::PathBuf;

/// Why a control group could not be made, changed or read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("no control groups are mounted on this machine; mount cgroup2 at /sys/fs/cgroup")]
    NoCgroups,
    #[error("invalid cgroups path {path:?}: {reason}")]
    InvalidPath { path: String, reason: &'static str },
    #[error("invalid {field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    #[error(
        "{field} cannot be enforced: the {controller} controller is not available on this machine"
    )]
    NoController { controller: &'static str, field: &'static str },
    #[error(
        "{field} cannot be enforced: control groups are not delegated to this user. It takes cgroup v2 \
         and a systemd user session (try `systemd-run --user --scope teu …`), or root"
    )]
    NotDelegated { field: &'static str },
    #[error("{field} cannot be enforced: this kernel's {controller} controller has no {file}")]
    NoFile { controller: &'static str, field: &'static str, file: String },
    #[error(
        "the memory limit {limit_bytes} is below what the container uses now ({usage_bytes} bytes); \
         free memory in the container first, or choose a higher limit"
    )]
    BelowUsage { limit_bytes: i64, usage_bytes: u64 },
    #[error("setting {field}: writing {value:?} to {path:?}")]
    Set { field: &'static str, path: PathBuf, value: String, source: io::Error },
    #[error("cgroup {path:?} exists and has {count} process(es): is the container still running?")]
    InUse { path: PathBuf, count: usize },
    #[error("creating cgroup {path:?}")]
    Create { path: PathBuf, source: io::Error },
    #[error(
        "enabling {controllers} below cgroup {path:?}; processes in that cgroup have to be moved \
         to a child first, and the controller must be enabled above it"
    )]
    Delegate { path: PathBuf, controllers: String, source: io::Error },
    #[error("reading {path:?}")]
    Read { path: PathBuf, source: io::Error },
    #[error("writing {path:?}")]
    Write { path: PathBuf, source: io::Error },
    #[error("moving process {pid} into cgroup {path:?}")]
    Join { pid: i32, path: PathBuf, source: io::Error },
    #[error("cgroup {path} does not exist")]
    Absent { path: String },
    #[error("cgroup {path:?} did not freeze within {seconds} s (state {state})")]
    NotFrozen { path: PathBuf, seconds: u64, state: String },
    #[error("cgroup {path} still has processes after they were killed: {pids:?}")]
    NotKilled { path: String, pids: Vec<i32> },
    #[error("removing cgroup {path:?}; processes in it: {pids:?}")]
    Remove { path: PathBuf, pids: Vec<i32>, source: io::Error },
    #[error("installing the device filter on cgroup {path:?}")]
    DeviceProgram { path: PathBuf, source: io::Error },
    #[error("invalid device rule {rule}: {reason}")]
    DeviceRule { rule: String, reason: &'static str },
    #[error("watching cgroup {path:?} for lack of memory")]
    Watch { path: PathBuf, source: io::Error },
}

impl Error {
    /// Says whose fault a missing controller is.
    pub(super) fn of_layout(self, layout: &super::Layout) -> Self {
        match self {
            Self::NoController { field, .. } if layout.is_empty() => Self::NotDelegated { field },
            error => error,
        }
    }
}

/// A limit that was dropped, in words for the person who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
