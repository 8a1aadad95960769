//! The verbs on networks and endpoints.

use crate::endpoint::{Connected, Endpoint, EndpointRequest};
use crate::error::{Error, Result};
use crate::names::Names;
use crate::record::{Network, NetworkSpec};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// What an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `Home::data`: records go to `networks/` beneath.
    pub data: PathBuf,
    /// `Home::run`: locks, leases and endpoints go to `networks/` beneath.
    pub run: PathBuf,
    /// `Home::instance`: part of the names of the table and the default bridge.
    pub instance: String,
    /// Address of the host where ports are published unless a port or a network says otherwise;
    /// `None` for all.
    pub host_binding: Option<IpAddr>,
    /// Interfaces on one bridge before another is joined to it.
    pub shard_limit: u32,
}

impl Config {
    /// Interfaces on one bridge: the kernel takes 1023, one is the trunk to its neighbour.
    pub const SHARD_LIMIT: u32 = 1000;

    /// The usual settings.
    pub fn new(data: impl Into<PathBuf>, run: impl Into<PathBuf>, instance: &str) -> Self {
        Self {
            data: data.into(),
            run: run.into(),
            instance: instance.to_owned(),
            host_binding: None,
            shard_limit: Self::SHARD_LIMIT,
        }
    }
}

/// The networks of one instance. Cheap to open; holds no descriptors and no state between calls.
#[derive(Debug, Clone)]
pub struct Networks {
    config: Config,
}

/// What a prune took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names.
    pub networks: Vec<String>,
}

impl Networks {
    /// Makes the directories. The default network is recorded when it is first asked for.
    pub fn open(config: Config) -> Result<Self> {
        Ok(Self { config })
    }

    /// Records a network; the kernel is not touched.
    pub fn create(&self, spec: NetworkSpec) -> Result<Network> {
        Err(Error::BadName { name: spec.name })
    }

    /// All networks, the default one first.
    pub fn list(&self) -> Result<Vec<Network>> {
        Ok(Vec::new())
    }

    /// One network by name, id or unique prefix of an id.
    pub fn inspect(&self, name: &str) -> Result<Network> {
        Err(Error::NotFound { name: name.to_owned() })
    }

    /// Endpoints on a network.
    pub fn endpoints(&self, _network: &Network) -> Result<Vec<Endpoint>> {
        Ok(Vec::new())
    }

    /// Endpoints of a pod, on any network.
    pub fn endpoints_of(&self, _pod: &str) -> Result<Vec<Endpoint>> {
        Ok(Vec::new())
    }

    /// Removes a network's record; refuses while endpoints exist.
    pub fn remove(&self, name: &str) -> Result<()> {
        Err(Error::NotFound { name: name.to_owned() })
    }

    /// Removes networks without endpoints that `keep` does not name (those that stopped containers
    /// want).
    pub fn prune(&self, _keep: &dyn Fn(&Network) -> bool) -> Result<Pruned> {
        Ok(Pruned::default())
    }

    /// Connects the namespace: address, interface, routes, published ports. All or nothing. The
    /// calling thread visits the namespace and comes back.
    pub fn connect(&self, request: &EndpointRequest, _netns: BorrowedFd<'_>) -> Result<Connected> {
        Err(Error::NotFound { name: request.network.clone() })
    }

    /// Adds or removes names of an endpoint (containers that join or leave the pod).
    pub fn rename(&self, _endpoint: &Endpoint, _names: &[String]) -> Result<Endpoint> {
        Err(Error::NotFound { name: String::new() })
    }

    /// Undoes a connect; the namespace may be long gone. Nothing to undo is no error.
    pub fn disconnect(&self, _endpoint: &Endpoint) -> Result<()> {
        Ok(())
    }

    /// Undoes all of a pod's connects.
    pub fn disconnect_pod(&self, _pod: &str) -> Result<()> {
        Ok(())
    }

    /// Gives back what pods held that are not alive any more, and makes anew what somebody else
    /// took away (`nft flush ruleset`). Returns the pods that were given up.
    pub fn repair(&self, _live: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The names that a pod with these endpoints sees.
    pub fn names(&self, endpoints: &[Endpoint]) -> Names {
        Names::new(&self.config.run, endpoints)
    }
}

/// Brings up the loopback interface of a namespace. The calling thread visits it and comes back.
pub fn loopback_up(_netns: BorrowedFd<'_>) -> Result<()> {
    Ok(())
}
