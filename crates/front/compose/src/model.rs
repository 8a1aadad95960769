//! A finished project as types: what planning and running look at. The tree stays beside it, for
//! printing and hashing.

use serde::Deserialize;
use std::collections::BTreeMap;

mod parts;

pub use parts::*;

/// Free pairs.
pub type Pairs = BTreeMap<String, String>;
/// Pairs whose values may be missing.
pub type OpenPairs = BTreeMap<String, Option<String>>;

/// A project.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Model {
    pub name: String,
    pub services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub secrets: BTreeMap<String, FileObject>,
    pub configs: BTreeMap<String, FileObject>,
}

/// A service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Service {
    pub profiles: Vec<String>,
    pub annotations: Pairs,
    pub attach: Option<bool>,
    pub build: Option<Build>,
    pub develop: Option<Develop>,
    pub blkio_config: Option<BlockIo>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub cgroup_parent: Option<String>,
    pub cgroup: Option<String>,
    pub cpu_period: Option<i64>,
    pub cpu_quota: Option<i64>,
    pub cpu_rt_period: Option<i64>,
    pub cpu_rt_runtime: Option<i64>,
    pub cpus: Option<f64>,
    pub cpuset: Option<String>,
    pub cpu_shares: Option<i64>,
    pub command: Option<Vec<String>>,
    pub configs: Vec<Grant>,
    pub container_name: Option<String>,
    pub depends_on: BTreeMap<String, Dependency>,
    pub deploy: Deploy,
    pub device_cgroup_rules: Vec<String>,
    pub devices: Vec<DeviceNode>,
    pub dns: Vec<String>,
    pub dns_opt: Vec<String>,
    pub dns_search: Vec<String>,
    pub domainname: Option<String>,
    pub entrypoint: Option<Vec<String>>,
    pub provider: Option<serde_json::Value>,
    pub environment: OpenPairs,
    pub expose: Vec<String>,
    pub external_links: Vec<String>,
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    pub gpus: Option<serde_json::Value>,
    pub hostname: Option<String>,
    pub healthcheck: Option<Healthcheck>,
    pub image: Option<String>,
    pub init: Option<bool>,
    pub ipc: Option<String>,
    pub isolation: Option<String>,
    pub labels: Pairs,
    pub links: Vec<String>,
    pub logging: Option<Logging>,
    pub mem_limit: Option<String>,
    pub mem_reservation: Option<String>,
    pub memswap_limit: Option<String>,
    pub mem_swappiness: Option<String>,
    pub mac_address: Option<String>,
    pub network_mode: Option<String>,
    pub networks: BTreeMap<String, Option<Attachment>>,
    pub oom_kill_disable: Option<bool>,
    pub oom_score_adj: Option<i64>,
    pub pid: Option<String>,
    pub pids_limit: Option<i64>,
    pub platform: Option<String>,
    pub ports: Vec<Port>,
    pub privileged: bool,
    pub pull_policy: Option<String>,
    pub read_only: bool,
    pub restart: Option<String>,
    pub runtime: Option<String>,
    pub scale: Option<u32>,
    pub secrets: Vec<Grant>,
    pub security_opt: Vec<String>,
    pub shm_size: Option<String>,
    pub stdin_open: bool,
    pub stop_grace_period: Option<String>,
    pub stop_signal: Option<String>,
    pub storage_opt: Pairs,
    pub sysctls: Pairs,
    pub tmpfs: Vec<String>,
    pub tty: bool,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub use_api_socket: Option<bool>,
    pub user: Option<String>,
    pub userns_mode: Option<String>,
    pub uts: Option<String>,
    pub volume_driver: Option<String>,
    pub volumes: Vec<Mount>,
    pub volumes_from: Vec<String>,
    pub working_dir: Option<String>,
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
}

impl Service {
    /// How many containers.
    pub fn replicas(&self) -> u32 {
        self.scale.or(self.deploy.replicas).unwrap_or(1)
    }

    /// What its containers run: `image`, or what the build is called.
    pub fn image_name(&self, project: &str, name: &str) -> String {
        self.image.clone().unwrap_or_else(|| format!("{project}-{name}"))
    }
}

/// A network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Network {
    pub name: String,
    pub driver: Option<String>,
    pub driver_opts: Pairs,
    pub ipam: Ipam,
    pub external: bool,
    pub internal: bool,
    pub labels: Pairs,
    pub enable_ipv4: Option<bool>,
    pub enable_ipv6: Option<bool>,
}

/// Addresses of a network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Ipam {
    pub driver: Option<String>,
    pub config: Vec<Pool>,
}

/// One subnet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Pool {
    pub subnet: Option<String>,
    pub gateway: Option<String>,
    pub ip_range: Option<String>,
}

/// A volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct Volume {
    pub name: String,
    pub driver: Option<String>,
    pub driver_opts: Pairs,
    pub external: bool,
    pub labels: Pairs,
}

/// A secret or a config.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the specification's names")]
pub struct FileObject {
    pub name: String,
    pub file: Option<String>,
    pub environment: Option<String>,
    pub content: Option<String>,
    pub external: bool,
}
