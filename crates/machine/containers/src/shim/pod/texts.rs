//! Writes a pod's `hostname`, `hosts` and `resolv.conf`.
//!
//! They are bind-mounted into containers, so a change is written into the same file, never renamed
//! over it.

use super::Pod;
use crate::record::{ContainerRecord, NetworkChoice, PodRecord};
use crate::shim::failure::Failure;
use crate::shim::files::{self, Hosts, Resolver};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

const SHORT_ID: usize = 12;
/// Where systemd-resolved keeps the servers it asks itself.
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// The pod's host name.
pub(super) fn hostname(record: &PodRecord) -> String {
    if record.hostname.is_empty() {
        record.id[..record.id.len().min(SHORT_ID)].to_owned()
    } else {
        record.hostname.clone()
    }
}

impl Pod {
    pub(super) fn write_texts(&self, _containers: &[ContainerRecord]) -> Result<(), Failure> {
        let folder = self.home.pod(&self.record.id);
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            write_in_place(&path, text)
        };
        if let NetworkChoice::Container(id) = &self.record.network.choice {
            return self.copy_texts(id);
        }
        let host = self.record.network.choice == NetworkChoice::Host;
        let uts_of_host = self.record.uts == crate::record::NamespaceMode::Host;
        let name = match uts_of_host || (host && self.record.hostname.is_empty()) {
            true => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            false => hostname(&self.record),
        };
        write("hostname", &format!("{name}\n"))?;
        write("resolv.conf", &files::resolv_conf(&self.resolver().0))?;
        write("hosts", &self.hosts(host, &name))
    }

    /// With another container's network come its names.
    fn copy_texts(&self, id: &str) -> Result<(), Failure> {
        let other = super::sandbox::pod_of(&self.home, id);
        let from = other.as_deref().and_then(|folder| folder.ancestors().nth(2));
        let folder = self.home.pod(&self.record.id);
        for name in ["hosts", "hostname", "resolv.conf"] {
            let text = from.and_then(|from| std::fs::read_to_string(from.join(name)).ok());
            write_in_place(&folder.join(name), &text.unwrap_or_default())?;
        }
        Ok(())
    }

    fn hosts(&self, of_host: bool, name: &str) -> String {
        let base = of_host.then(|| std::fs::read_to_string("/etc/hosts").unwrap_or_default());
        let gateway = self.endpoints.iter().flat_map(|endpoint| &endpoint.host_addresses).next();
        let own = self.endpoints.iter().flat_map(|endpoint| {
            [endpoint.ipv4, endpoint.ipv6].into_iter().flatten().map(|subnet| subnet.address)
        });
        let mut names = Vec::new();
        if !self.record.domainname.is_empty() {
            names.push(format!("{name}.{}", self.record.domainname));
        }
        names.push(name.to_owned());
        let entries = Hosts {
            extra: &self.record.network.extra_hosts,
            gateway: if of_host {
                Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
            } else {
                gateway.copied()
            },
            addresses: own.collect(),
            names: if of_host { Vec::new() } else { names },
            links: self.links(),
        };
        files::hosts(base.as_deref(), &entries)
    }

    /// Addresses of `--link`ed containers on the default network, where no name server helps.
    fn links(&self) -> Vec<(IpAddr, Vec<String>)> {
        let mut all = Vec::new();
        for link in &self.record.network.links {
            let (target, alias) = link.split_once(':').unwrap_or((link, link));
            let Some(endpoints) = self.endpoints_of(target) else { continue };
            let shared = endpoints.iter().filter(|other| {
                self.endpoints.iter().any(|own| own.network_id == other.network_id)
            });
            for subnet in shared.flat_map(|other| [other.ipv4, other.ipv6]).flatten() {
                all.push((subnet.address, vec![alias.to_owned(), target.to_owned()]));
            }
        }
        all
    }

    /// Endpoints of the container with that name or id.
    fn endpoints_of(&self, target: &str) -> Option<Vec<teu_network::Endpoint>> {
        let networks = self.networks().ok()?;
        let mut all = Vec::new();
        for own in &self.endpoints {
            let network = networks.inspect(&own.network_id).ok()?;
            all.extend(networks.endpoints(&network).ok()?.into_iter().filter(|endpoint| {
                endpoint.pod == target || endpoint.names.iter().any(|name| name == target)
            }));
        }
        Some(all)
    }

    /// What resolv.conf says, and whom the pod's own name server asks.
    fn resolver(&self) -> (Resolver, Vec<String>) {
        let network = &self.record.network;
        let asked = Resolver {
            nameservers: network.dns.iter().map(ToString::to_string).collect(),
            search: network.dns_search.clone(),
            options: network.dns_options.clone(),
        };
        let merged = files::merge(host_resolver(), &asked);
        if self.names.is_some() || self.is_served() || self.needs_forwarder() {
            files::served(merged)
        } else {
            (merged, Vec::new())
        }
    }

    fn is_served(&self) -> bool {
        self.endpoints.iter().any(|e| e.network != teu_network::DEFAULT_NETWORK)
    }

    /// A pod with a network of its own whose host asks a server on its own loopback: the shim, in
    /// the host's network, asks it for the pod.
    pub(super) fn needs_forwarder(&self) -> bool {
        !self.endpoints.is_empty()
            && self.record.network.dns.is_empty()
            && !host_resolver().nameservers.is_empty()
            && host_resolver().nameservers.iter().all(|server| files::is_loopback(server))
    }

    /// Addresses that the pod's name server asks. It asks from the host's network: for a pod that has no
    /// way out itself it asks nobody but neighbours, or names would be a way out (CVE-2024-29018).
    pub(super) fn upstreams(&self) -> Vec<SocketAddr> {
        let has_way_out = self.has_way_out();
        let is_near = |server: &IpAddr| {
            let own = self.endpoints.iter().flat_map(|endpoint| [endpoint.ipv4, endpoint.ipv6]);
            own.flatten().any(|subnet| subnet.contains(*server))
        };
        let servers = self.resolver().1.into_iter().filter_map(|s| s.parse::<IpAddr>().ok());
        servers.filter(|ip| has_way_out || is_near(ip)).map(|ip| (ip, 53).into()).collect()
    }
}

fn host_resolver() -> Resolver {
    let read = |path: &str| {
        std::fs::read_to_string(path).map(|text| files::parse_resolver(&text)).unwrap_or_default()
    };
    let host = read("/etc/resolv.conf");
    let stub = host.nameservers == ["127.0.0.53"];
    let behind = if stub { read(RESOLVED) } else { Resolver::default() };
    if behind.nameservers.is_empty() { host } else { behind }
}

fn write_in_place(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(Failure::io("write", path))?;
    file.write_all(text.as_bytes()).map_err(Failure::io("write", path))
}
