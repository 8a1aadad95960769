//! Networks joined and left after a container was made.

use crate::ask::ask;
use crate::record::network::{EndpointRecord, NetworkChoice};
use crate::shim::protocol::Request;
use crate::{Containers, Error, Found, Result};

impl Containers {
    /// Joins a network: at once where it runs, and at every later start.
    pub fn connect(&self, name: &str, mut endpoint: EndpointRecord) -> Result<()> {
        endpoint.network = self.networks.inspect(&endpoint.network)?.name;
        let found = self.find(name)?;
        let mut list = self.endpoints(&found)?;
        if list.iter().any(|present| present.network == endpoint.network) {
            return Err(Error::AlreadyConnected {
                container: found.record.name,
                network: endpoint.network,
            });
        }
        if found.state.needs_shim() {
            let request = Request::Connect { endpoint: endpoint.clone() };
            ask(&self.running_shim(&found)?, &found.pod.id, &request, &[])?;
        }
        list.push(endpoint.clone());
        self.keep_endpoints(&found, list)?;
        self.journal_network(&found, &endpoint.network, "connect");
        Ok(())
    }

    /// Leaves one.
    pub fn disconnect(&self, name: &str, network: &str) -> Result<()> {
        let network = match self.networks.inspect(network) {
            Ok(network) => network.name,
            // A network that has gone can still be left.
            Err(_) => network.to_owned(),
        };
        let found = self.find(name)?;
        let mut list = self.endpoints(&found)?;
        let before = list.len();
        list.retain(|present| present.network != network);
        if list.len() == before {
            return Err(Error::NotConnected { container: found.record.name, network });
        }
        if found.state.needs_shim() {
            let request = Request::Disconnect { network: network.clone() };
            ask(&self.running_shim(&found)?, &found.pod.id, &request, &[])?;
        }
        self.keep_endpoints(&found, list)?;
        self.journal_network(&found, &network, "disconnect");
        Ok(())
    }

    fn endpoints(&self, found: &Found) -> Result<Vec<EndpointRecord>> {
        match &found.pod.network.choice {
            NetworkChoice::Networks(list) => Ok(list.clone()),
            NetworkChoice::None => Ok(Vec::new()),
            NetworkChoice::Host => Err(Error::Refused(
                "container cannot be disconnected from host network or connected to host network",
            )),
            NetworkChoice::Container(_) => Err(Error::Refused(
                "container sharing network namespace with another container or host cannot be connected to any other network",
            )),
        }
    }

    fn keep_endpoints(&self, found: &Found, list: Vec<EndpointRecord>) -> Result<()> {
        let _lock = self.lock_pod(&found.pod.id)?;
        let Some(mut pod) = self.read_pod(&found.pod.id)? else {
            return Err(Error::NoSuchContainer(found.record.id.clone()));
        };
        pod.network.choice = match list.is_empty() {
            true => NetworkChoice::None,
            false => NetworkChoice::Networks(list),
        };
        self.write_pod(&pod)
    }

    fn journal_network(&self, found: &Found, network: &str, action: &str) {
        let attributes = [
            ("container".to_owned(), found.record.id.clone()),
            ("name".to_owned(), network.to_owned()),
            ("type".to_owned(), "bridge".to_owned()),
        ];
        let event = crate::events::Event::new("network", action, network, attributes.into());
        let _ = self.emit(&event);
    }
}
