//! What the containers of a pod share: namespaces held by descriptors, network, names, files.
//!
//! Set up when the first container starts, taken down when the last has ended. There is no pause
//! process: a namespace lives as long as the shim's descriptor of it.

use super::failure::Failure;
use super::reactor::Reactor;
use super::relay::Relays;
use crate::Home;
use crate::record::network::EndpointRecord;
use crate::record::{ContainerRecord, NamespaceMode, NetworkChoice, PodRecord};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use teu_network::{Departure, Endpoint, EndpointRequest, Networks, PortHolds};
use teu_oci::runtime::linux::Resources;
use teu_runtime::cgroup::Cgroup;

mod ports;
mod redirect;
mod sandbox;
mod shm;
mod texts;
mod zone;

pub(super) use sandbox::other;
use shm::Shm;
use zone::PodZone;

/// A pod that is set up.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) record: PodRecord,
    home: Home,
    network: Option<OwnedFd>,
    ipc: Option<OwnedFd>,
    uts: Option<OwnedFd>,
    shm: Option<Shm>,
    /// Pid namespace that all containers share, held by its first process.
    pub(super) reaper: Option<sandbox::Reaper>,
    cgroup: Option<Cgroup>,
    endpoints: Vec<Endpoint>,
    holds: Vec<(String, PortHolds)>,
    names: Option<Server>,
    /// What was left out, told to the command that starts.
    pub(super) warnings: Vec<String>,
}

/// The name server and what it serves.
#[derive(Debug)]
pub(super) struct Server {
    server: teu_dns::Server,
    zone: PodZone,
}

impl Pod {
    /// Sets a pod up for its containers; takes everything down again where a step fails.
    pub(super) fn set_up(
        home: &Home,
        record: PodRecord,
        containers: &[ContainerRecord],
    ) -> Result<Self, Failure> {
        let made = sandbox::namespaces(home, &record)?;
        let shm = Shm::new(&record)?;
        let mut pod = Self {
            home: home.clone(),
            network: made.network,
            ipc: made.ipc,
            uts: made.uts,
            shm,
            reaper: None,
            cgroup: None,
            endpoints: Vec::new(),
            holds: Vec::new(),
            names: None,
            warnings: Vec::new(),
            record,
        };
        match pod.furnish(containers) {
            Ok(()) => Ok(pod),
            Err(failure) => {
                // What fails is left to the next command.
                let _ = pod.take_down().map(Departure::finish);
                Err(failure)
            }
        }
    }

    fn furnish(&mut self, containers: &[ContainerRecord]) -> Result<(), Failure> {
        if !self.record.implicit {
            let path = self.home.pod_cgroup(&self.record);
            self.cgroup = Some(Cgroup::create(&path, &self.record.resources)?);
        }
        if self.record.share_pid {
            // Version 2 has no processes where there are controllers for groups below.
            let path = format!("{}/reaper", self.home.pod_cgroup(&self.record));
            let own = match self.cgroup {
                Some(_) => Some(Cgroup::create(&path, &Resources::default())?),
                None => None,
            };
            self.reaper = Some(sandbox::Reaper::start(own.as_ref())?);
        }
        if let NetworkChoice::Networks(endpoints) = self.record.network.choice.clone() {
            let main = self.main_network(&endpoints);
            for (index, endpoint) in endpoints.iter().enumerate() {
                self.join(endpoint, index, index == main, containers)?;
            }
            self.write_endpoints()?;
            if let Some(problem) = crate::rootless::no_way_out(&self.home) {
                let warning =
                    format!("containers of this user do not reach beyond this machine: {problem}");
                self.warnings.push(warning);
            }
        }
        self.write_texts(containers)?;
        self.serve_names(containers)
    }

    // === networks ===

    fn networks(&self) -> Result<Networks, Failure> {
        Ok(Networks::open(self.home.networks())?)
    }

    /// Which of the networks has the default route and the published ports: the first with a way out, as
    /// in Docker.
    fn main_network(&self, asked: &[EndpointRecord]) -> usize {
        let has_way_out = |asked: &EndpointRecord| {
            let network = self.networks().ok()?.inspect(&asked.network).ok()?;
            (!network.internal).then_some(())
        };
        match asked {
            // Nothing is to be chosen, and nothing looked up.
            [] | [_] => 0,
            several => several.iter().position(|one| has_way_out(one).is_some()).unwrap_or(0),
        }
    }

    fn join(
        &mut self,
        asked: &EndpointRecord,
        index: usize,
        main: bool,
        containers: &[ContainerRecord],
    ) -> Result<(), Failure> {
        let Some(namespace) = &self.network else {
            return Err(Failure::Refused { what: "the pod has no network namespace of its own" });
        };
        let (name, aliases) = ports::names(&self.record, containers, &asked.aliases);
        let published = self.endpoints.iter().any(|endpoint| !endpoint.ports.is_empty());
        let request = EndpointRequest {
            network: asked.network.clone(),
            pod: self.record.id.clone(),
            name,
            aliases,
            ipv4: ports::ipv4(asked)?,
            ipv6: ports::ipv6(asked)?,
            mac: ports::mac(asked)?,
            interface: format!("eth{index}"),
            secondary: !main,
            ports: match main && !published {
                true => ports::requests(&self.record, containers)?,
                false => Vec::new(),
            },
        };
        let connected = self.networks()?.connect(&request, namespace.as_fd())?;
        self.holds.push((connected.endpoint.network_id.clone(), connected.holds));
        self.endpoints.push(connected.endpoint);
        self.warnings.extend(connected.warnings);
        Ok(())
    }

    /// Joins one more network while the pod runs.
    pub(super) fn connect(
        &mut self,
        asked: &EndpointRecord,
        containers: &[ContainerRecord],
    ) -> Result<Vec<String>, Failure> {
        let network = self.networks()?.inspect(&asked.network)?;
        if self.endpoints.iter().any(|endpoint| endpoint.network_id == network.id) {
            return Err(Failure::Refused { what: "the pod is already on that network" });
        }
        // The first free interface name.
        let taken = |index: &usize| {
            self.endpoints.iter().any(|endpoint| endpoint.interface == format!("eth{index}"))
        };
        let index = (0..).find(|index| !taken(index)).unwrap_or_default();
        let main = self.endpoints.is_empty() || !self.has_way_out() && !network.internal;
        self.join(asked, index, main, containers)?;
        self.write_endpoints()?;
        self.write_texts(containers)?;
        self.serve_names(containers)?;
        Ok(std::mem::take(&mut self.warnings))
    }

    /// Whether one of its networks leads anywhere.
    fn has_way_out(&self) -> bool {
        self.endpoints.iter().any(|endpoint| !endpoint.internal)
    }

    /// Leaves a network while the pod runs.
    pub(super) fn disconnect(
        &mut self,
        network: &str,
        containers: &[ContainerRecord],
    ) -> Result<(), Failure> {
        let at = self
            .endpoints
            .iter()
            .position(|e| e.network == network || e.network_id == network)
            .ok_or(Failure::Refused { what: "the pod is not on that network" })?;
        let networks = self.networks()?;
        networks.disconnect(&self.endpoints[at])?;
        let gone = self.endpoints.remove(at);
        self.holds.retain(|(id, _)| *id != gone.network_id);
        self.write_endpoints()?;
        self.write_texts(containers)?;
        self.serve_names(containers)
    }

    /// Containers came or went: their names are found on the pod's networks.
    pub(super) fn renamed(&mut self, containers: &[ContainerRecord]) -> Result<(), Failure> {
        if self.endpoints.is_empty() {
            return Ok(());
        }
        let networks = self.networks()?;
        for endpoint in &mut self.endpoints {
            let (name, mut names) = ports::names(&self.record, containers, &[]);
            names.insert(0, name);
            *endpoint = networks.rename(endpoint, &names)?;
        }
        self.write_endpoints()
    }

    fn write_endpoints(&self) -> Result<(), Failure> {
        let path = self.home.pod_run(&self.record.id).join("endpoints.json");
        super::records::write(&path, &self.endpoints)
    }

    /// Where the kernel may not be told to lead them, the shim listens on the pod's ports.
    pub(super) fn publish(&self, relays: &mut Relays, reactor: &Reactor) -> Result<(), Failure> {
        match teu_sys::namespace::is_own_user_namespace() {
            true => relays.follow(&self.endpoints, &self.holds, reactor),
            false => Ok(()),
        }
    }

    // === names ===

    /// Serves names in the pod where it is on a network with names; closes the server elsewhere.
    fn serve_names(&mut self, containers: &[ContainerRecord]) -> Result<(), Failure> {
        let led = redirect::is_wanted(&self.record, containers);
        let served = self.endpoints.iter().any(|e| e.network != teu_network::DEFAULT_NETWORK);
        let wanted = served || self.needs_forwarder();
        match (&mut self.names, &self.network) {
            (Some(_), _) if wanted => {
                let upstreams = self.upstreams();
                if let Some(names) = &mut self.names {
                    names.server.set_upstreams(upstreams);
                    names.zone = PodZone::new(&self.home, &self.record, &self.endpoints);
                }
            }
            (None, Some(namespace)) if wanted => {
                let what = "open the pod's name server at";
                let path = Path::new(super::files::NAMESERVER);
                let sockets = listen(namespace, led).map_err(Failure::io(what, path))?;
                let server = teu_dns::Server::new(sockets, self.upstreams())
                    .map_err(Failure::io(what, path))?;
                let zone = PodZone::new(&self.home, &self.record, &self.endpoints);
                self.names = Some(Server { server, zone });
            }
            _ => self.names = None,
        }
        Ok(())
    }

    /// The name server's descriptor, for the loop.
    pub(super) fn names(&self) -> Option<&teu_dns::Server> {
        self.names.as_ref().map(|names| &names.server)
    }

    /// Somebody asked for a name. `false` when the server is of no use any more.
    pub(super) fn answer(&mut self) -> bool {
        let Some(Server { server, zone }) = &mut self.names else { return false };
        let alive = server.handle(zone).is_ok();
        if !alive {
            self.names = None;
        }
        alive
    }

    // === what a container is given ===

    /// Namespaces and files of this pod for one of its containers.
    pub(super) fn namespaces(
        &self,
        container: &ContainerRecord,
    ) -> Result<crate::plan::Namespaces, Failure> {
        let path = |fd: &Option<OwnedFd>| fd.as_ref().map(descriptor);
        let pid = match (&self.reaper, &container.pid_mode) {
            (_, NamespaceMode::Container(id)) => Some(other(&self.home, id, "pid")?),
            (Some(reaper), NamespaceMode::Private) => Some(reaper.namespace()),
            _ => None,
        };
        Ok(crate::plan::Namespaces {
            network: path(&self.network),
            ipc: path(&self.ipc),
            uts: path(&self.uts),
            pid,
            user: None,
        })
    }

    /// Whether a person made it for several containers.
    pub(super) fn is_shared(&self) -> bool {
        !self.record.implicit
    }

    /// The pod's host name.
    pub(super) fn hostname(&self) -> String {
        texts::hostname(&self.record)
    }

    /// A mount of the shared `/dev/shm` for one container, to be kept until it has started.
    pub(super) fn shm(&self) -> Result<Option<OwnedFd>, Failure> {
        self.shm.as_ref().map(Shm::copy).transpose()
    }

    /// The folder with `hosts`, `hostname` and `resolv.conf`.
    pub(super) fn files(&self) -> PathBuf {
        self.home.pod(&self.record.id)
    }

    // === end ===

    /// Gives everything back; what is left are links on networks, to be removed when everybody has
    /// been answered. What fails is left to the next command's repair.
    pub(super) fn take_down(&mut self) -> Option<Departure> {
        self.names = None;
        if let Some(reaper) = self.reaper.take() {
            reaper.end();
        }
        let networked = matches!(self.record.network.choice, NetworkChoice::Networks(_));
        let departure = match self.networks() {
            Ok(networks) if networked || !self.endpoints.is_empty() => {
                networks.leave(&self.record.id).ok().flatten()
            }
            _ => None,
        };
        self.endpoints.clear();
        self.holds.clear();
        if let Some(cgroup) = self.cgroup.take() {
            let _ = cgroup.kill_all();
            let _ = cgroup.delete();
        }
        departure
    }
}

/// Opens the name server's sockets in a pod; `led` where port 53 is wanted by the pod itself.
fn listen(namespace: &OwnedFd, led: bool) -> std::io::Result<teu_dns::Sockets> {
    let port = if led { 0 } else { redirect::PORT };
    let sockets = teu_dns::bind_in(namespace.as_fd(), (redirect::ADDRESS, port).into())?;
    if led {
        redirect::lead(namespace.as_fd(), &sockets)?;
    }
    Ok(sockets)
}

/// Path of a descriptor of ours, for the child that inherits it.
pub(super) fn descriptor(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

pub(super) fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Failure> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(Failure::errno("open", path))
}
