//! `ps`: a line for every container that passes the filters.

use crate::record::MountRecord;
use crate::state::ContainerState;
use std::collections::BTreeMap;
use std::net::IpAddr;
use teu_oci::Digest;

/// A line of `ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its pod.
    pub pod: String,
    /// The pod's name, unless the pod is implicit.
    pub pod_name: Option<String>,
    /// What was typed for the image.
    pub image: String,
    /// The image's id.
    pub image_id: Option<Digest>,
    /// Entrypoint and command.
    pub command: Vec<String>,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// Where it is.
    pub state: ContainerState,
    /// Published and exposed ports.
    pub ports: Vec<PortBinding>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its mounts.
    pub mounts: Vec<MountRecord>,
    /// Names of its networks.
    pub networks: Vec<String>,
    /// Where asked for.
    pub size: Option<Size>,
}

/// A port of a container, and where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBinding {
    /// In the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// On the host; `None` where it is only exposed.
    pub host: Option<(IpAddr, u16)>,
}

/// Disk use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// The container's own layer.
    pub writable_bytes: u64,
    /// With the image's layers.
    pub total_bytes: u64,
}

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Those that do not run, too.
    pub all: bool,
    /// The newest so many, whatever their state.
    pub last: Option<usize>,
    /// With disk use.
    pub size: bool,
    /// `key`, `value`: Docker's, several of a key are alternatives.
    pub filters: Vec<(String, String)>,
}

/// A line of `pod ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSummary {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `Created`, `Running`, `Degraded`, `Exited`, `Paused` as podman says.
    pub status: String,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Names of its networks.
    pub networks: Vec<String>,
    /// Id, name and status of its containers.
    pub containers: Vec<(String, String, crate::state::Status)>,
}
