//! What a pod was asked to be on the network.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The pod's network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkRecord {
    /// Which.
    pub choice: NetworkChoice,
    /// Ports published.
    pub ports: Vec<PortRecord>,
    /// Exposed ports are published at free ones (`-P`).
    pub publish_all: bool,
    /// Name servers instead of the host's.
    pub dns: Vec<IpAddr>,
    /// Search list instead of the host's.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf.
    pub dns_options: Vec<String>,
    /// `name:address` (`host-gateway` for the gateway).
    pub extra_hosts: Vec<String>,
    /// `id-or-name:alias` of `--link` (names only, no environment).
    pub links: Vec<String>,
}

impl NetworkRecord {
    /// For another pod like this: addresses that were chosen by number stay the first one's.
    pub fn forget_addresses(&mut self) {
        if let NetworkChoice::Networks(endpoints) = &mut self.choice {
            for endpoint in endpoints {
                (endpoint.ipv4, endpoint.ipv6, endpoint.mac) = (None, None, None);
            }
        }
    }
}

/// Which network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkChoice {
    /// Loopback only.
    None,
    /// The host's.
    Host,
    /// That of another container, by id.
    Container(String),
    /// Endpoints on networks of ours, the first being the default route.
    Networks(Vec<EndpointRecord>),
}

impl Default for NetworkChoice {
    fn default() -> Self {
        Self::Networks(vec![EndpointRecord { network: "bridge".to_owned(), ..Default::default() }])
    }
}

/// An endpoint that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointRecord {
    /// Network, by name.
    pub network: String,
    /// Further names on it.
    pub aliases: Vec<String>,
    /// A fixed IPv4 address.
    pub ipv4: Option<IpAddr>,
    /// A fixed IPv6 address.
    pub ipv6: Option<IpAddr>,
    /// A fixed hardware address, `02:42:…`.
    pub mac: Option<String>,
}

/// A port published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRecord {
    /// Address of the host; `None` for all.
    pub host_ip: Option<IpAddr>,
    /// First port of the host; 0 for a free one.
    pub host_port: u16,
    /// The first free one up to this is taken; 0 where it must be `host_port`.
    #[serde(default)]
    pub host_last: u16,
    /// First port of the container.
    pub container_port: u16,
    /// How many, one after another.
    pub count: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}
