//! The names that a pod sees: those on its networks, and its own links.

use crate::Home;
use crate::record::PodRecord;
use std::net::IpAddr;
use teu_dns::Zone;
use teu_network::{Endpoint, Names};

/// Names on the pod's networks, plus what `--link` calls them.
#[derive(Debug)]
pub(super) struct PodZone {
    names: Names,
    /// Alias and target, in lower case.
    links: Vec<(String, String)>,
}

impl PodZone {
    pub(super) fn new(home: &Home, record: &PodRecord, endpoints: &[Endpoint]) -> Self {
        // On the default network containers are not found by name, as in Docker.
        let named: Vec<Endpoint> = endpoints
            .iter()
            .filter(|endpoint| endpoint.network != teu_network::DEFAULT_NETWORK)
            .cloned()
            .collect();
        let links = record.network.links.iter();
        let links = links
            .filter_map(|link| link.split_once(':'))
            .map(|(target, alias)| (alias.to_lowercase(), target.to_lowercase()))
            .collect();
        Self { names: Names::new(&home.run, &named), links }
    }
}

impl Zone for PodZone {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let link = self.links.iter().find(|(alias, _)| alias == name);
        self.names.addresses(link.map_or(name, |(_, target)| target))
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        self.names.name_of(address)
    }

    fn otherwise(&self, name: &str) -> teu_dns::Answer {
        self.names.otherwise(name)
    }
}
