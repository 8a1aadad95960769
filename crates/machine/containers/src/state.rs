//! What is: the life of a container as its shim last wrote it.
//!
//! ```text
//! created ──start──▶ running ◀──pause/unpause──▶ paused
//!    │                 │  ▲
//!    │                 │  └── restarting (waiting out the backoff)
//!    ▼                 ▼
//!  removed ◀──rm── exited ──start──▶ running
//! ```
//! One writer: the shim while `shim.lock` is held, otherwise a command that holds the pod's lock.

use serde::{Deserialize, Serialize};

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Dead,
}

/// A container's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// Where it is.
    pub status: Status,
    /// First process, on the host; 0 when there is none.
    pub pid: i32,
    /// Start time of that process in clock ticks since boot, so that a reused pid is not taken for it.
    pub pid_start_ticks: u64,
    /// Boot in which this was written.
    pub boot_id: String,
    /// 0 to 255; 128+n after signal n.
    pub exit_code: i32,
    /// The kernel killed it for memory.
    pub oom_killed: bool,
    /// Why it did not start, or was lost.
    pub error: Option<String>,
    /// Nanoseconds since the epoch; 0 for never.
    pub started_ns: i64,
    /// Likewise.
    pub finished_ns: i64,
    /// How often the policy has started it again.
    pub restart_count: u32,
    /// A person stopped it: the policy holds still.
    pub stopped_by_user: bool,
    /// Health, where there is a probe.
    pub health: Option<Health>,
}

/// What the probe says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last five probes.
    pub log: Vec<Probe>,
}

/// One probe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// Likewise.
    pub end_ns: i64,
    /// 0 for healthy.
    pub exit_code: i32,
    /// At most 4096 bytes.
    pub output: String,
}
