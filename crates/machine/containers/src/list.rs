//! `ps`: a line for every container that passes the filters.

use crate::filter::Filters;
use crate::record::network::NetworkChoice;
use crate::record::{MountKind, MountRecord, PodRecord};
use crate::remove::disk_bytes;
use crate::state::{ContainerState, Status};
use crate::{Containers, Error, Found, Result};
use std::collections::BTreeMap;
use std::net::IpAddr;
use teu_network::Endpoint;
use teu_oci::Digest;

/// Docker's filters of `ps`, and podman's `pod`.
const KEYS: [&str; 16] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "pod",
    "publish",
    "since",
    "status",
    "volume",
];

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
    /// Its pod's places on networks, while it runs.
    pub endpoints: Vec<Endpoint>,
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
    pub containers: Vec<(String, String, Status)>,
}

impl Containers {
    /// `ps`, newest first.
    pub fn list(&self, options: &ListOptions) -> Result<Vec<Summary>> {
        let filters = Filters(&options.filters).only(&KEYS)?;
        check_values(filters)?;
        let mut all = self.load_all()?;
        let bounds = self.bounds(filters)?;
        let ancestors = self.ancestors(filters)?;
        let any_state = options.all
            || options.last.is_some()
            || ["status", "exited"].iter().any(|key| filters.values(key).next().is_some());
        let running = |found: &Found| {
            matches!(found.state.status, Status::Running | Status::Paused | Status::Restarting)
        };
        all.retain(|found| {
            (any_state || running(found))
                && bounds.fits(found.record.created_ns)
                && fits(found, filters)
                && self.image_fits(found, filters, &ancestors)
        });
        all.truncate(options.last.unwrap_or(usize::MAX));
        let networks = self.networks.in_use()?;
        let mut lines = Vec::with_capacity(all.len());
        for found in all {
            let size = options.size.then(|| self.size(&found)).transpose()?;
            let line = self.summary(found, size, &networks)?;
            let publish = |value: &str| line.ports.iter().any(|port| port_fits(port, value, true));
            let expose = |value: &str| line.ports.iter().any(|port| port_fits(port, value, false));
            if filters.any("publish", publish) && filters.any("expose", expose) {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    fn summary(&self, found: Found, size: Option<Size>, networks: &[String]) -> Result<Summary> {
        let endpoints = self.places(&found, networks)?;
        let ports = ports(&found, &endpoints);
        let Found { record, pod, state } = found;
        let mut command = record.entrypoint;
        command.extend(record.command);
        Ok(Summary {
            id: record.id,
            name: record.name,
            networks: network_names(&pod),
            pod_name: if pod.implicit { None } else { pod.name },
            pod: pod.id,
            image: record.image,
            image_id: record.image_id,
            command,
            created_ns: record.created_ns,
            state,
            ports,
            endpoints,
            labels: record.labels,
            mounts: record.mounts,
            size,
        })
    }

    /// Places of a running container's pod on networks.
    fn places(&self, found: &Found, networks: &[String]) -> Result<Vec<Endpoint>> {
        let may_have_one = matches!(found.pod.network.choice, NetworkChoice::Networks(_));
        match found.state.needs_shim() && may_have_one {
            true => Ok(self.networks.endpoints_among(networks, &found.pod.id)?),
            false => Ok(Vec::new()),
        }
    }

    /// Published ports of a running container, then ports that are only exposed.
    pub(crate) fn ports(&self, found: &Found) -> Result<Vec<PortBinding>> {
        Ok(ports(found, &self.places(found, &self.networks.in_use()?)?))
    }

    /// Published ports.
    pub fn port(&self, name: &str) -> Result<Vec<PortBinding>> {
        let mut ports = self.ports(&self.find(name)?)?;
        ports.retain(|port| port.host.is_some());
        Ok(ports)
    }

    /// Disk use of a container.
    pub(crate) fn size(&self, found: &Found) -> Result<Size> {
        let writable_bytes = disk_bytes(&self.upper(found));
        let layers = self.chain(found)?;
        let image_bytes: u64 = layers.lower.iter().map(|layer| disk_bytes(layer)).sum();
        Ok(Size { writable_bytes, total_bytes: writable_bytes + image_bytes })
    }

    fn bounds(&self, filters: Filters<'_>) -> Result<Bounds> {
        let created = |key| -> Result<Option<i64>> {
            let name = filters.values(key).last();
            name.map(|name| Ok(self.find(name)?.record.created_ns)).transpose()
        };
        Ok(Bounds { before: created("before")?, since: created("since")? })
    }

    /// Images that `ancestor` names: by id, and by the chain of their layers.
    fn ancestors(&self, filters: Filters<'_>) -> Result<Vec<(String, Option<teu_images::Image>)>> {
        let mut all = Vec::new();
        for name in filters.values("ancestor") {
            all.push((name.to_owned(), self.images.resolve(name).ok()));
        }
        Ok(all)
    }

    fn image_fits(
        &self,
        found: &Found,
        filters: Filters<'_>,
        ancestors: &[(String, Option<teu_images::Image>)],
    ) -> bool {
        filters.values("ancestor").next().is_none()
            || ancestors.iter().any(|(name, image)| match image {
                Some(image) => {
                    let layers = &image.config.rootfs.diff_ids;
                    found.record.image_id.as_ref() == Some(&image.id)
                        || !layers.is_empty() && found.record.diff_ids.starts_with(layers)
                }
                None => found.record.image == *name,
            })
    }

    /// Images that containers were made from, with the containers' names.
    pub fn images_in_use(&self) -> Result<Vec<(Digest, String)>> {
        let mut used = Vec::new();
        for (pod, id) in self.container_ids()? {
            if let Ok(Some(record)) = self.read_record(&pod, &id)
                && let Some(image) = record.image_id
            {
                used.push((image, record.name));
            }
        }
        Ok(used)
    }
}

fn ports(found: &Found, endpoints: &[Endpoint]) -> Vec<PortBinding> {
    let published = endpoints.iter().flat_map(|endpoint| &endpoint.ports);
    let mut ports: Vec<PortBinding> = published
        .map(|port| PortBinding {
            container_port: port.container_port,
            protocol: port.protocol.to_string(),
            host: Some((port.host_ip, port.host_port)),
        })
        .collect();
    for exposed in &found.record.exposed_ports {
        let (numbers, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
            continue;
        };
        for port in first..=last {
            let published = ports
                .iter()
                .any(|binding| binding.container_port == port && binding.protocol == protocol);
            if !published {
                let protocol = protocol.to_owned();
                ports.push(PortBinding { container_port: port, protocol, host: None });
            }
        }
    }
    ports.sort_by(|a, b| {
        (a.container_port, &a.protocol, a.host).cmp(&(b.container_port, &b.protocol, b.host))
    });
    ports.dedup();
    ports
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    before: Option<i64>,
    since: Option<i64>,
}

impl Bounds {
    fn fits(self, created_ns: i64) -> bool {
        self.before.is_none_or(|before| created_ns < before)
            && self.since.is_none_or(|since| created_ns > since)
    }
}

fn check_values(filters: Filters<'_>) -> Result<()> {
    let refuse = |key: &str, value: &str, reason| {
        Err(Error::FilterValue { key: key.to_owned(), value: value.to_owned(), reason })
    };
    const STATUS: [&str; 7] =
        ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
    const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];
    for value in filters.values("status") {
        if !STATUS.contains(&value) {
            return refuse(
                "status",
                value,
                "expected created, restarting, running, removing, paused, exited or dead",
            );
        }
    }
    for value in filters.values("health") {
        if !HEALTH.contains(&value) {
            return refuse("health", value, "expected starting, healthy, unhealthy or none");
        }
    }
    for value in filters.values("exited") {
        if value.parse::<i32>().is_err() {
            return refuse("exited", value, "expected a number");
        }
    }
    Ok(())
}

fn fits(found: &Found, filters: Filters<'_>) -> bool {
    let (record, state, pod) = (&found.record, &found.state, &found.pod);
    let health = state.health.as_ref().map_or("none", |health| health.status.as_str());
    let networks = network_names(pod);
    let exited =
        |value: &str| state.status == Status::Exited && value.parse() == Ok(state.exit_code);
    let mounted = |value: &str| {
        record.mounts.iter().any(|mount| {
            mount.destination == value
                || match &mount.kind {
                    MountKind::Volume { name, .. } => name == value,
                    MountKind::Bind { source, .. } => source == value,
                    MountKind::Tmpfs { .. } => false,
                }
        })
    };
    filters.any("id", |value| record.id.starts_with(value))
        && filters.any("name", |value| name_fits(&record.name, value))
        && filters.any("status", |value| state.status.name() == value)
        && filters.any("health", |value| health == value)
        && filters.any("exited", exited)
        && filters.any("volume", mounted)
        && filters.any("network", |value| networks.iter().any(|network| network == value))
        && filters
            .any("pod", |value| pod.id.starts_with(value) || pod.name.as_deref() == Some(value))
        && filters.any("is-task", |value| matches!(value, "false" | "0"))
        && filters.labels_fit(&record.labels)
}

/// Docker takes a regular expression; of its language the anchors are understood, which is what
/// people use (`^web$`).
fn name_fits(name: &str, pattern: &str) -> bool {
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    let (pattern, start) = match pattern.strip_prefix('^') {
        Some(rest) => (rest.strip_prefix('/').unwrap_or(rest), true),
        None => (pattern, false),
    };
    let (pattern, end) = match pattern.strip_suffix('$') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    match (start, end) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

/// `80`, `80/tcp`, `8000-8010/udp`.
fn port_fits(port: &PortBinding, value: &str, published: bool) -> bool {
    let (numbers, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return false };
    port.protocol == protocol
        && (first..=last).contains(&port.container_port)
        && (!published || port.host.is_some())
}

/// Names of a pod's networks, as `ps` shows them.
pub(crate) fn network_names(pod: &PodRecord) -> Vec<String> {
    match &pod.network.choice {
        NetworkChoice::Networks(list) => list.iter().map(|e| e.network.clone()).collect(),
        NetworkChoice::None => vec!["none".to_owned()],
        NetworkChoice::Host => vec!["host".to_owned()],
        NetworkChoice::Container(id) => vec![format!("container:{id}")],
    }
}

#[cfg(test)]
mod tests;
