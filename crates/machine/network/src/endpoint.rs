//! One pod's place on one network: what is asked for, and what it got.

use crate::address::{Mac, Subnet};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::str::FromStr;

/// What is asked for. `Default` and `..` are how it is meant to be filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Network, by name, id or unique prefix of an id.
    pub network: String,
    /// Id of the pod: with the network, it names the endpoint.
    pub pod: String,
    /// Name of the container, found by DNS.
    pub name: String,
    /// Further names: aliases, the short id, names of the pod's other containers.
    pub aliases: Vec<String>,
    /// A fixed address.
    pub ipv4: Option<Ipv4Addr>,
    /// A fixed address.
    pub ipv6: Option<Ipv6Addr>,
    /// A fixed hardware address.
    pub mac: Option<Mac>,
    /// Name of the interface in the pod; `eth0` when empty.
    pub interface: String,
    /// Not the pod's first network: leave its default routes alone.
    pub secondary: bool,
    /// Ports to publish.
    pub ports: Vec<PortRequest>,
}

/// Ports to publish, one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRequest {
    /// Address of the host; `None` for all of them, in both families.
    #[serde(default)]
    pub host_ip: Option<IpAddr>,
    /// Which of the host's.
    pub host_port: HostPort,
    /// First port in the pod.
    pub container_port: u16,
    /// How many.
    pub count: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// A port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPort {
    /// Any that is free.
    Free,
    /// This one, and those after it when several are published.
    From(u16),
    /// The first free one of these, both ends included.
    Within(u16, u16),
}

/// Protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the protocols'")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// A protocol that cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid protocol {0:?}: use tcp, udp or sctp")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(UnknownProtocol(text.to_owned())),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port that is published, one a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Address of the host; `0.0.0.0` and `::` for all.
    pub host_ip: IpAddr,
    /// Port of the host.
    pub host_port: u16,
    /// Port in the pod.
    pub container_port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// One pod's place on one network. Kept by whoever shows it; enough to disconnect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Name of the network.
    pub network: String,
    /// Id of the network.
    pub network_id: String,
    /// Id of the endpoint, 64 hex digits.
    pub id: String,
    /// Id of the pod.
    pub pod: String,
    /// Name of the container.
    pub name: String,
    /// All names on the network, the container's first.
    pub names: Vec<String>,
    /// Name of the interface in the pod.
    pub interface: String,
    /// Name of its other end on the host.
    pub host_interface: String,
    /// Hardware address.
    pub mac: Mac,
    /// Address and prefix.
    pub ipv4: Option<Subnet>,
    /// Address and prefix.
    pub ipv6: Option<Subnet>,
    /// The network has no way in or out.
    #[serde(default)]
    pub internal: bool,
    /// Default route, when it goes this way.
    pub gateway4: Option<IpAddr>,
    /// Default route, when it goes this way.
    pub gateway6: Option<IpAddr>,
    /// The bridge's addresses on the host, for `host-gateway`.
    pub host_addresses: Vec<IpAddr>,
    /// Bytes.
    pub mtu: u32,
    /// Ports published.
    pub ports: Vec<PublishedPort>,
}

/// What connecting gives.
#[derive(Debug)]
pub struct Connected {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The host's ports: keep it as long as the endpoint lives.
    pub holds: PortHolds,
    /// What did not go as asked, in words for a person.
    pub warnings: Vec<String>,
}

/// Sockets bound to the published ports of the host, so that no other process takes them unnoticed:
/// the kernel itself refuses with "address already in use".
#[derive(Debug, Default)]
#[must_use = "another process may take the ports once this is dropped"]
pub struct PortHolds(pub(crate) Vec<OwnedFd>);

impl PortHolds {
    /// Bound, and nothing else yet: where the kernel may not be told to lead packets elsewhere, whoever
    /// keeps them can listen on them and carry what comes.
    #[must_use]
    pub fn sockets(&self) -> &[OwnedFd] {
        &self.0
    }
}
