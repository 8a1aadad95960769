//! What can go wrong, in Docker's words where people search for them.

use crate::address::Subnet;
use crate::endpoint::Protocol;
use std::net::IpAddr;
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("network {name} not found")]
    NotFound { name: String },
    #[error("network id prefix {prefix} is ambiguous: give more digits")]
    Ambiguous { prefix: String },
    #[error("network with name {name} already exists")]
    NameTaken { name: String },
    #[error(
        "invalid network name {name:?}: use letters, digits, '_', '.' and '-', starting with a letter or digit"
    )]
    BadName { name: String },
    #[error("{name:?} is a pre-defined network and cannot be {action}")]
    Predefined { name: String, action: &'static str },
    #[error("network driver {driver:?} is not supported: use bridge")]
    Driver { driver: String },
    #[error("invalid network option {option}={value:?}: {expected}")]
    Option { option: String, value: String, expected: &'static str },
    #[error("invalid subnet {subnet}: {problem}")]
    Subnet { subnet: Subnet, problem: &'static str },
    #[error("invalid pool request: subnet {subnet} overlaps with {other}")]
    Overlap { subnet: Subnet, other: String },
    #[error(
        "all predefined address pools have been fully subnetted: name a free subnet with --subnet"
    )]
    PoolsExhausted,
    #[error("network {name} has active endpoints ({endpoints}): disconnect them first")]
    InUse { name: String, endpoints: String },
    #[error("network {network} has no free {family} addresses left")]
    AddressesExhausted { network: String, family: &'static str },
    #[error("address {address} is already in use on network {network}")]
    AddressTaken { address: IpAddr, network: String },
    #[error("invalid address {address}: {problem}")]
    Address { address: IpAddr, problem: String },
    #[error("invalid hardware address {mac}: it names a group of hosts")]
    Mac { mac: crate::address::Mac },
    #[error("invalid alias {alias:?}: a name has at most 253 letters, digits, '_', '.' and '-'")]
    Alias { alias: String },
    #[error("invalid interface name {name:?}: it has 1 to 15 characters, none of them '/' or ':'")]
    Interface { name: String },
    #[error("pod {pod} is already connected to network {network}")]
    AlreadyConnected { pod: String, network: String },
    #[error("cannot publish {host}:{port}/{protocol}: port is already allocated{holder}")]
    PortTaken { host: IpAddr, port: u16, protocol: Protocol, holder: String },
    #[error("no free port among {first}-{last}/{protocol} on {host}")]
    NoFreePort { host: IpAddr, first: u16, last: u16, protocol: Protocol },
    #[error("cannot publish {host}:{port}/{protocol}: {problem}")]
    Port { host: IpAddr, port: u16, protocol: Protocol, problem: String },
    #[error("network {name}: cannot {action}")]
    Kernel {
        name: String,
        action: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is damaged: {problem}; remove it once nothing uses the network")]
    Damaged { path: PathBuf, problem: String },
}
