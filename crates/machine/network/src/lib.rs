//! Networks of one machine: desired state applied to the kernel over netlink.
//!
//! A network is a record (`<data>/networks/<id>.json`) until its first endpoint connects: then its
//! subnet is claimed by an `unreachable` route, its bridge is made, and the instance's own nftables
//! table appears. The last endpoint takes all of it away again. What an endpoint holds stands in
//! `<run>/networks/<id>/`, written before the kernel is touched, so that [`Networks::repair`] can
//! give back what a killed process held.
//!
//! Refuses: rules in foreign tables, `accept` verdicts that override the host's firewall, helper
//! binaries, userland proxies, and any work that grows with the number of endpoints on the path of
//! a connect.
//!
//! Start reading at [`Networks`]; the rules are drawn in `docs/networking.md`.
#![forbid(unsafe_code)]

mod address;
mod endpoint;
mod error;
mod names;
mod networks;
mod record;

pub use address::{Mac, Subnet};
pub use endpoint::{
    Connected, Endpoint, EndpointRequest, HostPort, PortHolds, PortRequest, Protocol, PublishedPort,
};
pub use error::{Error, Result};
pub use names::Names;
pub use networks::{Config, Networks, Pruned, loopback_up};
pub use record::{DEFAULT_NETWORK, Network, NetworkSpec, SubnetSpec};
