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

use crate::units::human_duration;
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

/// `Up 3 minutes (healthy)`, `Exited (137) 5 seconds ago`: what lists show.
pub fn status_line(state: &ContainerState, now_ns: i64) -> String {
    let since = |ns: i64| human_duration(now_ns.saturating_sub(ns) / 1_000_000_000);
    let finished = || format!("{} ago", since(state.finished_ns));
    match state.status {
        Status::Running | Status::Paused => {
            let up = format!("Up {}", since(state.started_ns));
            match (state.status, &state.health) {
                (Status::Paused, _) => format!("{up} (Paused)"),
                (_, Some(health)) if health.status == "starting" => {
                    format!("{up} (health: starting)")
                }
                (_, Some(health)) if !health.status.is_empty() => {
                    format!("{up} ({})", health.status)
                }
                _ => up,
            }
        }
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, finished()),
        Status::Dead => "Dead".to_owned(),
        Status::Created => "Created".to_owned(),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, finished()),
    }
}
