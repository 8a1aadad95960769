//! Names on networks, for the DNS server in the pods.

use crate::endpoint::Endpoint;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Bearers of one name that are told; an answer has no room for more anyway.
const BEARERS_MAX: usize = 64;

/// The names that a pod sees: those of the networks it is connected to. Each look-up reads a
/// directory that holds one entry for each bearer of the name: its cost does not grow with the
/// number of endpoints, and what was connected since is seen.
#[derive(Debug, Clone)]
pub struct Names {
    networks: Vec<(PathBuf, String)>,
}

impl Names {
    /// The names on the networks of a pod's endpoints. `run` is that of [`crate::Config`].
    pub fn new(run: &Path, endpoints: &[Endpoint]) -> Self {
        let place = |endpoint: &Endpoint| run.join("networks").join(&endpoint.network_id);
        let networks = endpoints
            .iter()
            .map(|endpoint| (place(endpoint), endpoint.network.to_ascii_lowercase()))
            .collect();
        Self { networks }
    }

    fn bearers(dir: &Path, found: &mut Vec<IpAddr>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries.take(BEARERS_MAX).flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let addresses = target.to_string_lossy();
            let addresses = addresses.split(',').filter_map(|text| text.parse::<IpAddr>().ok());
            for address in addresses {
                if !found.contains(&address) {
                    found.push(address);
                }
            }
        }
    }
}

impl teu_dns::Zone for Names {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        // A name from the wire becomes a path here.
        crate::place::check_component(name).ok()?;
        let mut found = Vec::new();
        for (place, network) in &self.networks {
            let names = place.join("names");
            Self::bearers(&names.join(name), &mut found);
            let short = name.strip_suffix(network.as_str()).and_then(|rest| rest.strip_suffix('.'));
            if let Some(short) = short.filter(|short| !short.is_empty()) {
                Self::bearers(&names.join(short), &mut found);
            }
        }
        (!found.is_empty()).then_some(found)
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.networks.iter().find_map(|(place, _)| {
            let target = fs::read_link(place.join("reverse").join(address.to_string())).ok()?;
            target.into_os_string().into_string().ok()
        })
    }
}
