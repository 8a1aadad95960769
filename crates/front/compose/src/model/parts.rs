//! What a service is made of.

use super::{OpenPairs, Pairs};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `build`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Build {
    pub context: String,
    pub dockerfile: Option<String>,
    pub dockerfile_inline: Option<String>,
    pub entitlements: Vec<String>,
    pub args: OpenPairs,
    pub ssh: Vec<String>,
    pub labels: Pairs,
    pub no_cache: bool,
    pub additional_contexts: Pairs,
    pub pull: bool,
    pub extra_hosts: Vec<String>,
    pub network: Option<String>,
    pub target: Option<String>,
    pub secrets: Vec<Grant>,
    pub shm_size: Option<String>,
    pub tags: Vec<String>,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub platforms: Vec<String>,
    pub privileged: bool,
}

/// `develop`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Develop {
    pub watch: Vec<WatchRule>,
}

/// A rule of `develop.watch`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct WatchRule {
    pub path: String,
    pub action: String,
    pub target: Option<String>,
    pub exec: Option<Hook>,
    pub include: Vec<String>,
    pub ignore: Vec<String>,
    pub initial_sync: bool,
}

/// `blkio_config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct BlockIo {
    pub weight: Option<u16>,
    pub weight_device: Vec<DeviceWeight>,
    pub device_read_bps: Vec<DeviceRate>,
    pub device_read_iops: Vec<DeviceRate>,
    pub device_write_bps: Vec<DeviceRate>,
    pub device_write_iops: Vec<DeviceRate>,
}

/// A device's share.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct DeviceWeight {
    pub path: String,
    pub weight: u16,
}

/// A device's limit, in decimal digits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct DeviceRate {
    pub path: String,
    pub rate: String,
}

/// A secret or config given to a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Grant {
    pub source: String,
    pub target: Option<String>,
    pub uid: Option<String>,
    pub gid: Option<String>,
    pub mode: Option<String>,
}

/// When a dependency is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the specification's names")]
pub enum Condition {
    #[default]
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

impl Condition {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceStarted => "service_started",
            Self::ServiceHealthy => "service_healthy",
            Self::ServiceCompletedSuccessfully => "service_completed_successfully",
        }
    }
}

/// What must be there first.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Dependency {
    pub condition: Condition,
    pub restart: bool,
    pub required: bool,
}

impl Default for Dependency {
    fn default() -> Self {
        Self { condition: Condition::ServiceStarted, restart: false, required: true }
    }
}

/// `deploy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Deploy {
    pub mode: Option<String>,
    pub replicas: Option<u32>,
    pub labels: Pairs,
    pub update_config: Option<UpdateConfig>,
    pub resources: Resources,
    pub restart_policy: Option<DeployRestart>,
}

/// `deploy.update_config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct UpdateConfig {
    pub parallelism: Option<u32>,
    pub delay: Option<String>,
    pub order: Option<String>,
}

/// `deploy.resources`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Resources {
    pub limits: Resource,
    pub reservations: Resource,
}

/// One side of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Resource {
    pub cpus: Option<f64>,
    pub memory: Option<String>,
    pub pids: Option<i64>,
    pub devices: Vec<serde_json::Value>,
}

/// `deploy.restart_policy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct DeployRestart {
    pub condition: Option<String>,
    pub max_attempts: Option<u32>,
}

/// A device given to a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct DeviceNode {
    pub source: String,
    pub target: String,
    pub permissions: String,
}

/// `healthcheck`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Healthcheck {
    pub test: Vec<String>,
    pub timeout: Option<String>,
    pub interval: Option<String>,
    pub retries: Option<i64>,
    pub start_period: Option<String>,
    pub start_interval: Option<String>,
    pub disable: bool,
}

impl Healthcheck {
    /// Whether there is a probe at all.
    pub fn is_off(&self) -> bool {
        self.disable || self.test.first().is_some_and(|word| word == "NONE")
    }
}

/// `logging`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Logging {
    pub driver: Option<String>,
    pub options: Pairs,
}

/// A service's place on a network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Attachment {
    pub aliases: Vec<String>,
    pub driver_opts: Pairs,
    pub gw_priority: i64,
    pub ipv4_address: Option<String>,
    pub ipv6_address: Option<String>,
    pub mac_address: Option<String>,
    pub interface_name: Option<String>,
    pub link_local_ips: Vec<String>,
    pub priority: i64,
}

/// A published port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Port {
    pub name: Option<String>,
    pub mode: Option<String>,
    pub host_ip: Option<String>,
    pub target: u16,
    pub published: Option<String>,
    pub protocol: String,
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Ulimit {
    pub single: Option<i64>,
    pub soft: Option<i64>,
    pub hard: Option<i64>,
}

/// A mount.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Mount {
    #[serde(rename = "type")]
    pub kind: String,
    pub source: Option<String>,
    pub target: String,
    pub read_only: bool,
    pub bind: Option<MountBind>,
    pub volume: Option<MountVolume>,
    pub tmpfs: Option<MountTmpfs>,
}

/// Of a bind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct MountBind {
    pub propagation: Option<String>,
    pub create_host_path: Option<bool>,
    pub recursive: Option<String>,
}

/// Of a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct MountVolume {
    pub nocopy: bool,
    pub subpath: Option<String>,
}

/// Of memory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct MountTmpfs {
    pub size: Option<String>,
    pub mode: Option<String>,
}

/// A command at a point of a life.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Hook {
    pub command: Vec<String>,
    pub user: Option<String>,
    pub privileged: bool,
    pub working_dir: Option<String>,
    pub environment: OpenPairs,
}
