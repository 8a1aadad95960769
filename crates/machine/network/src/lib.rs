//! Networks of one machine: desired state applied to the kernel over netlink.
//!
//! A network is a record (`<data>/networks/<id>.json`) until its first endpoint connects: then its
//! subnet is claimed by an `unreachable` route, its bridge is made, and the instance's own nftables
//! table appears. The last endpoint takes all of it away again: at once, or, where a [`Keeper`] was
//! left behind, after the network has been idle for [`Config::linger`]. What an endpoint holds stands
//! in `<run>/networks/<id>/`, written before the kernel is touched, so that [`Networks::repair`] can
//! give back what a killed process held.
//!
//! Refuses: rules in foreign tables, `accept` verdicts that override the host's firewall, helper
//! binaries, userland proxies, and any work that grows with the number of endpoints on the path of
//! a connect.
//!
//! Start reading at [`Networks`]; the rules are drawn in `docs/networking.md`.
#![forbid(unsafe_code)]

mod active;
mod address;
mod claim;
mod connect;
mod disconnect;
mod endpoint;
mod error;
mod files;
mod firewall;
mod forwarding;
mod keeper;
mod kernel;
mod lease;
mod names;
mod networks;
mod place;
mod pool;
mod ports;
mod record;
mod repair;
mod site;

pub use address::{Mac, ParseError, Subnet};
pub use claim::Claim;
pub use disconnect::Departure;
pub use endpoint::{
    Connected, Endpoint, EndpointRequest, HostPort, PortHolds, PortRequest, Protocol,
    PublishedPort, UnknownProtocol,
};
pub use error::{Error, Result};
pub use keeper::Keeper;
pub use names::Names;
pub use networks::{Config, Networks, Pruned, loopback_up};
pub use record::{DEFAULT_NETWORK, Network, NetworkSpec, Pool, SubnetSpec};
pub use site::{Need, Site};

/// Fills a buffer from the kernel's source of randomness.
fn random(buffer: &mut [u8]) -> Result<()> {
    let mut fill = || {
        let mut filled = 0;
        while filled < buffer.len() {
            filled += rustix::rand::getrandom(
                &mut buffer[filled..],
                rustix::rand::GetRandomFlags::empty(),
            )?;
        }
        Ok::<_, rustix::io::Errno>(())
    };
    fill().map_err(|errno| Error::Kernel {
        name: "new".to_owned(),
        action: "get randomness".to_owned(),
        source: errno.into(),
    })
}
