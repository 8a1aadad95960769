//! A network as it is kept: what was asked for, and the subnets it got.

use crate::address::Subnet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub mod plan;

/// Name of the network that always exists.
pub const DEFAULT_NETWORK: &str = "bridge";

/// What a person asks for with `network create`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Unique; letters, digits, `_`, `.`, `-`; starts with a letter or digit.
    pub name: String,
    /// `bridge` or empty.
    pub driver: String,
    /// Subnets wanted; a family that is not named gets one from the pool (IPv6 unless turned off).
    pub subnets: Vec<SubnetSpec>,
    /// No way out of the network, nor in.
    pub internal: bool,
    /// `Some(false)` for IPv4 only, `Some(true)` to refuse a machine without IPv6.
    pub ipv6: Option<bool>,
    /// `Some(false)` for IPv6 only.
    pub ipv4: Option<bool>,
    /// Options of the driver, Docker's names (`com.docker.network.bridge.name`, …) or short ones:
    /// `mtu`, `bridge`, `icc`, `masquerade`, `host-binding`, `isolate`.
    pub options: BTreeMap<String, String>,
    /// Labels; never control input.
    pub labels: BTreeMap<String, String>,
}

/// A subnet that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetSpec {
    /// The network.
    pub subnet: Subnet,
    /// The bridge's address; the first of the subnet unless given.
    pub gateway: Option<IpAddr>,
    /// Where addresses are taken from; the whole subnet unless given.
    pub range: Option<Subnet>,
}

/// A network that exists. The record's id is 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Unique name.
    pub name: String,
    /// 64 hex digits.
    pub id: String,
    /// Nanoseconds since the epoch.
    pub created_ns: i64,
    /// Always `bridge`.
    pub driver: String,
    /// One a family at most, IPv4 first. Chosen ones may move while nothing is connected.
    pub subnets: Vec<Pool>,
    /// No way out of the network, nor in.
    #[serde(default)]
    pub internal: bool,
    /// Name of the bridge, when a person chose it.
    #[serde(default)]
    pub bridge: Option<String>,
    /// Bytes; 0 for that of the interface with the default route.
    #[serde(default)]
    pub mtu: u32,
    /// Whether endpoints may talk to each other.
    #[serde(default = "yes")]
    pub icc: bool,
    /// Whether what leaves carries the host's address.
    #[serde(default = "yes")]
    pub masquerade: bool,
    /// Whether other networks of Teu are kept out.
    #[serde(default = "yes")]
    pub isolate: bool,
    /// Address of the host where ports are published unless a port says otherwise.
    #[serde(default)]
    pub host_binding: Option<IpAddr>,
    /// Whether names are answered with IPv6 addresses too: where somebody asked for IPv6, or there is
    /// nothing else. Many servers listen on `0.0.0.0` alone, and clients try IPv6 first.
    #[serde(default)]
    pub names_ipv6: bool,
    /// Options as they were given.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A subnet with its gateway and the range its addresses come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The network.
    pub subnet: Subnet,
    /// The bridge's address.
    pub gateway: IpAddr,
    /// Where addresses are taken from.
    #[serde(default)]
    pub range: Option<Subnet>,
    /// Chosen by Teu, not by a person.
    #[serde(default)]
    pub chosen: bool,
}

fn yes() -> bool {
    true
}

impl Network {
    /// Whether it is the one that always exists; containers are not found by name on it, as in
    /// Docker.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_NETWORK
    }

    /// The subnet of IPv4 addresses.
    pub fn ipv4(&self) -> Option<&Pool> {
        self.subnets.iter().find(|pool| pool.subnet.is_ipv4())
    }

    /// The subnet of IPv6 addresses.
    pub fn ipv6(&self) -> Option<&Pool> {
        self.subnets.iter().find(|pool| !pool.subnet.is_ipv4())
    }
}
