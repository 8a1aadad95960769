//! The verbs on networks: records, and nothing of the kernel's.

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::files;
use crate::names::Names;
use crate::place::{Held, Place};
use crate::record::{DEFAULT_NETWORK, Network, NetworkSpec, plan};
use crate::site::{Need, Site};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use teu_sys::netlink::{Batch, Socket, within};

/// What an instance is.
#[derive(Debug, Clone)]
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
    /// Where links and rules are made; `None` for the caller's own network namespace.
    pub site: Option<Arc<dyn Site>>,
    /// Interfaces on one bridge before another is joined to it.
    pub shard_limit: u16,
    /// How long a [`crate::Keeper`] keeps a network that nobody is on.
    pub linger: Duration,
}

impl Config {
    /// The kernel takes 1023 ports on a bridge, but adding one costs it more the more there are:
    /// fewer keep the last connect as fast as the first. 32 bridges carry 8192 endpoints.
    pub const SHARD_LIMIT: u16 = 256;

    /// Making and removing a bridge and a table takes the kernel some 80 ms of waiting for its own
    /// readers: containers that are run one after another share them.
    pub const LINGER: Duration = Duration::from_secs(2);

    /// The usual settings.
    pub fn new(data: impl Into<PathBuf>, run: impl Into<PathBuf>, instance: &str) -> Self {
        Self {
            data: data.into(),
            run: run.into(),
            instance: instance.to_owned(),
            host_binding: None,
            site: None,
            shard_limit: Self::SHARD_LIMIT,
            linger: Self::LINGER,
        }
    }
}

/// The networks of one instance. Cheap to open; holds no descriptors and no state between calls.
#[derive(Debug, Clone)]
pub struct Networks {
    pub(crate) config: Config,
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
        let networks = Self { config };
        files::directory(&networks.records())?;
        files::directory(&networks.run())?;
        Ok(networks)
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.config.data.join("networks")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.config.run.join("networks")
    }

    pub(crate) fn record_path(&self, id: &str) -> PathBuf {
        self.records().join(format!("{id}.json"))
    }

    pub(crate) fn place(&self, id: &str) -> Place {
        Place::new(self.run().join(id))
    }

    /// Records a network; the kernel is asked what is free, not changed.
    pub fn create(&self, spec: NetworkSpec) -> Result<Network> {
        plan::check_name(&spec.name)?;
        let _lock = files::lock(&self.records().join(".lock"))?;
        let existing = self.all()?;
        if existing.iter().any(|network| network.name == spec.name) {
            return Err(Error::NameTaken { name: spec.name });
        }
        self.record(spec, &existing)
    }

    fn record(&self, spec: NetworkSpec, existing: &[Network]) -> Result<Network> {
        let taken = self.taken(existing, "")?;
        let created_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        let network = plan::network(spec, existing, &taken, random_id()?, created_ns)?;
        files::write_durably(&self.record_path(&network.id), &network)?;
        Ok(network)
    }

    /// All networks, the default one first, then by name.
    pub fn list(&self) -> Result<Vec<Network>> {
        let mut networks = self.all()?;
        if !networks.iter().any(Network::is_default) {
            networks.push(self.make_default()?);
        }
        networks.sort_by_key(|network| (!network.is_default(), network.name.clone()));
        Ok(networks)
    }

    fn all(&self) -> Result<Vec<Network>> {
        let mut networks = Vec::new();
        for name in files::names_in(&self.records())? {
            let Some(id) = name.strip_suffix(".json") else { continue };
            match files::read::<Network>(&self.record_path(id)) {
                Ok(network) => networks.extend(network),
                // Of one that cannot be read nothing is known, and the others are none the worse.
                Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(networks)
    }

    fn make_default(&self) -> Result<Network> {
        let _lock = files::lock(&self.records().join(".lock"))?;
        let existing = self.all()?;
        if let Some(network) = existing.iter().find(|network| network.is_default()) {
            return Ok(network.clone());
        }
        let spec = NetworkSpec { name: DEFAULT_NETWORK.to_owned(), ..NetworkSpec::default() };
        self.record(spec, &existing)
    }

    /// One network by name (`default` is another name of the default one), id or unique prefix of
    /// an id.
    pub fn inspect(&self, name: &str) -> Result<Network> {
        let name = if matches!(name, "" | "default") { DEFAULT_NETWORK } else { name };
        let mut found: Vec<_> = Vec::new();
        for network in self.all()? {
            if network.name == name || network.id == name {
                return Ok(network);
            }
            if network.id.starts_with(name) {
                found.push(network);
            }
        }
        match found.len() {
            0 if name == DEFAULT_NETWORK => self.make_default(),
            0 => Err(Error::NotFound { name: name.to_owned() }),
            1 => Ok(found.remove(0)),
            _ => Err(Error::Ambiguous { prefix: name.to_owned() }),
        }
    }

    /// Endpoints on a network.
    pub fn endpoints(&self, network: &Network) -> Result<Vec<Endpoint>> {
        let held = self.place(&network.id).all_held()?;
        Ok(held.into_iter().map(|held| held.endpoint).collect())
    }

    /// Endpoints of a pod, on any network.
    pub fn endpoints_of(&self, pod: &str) -> Result<Vec<Endpoint>> {
        self.endpoints_among(&self.in_use()?, pod)
    }

    /// Ids of the networks that are in the kernel, for [`Networks::endpoints_among`].
    pub fn in_use(&self) -> Result<Vec<String>> {
        files::names_in(&self.run())
    }

    /// Endpoints of a pod on some networks. Who asks for many pods looks the networks up once.
    pub fn endpoints_among(&self, networks: &[String], pod: &str) -> Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        for id in networks {
            let held: Option<Held> = self.place(id).held(pod)?;
            endpoints.extend(held.map(|held| held.endpoint));
        }
        Ok(endpoints)
    }

    /// Removes a network's record; refuses while endpoints exist.
    pub fn remove(&self, name: &str) -> Result<()> {
        let network = self.inspect(name)?;
        if network.is_default() {
            return Err(Error::Predefined { name: network.name, action: "removed" });
        }
        let place = self.place(&network.id);
        place.make()?;
        let _lock = place.lock()?;
        let held = place.all_held()?;
        if !held.is_empty() {
            let names: Vec<_> = held.iter().map(|held| held.endpoint.name.as_str()).collect();
            return Err(Error::InUse { name: network.name, endpoints: names.join(", ") });
        }
        if place.active()?.is_some() {
            self.on_site(Need::Undo, |_| {
                let mut kernel = crate::kernel::Kernel::open(&network.name)?;
                self.finish_all_leaving(&mut kernel, &place)?;
                self.deactivate(&place)
            })?;
        }
        self.unmark(&network.id)?;
        files::remove(&self.record_path(&network.id))?;
        place.delete()
    }

    /// Removes networks without endpoints, but for the default one and those that `keep` names
    /// (stopped containers want them).
    pub fn prune(&self, keep: &dyn Fn(&Network) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for network in self.all()? {
            if network.is_default() || keep(&network) {
                continue;
            }
            match self.remove(&network.id) {
                Ok(()) => pruned.networks.push(network.name),
                Err(Error::InUse { .. } | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    /// The names that a pod with these endpoints sees.
    pub fn names(&self, endpoints: &[Endpoint]) -> Names {
        Names::new(&self.config.run, endpoints)
    }

    /// Subnets that the host or another network has.
    pub(crate) fn taken(
        &self,
        existing: &[Network],
        except: &str,
    ) -> Result<Vec<crate::pool::Taken>> {
        let mut taken = Vec::new();
        for network in existing.iter().filter(|network| network.id != except) {
            taken.extend(network.subnets.iter().map(|pool| crate::pool::Taken {
                subnet: pool.subnet,
                by: format!("{} of network {}", pool.subnet, network.name),
            }));
        }
        taken.extend(crate::active::host_subnets()?);
        Ok(taken)
    }

    /// Likewise, for a network that is being brought up.
    pub(crate) fn taken_but_for(&self, id: &str) -> Result<Vec<crate::pool::Taken>> {
        self.taken(&self.all()?, id)
    }
}

/// 64 hex digits.
pub(crate) fn random_id() -> Result<String> {
    use std::fmt::Write;
    let mut bytes = [0u8; 32];
    crate::random(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Brings up the loopback interface of a namespace. The calling thread visits it and comes back.
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<()> {
    let up = || {
        let mut socket = within(netns, Socket::route)?;
        let mut batch = Batch::default();
        batch.up(LOOPBACK);
        socket.apply(batch).map_err(std::io::Error::from)
    };
    up().map_err(|source| Error::Kernel {
        name: "none".to_owned(),
        action: "bring the loopback interface up".to_owned(),
        source,
    })
}

/// Number of the loopback interface in every namespace.
pub(crate) const LOOPBACK: u32 = 1;
