//! Connecting a pod.
//!
//! ```text
//! lease ▶ ports bound ▶ endpoints/<pod>.json ▶ link ▶ addresses, routes ▶ table ▶ names
//! ```
//! The way back is in [`crate::disconnect`]; a connect that fails takes it too.

use crate::address::{Mac, Subnet};
use crate::endpoint::{Connected, Endpoint, EndpointRequest, PortHolds};
use crate::error::{Error, Result};
use crate::files;
use crate::forwarding;
use crate::kernel::Kernel;
use crate::lease::{Leases, SHARDS_MAX, Window};
use crate::networks::{LOOPBACK, Networks, random_id};
use crate::place::{Active, Held, Place, addresses, check_component};
use crate::ports::Scope;
use crate::record::{Pool, plan};
use crate::site::{Need, Reserve};
use rustix::io::Errno;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use teu_sys::netlink::route::{Port, Route, Veth, Way};
use teu_sys::netlink::{Batch, Socket, within};

pub mod publish;

/// A connect, and how ports are kept for it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a EndpointRequest,
    netns: BorrowedFd<'a>,
    reserve: &'a Reserve<'a>,
}

const INTERFACE: &str = "eth0";

impl Networks {
    /// Connects the namespace: address, interface, routes, published ports. All or nothing. The
    /// calling thread visits the namespace and comes back.
    pub fn connect(&self, request: &EndpointRequest, netns: BorrowedFd<'_>) -> Result<Connected> {
        check(request)?;
        self.on_site(Need::Build, |reserve| self.connect_on_site(request, netns, reserve))
    }

    fn connect_on_site(
        &self,
        request: &EndpointRequest,
        netns: BorrowedFd<'_>,
        reserve: &Reserve<'_>,
    ) -> Result<Connected> {
        let network = self.inspect(&request.network)?;
        let place = self.place(&network.id);
        place.make()?;
        let _lock = place.lock()?;
        // It may have been removed while this waited.
        let Some(network) = files::read(&self.record_path(&network.id))? else {
            return Err(Error::NotFound { name: network.name });
        };
        let mut kernel = Kernel::open(&request.network)?;
        self.refuse_second(&mut kernel, &place, request)?;
        let mut active = self.ensure_active(&mut kernel, &place, network)?;
        let asked = Asked { request, netns, reserve };
        let outcome = self.connect_active(&mut kernel, &place, &mut active, &asked);
        if outcome.is_err() && place.pods()?.is_empty() {
            self.deactivate(&place)?;
        }
        outcome
    }

    fn connect_active(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        active: &mut Active,
        asked: &Asked<'_>,
    ) -> Result<Connected> {
        let Asked { request, netns, reserve } = *asked;
        let (ipv4, ipv6) = pools(active);
        let (ipv4, ipv6) = (ipv4.cloned(), ipv6.cloned());
        let mut leases = Leases::open(&place.leases(), ipv4.as_ref(), ipv6.as_ref())?;
        let shard = self.choose_shard(&leases, active)?;
        let bridge = self.ensure_shard(kernel, place, active, shard)?;
        let failed = kernel.failed("look for its bridge");
        let link = kernel.route.link(&bridge).map_err(&failed)?.unwrap_or_default();

        let mut endpoint = new_endpoint(request, active, link.mtu)?;
        if let Err(error) = assign(&mut endpoint, request, place, &mut leases, active) {
            give_back(&endpoint, &mut leases)?;
            return Err(error);
        }
        leases.count_on(shard, 1)?;
        let mut held = Held { endpoint, shard };
        let mut attach = || {
            let scope = Scope {
                ipv4: held.endpoint.ipv4.is_some(),
                ipv6: held.endpoint.ipv6.is_some(),
                binding: active.network.host_binding.or(self.config.host_binding),
            };
            let reserved = reserve(&request.ports, scope);
            let reserved = reserved.map_err(|error| self.name_holder(error))?;
            held.endpoint.ports = reserved.ports;
            place.hold(&held)?;
            let port = Port { hairpin: !request.ports.is_empty(), isolated: !active.network.icc };
            make_link(kernel, &held.endpoint, link.index, port, netns)?;
            let first = kernel.index_of(active.bridge())?;
            introduce(kernel, &held.endpoint, first)?;
            furnish(kernel, &held.endpoint, active, netns)?;
            publish::publish(kernel, &self.table(), &held.endpoint)?;
            let answers = active.answers().map_or(Ok(()), |address| {
                publish::answer(kernel, &self.table(), &held.endpoint, address)
            });
            place.name(&held.endpoint, active.network.names_ipv6)?;
            Ok((reserved.holds, answers.is_err()))
        };
        match attach() {
            Ok((holds, is_deaf)) => {
                let mut connected = connected(held.endpoint, holds, active);
                if is_deaf {
                    let warning =
                        "published ports are not reached by [::1]: the kernel lacks nft_fwd_netdev";
                    connected.warnings.push(warning.to_owned());
                }
                Ok(connected)
            }
            Err(error) => {
                self.release(kernel, place, &mut leases, &held)?;
                Err(error)
            }
        }
    }

    /// A pod is on a network once. What an earlier life of it left behind, its link being gone, is
    /// given back.
    fn refuse_second(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        request: &EndpointRequest,
    ) -> Result<()> {
        self.finish_leaving(kernel, place, &request.pod)?;
        let Some(held) = place.held(&request.pod)? else { return Ok(()) };
        let failed = kernel.failed("look for a link");
        if kernel.route.link(&held.endpoint.host_interface).map_err(&failed)?.is_some() {
            let network = held.endpoint.network;
            return Err(Error::AlreadyConnected { pod: request.pod.clone(), network });
        }
        let mut leases = self.leases_of(place, &held)?;
        self.release(kernel, place, &mut leases, &held)
    }

    fn choose_shard(&self, leases: &Leases, active: &Active) -> Result<usize> {
        let counts = leases.shards();
        let free = counts.iter().position(|&count| count < self.config.shard_limit);
        free.filter(|&shard| shard < SHARDS_MAX).ok_or_else(|| Error::AddressesExhausted {
            network: active.network.name.clone(),
            family: "IPv4 and IPv6",
        })
    }

    /// Says which container of ours has a port, when one has.
    fn name_holder(&self, error: Error) -> Error {
        let Error::PortTaken { host, port, protocol, .. } = error else { return error };
        let same_address = |other: IpAddr| {
            other.is_ipv4() == host.is_ipv4()
                && (other == host || other.is_unspecified() || host.is_unspecified())
        };
        let all = self.list().unwrap_or_default();
        let endpoints = all.iter().flat_map(|network| self.endpoints(network).unwrap_or_default());
        let mut holders = endpoints.filter(|endpoint| {
            endpoint.ports.iter().any(|held| {
                (held.host_port, held.protocol) == (port, protocol) && same_address(held.host_ip)
            })
        });
        let holder = holders.next().map_or_else(
            || " by another process of this host".to_owned(),
            |endpoint| format!(" by container {}", endpoint.name),
        );
        Error::PortTaken { host, port, protocol, holder }
    }

    /// Gives an endpoint other names (containers that join or leave the pod).
    pub fn rename(&self, endpoint: &Endpoint, names: &[String]) -> Result<Endpoint> {
        names.iter().try_for_each(|name| check_component(name))?;
        let place = self.place(&endpoint.network_id);
        let gone = || Error::NotFound { name: endpoint.network.clone() };
        if place.held(&endpoint.pod)?.is_none() {
            return Err(gone());
        }
        let _lock = place.lock()?;
        let mut held = place.held(&endpoint.pod)?.ok_or_else(gone)?;
        place.unname(&held.endpoint)?;
        held.endpoint.names = names.to_vec();
        held.endpoint.name = names.first().cloned().unwrap_or_default();
        place.hold(&held)?;
        let ipv6 = place.active()?.is_none_or(|active| active.network.names_ipv6);
        place.name(&held.endpoint, ipv6)?;
        Ok(held.endpoint)
    }
}

fn check(request: &EndpointRequest) -> Result<()> {
    check_component(&request.pod)?;
    if !request.name.is_empty() {
        check_component(&request.name)?;
    }
    request.aliases.iter().try_for_each(|alias| check_component(alias))?;
    if let Some(mac) = request.mac.filter(|mac| mac.is_multicast() || mac.0 == [0; 6]) {
        return Err(Error::Mac { mac });
    }
    if request.interface.is_empty() || plan::is_interface_name(&request.interface) {
        Ok(())
    } else {
        Err(Error::Interface { name: request.interface.clone() })
    }
}

fn pools(active: &Active) -> (Option<&Pool>, Option<&Pool>) {
    let find = |ipv4: bool| active.pools().find(|pool| pool.subnet.is_ipv4() == ipv4);
    (find(true), find(false))
}

fn new_endpoint(request: &EndpointRequest, active: &Active, mtu: u32) -> Result<Endpoint> {
    let network = &active.network;
    let mut names = Vec::new();
    for name in [&request.name].into_iter().chain(&request.aliases) {
        if !name.is_empty() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    let interface =
        if request.interface.is_empty() { INTERFACE } else { &request.interface }.to_owned();
    let routed = !network.internal && !request.secondary;
    let (ipv4, ipv6) = pools(active);
    Ok(Endpoint {
        network: network.name.clone(),
        network_id: network.id.clone(),
        id: random_id()?,
        pod: request.pod.clone(),
        name: request.name.clone(),
        names,
        interface,
        host_interface: link_name(&request.pod, &network.id),
        mac: Mac([0; 6]),
        ipv4: None,
        ipv6: None,
        internal: network.internal,
        gateway4: ipv4.filter(|_| routed).map(|pool| pool.gateway),
        gateway6: ipv6.filter(|_| routed).map(|pool| pool.gateway),
        host_addresses: active.pools().map(|pool| pool.gateway).collect(),
        mtu,
        ports: Vec::new(),
    })
}

/// Name of a link on the host: of the pod and the network alone, so that it can be found again.
pub(crate) fn link_name(pod: &str, network: &str) -> String {
    // FNV-1a: it spreads well, and nobody gains anything by a collision (the second is refused).
    let hash = [pod, "@", network]
        .iter()
        .flat_map(|text| text.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("teuv{:011x}", hash >> 20)
}

fn assign(
    endpoint: &mut Endpoint,
    request: &EndpointRequest,
    place: &Place,
    leases: &mut Leases,
    active: &Active,
) -> Result<()> {
    let (ipv4, ipv6) = pools(active);
    let fixed4 = request.ipv4.map(IpAddr::V4);
    let fixed6 = request.ipv6.map(IpAddr::V6);
    for (fixed, pool, ipv4) in [(fixed4, ipv4, true), (fixed6, ipv6, false)] {
        let address = match fixed {
            Some(address) => Some(fix(address, pool, place, leases, active)?),
            None => {
                let near = endpoint.ipv4.map(|subnet| subnet.address);
                leases.take(ipv4, near).map_err(|error| match error {
                    Error::AddressesExhausted { family, .. } => {
                        Error::AddressesExhausted { network: active.network.name.clone(), family }
                    }
                    other => other,
                })?
            }
        };
        let subnet =
            address.zip(pool).map(|(address, pool)| Subnet { address, prefix: pool.subnet.prefix });
        if ipv4 {
            endpoint.ipv4 = subnet;
        } else {
            endpoint.ipv6 = subnet;
        }
    }
    let derived = addresses(endpoint).next().map(|address| match address {
        IpAddr::V4(v4) => Mac::of_ipv4(v4),
        IpAddr::V6(v6) => Mac::of_ipv6(v6),
    });
    endpoint.mac = request.mac.or(derived).unwrap_or(endpoint.mac);
    Ok(())
}

fn fix(
    address: IpAddr,
    pool: Option<&Pool>,
    place: &Place,
    leases: &mut Leases,
    active: &Active,
) -> Result<IpAddr> {
    let network = &active.network.name;
    let refuse = |problem: String| Err(Error::Address { address, problem });
    let Some(pool) = pool.filter(|pool| pool.subnet.contains(address)) else {
        return refuse(format!("it does not belong to any of network {network}'s subnets"));
    };
    let window = Window::of(pool);
    if window.is_reserved(address) {
        return refuse(format!("{} keeps it for itself", pool.subnet));
    }
    let is_free = if window.slot(address).is_some() {
        leases.take_this(address)?
    } else {
        // Beyond what the leases note: rare enough to look at everybody.
        !place.all_held()?.iter().any(|held| addresses(&held.endpoint).any(|held| held == address))
    };
    let network = network.clone();
    if is_free { Ok(address) } else { Err(Error::AddressTaken { address, network }) }
}

pub(crate) fn give_back(endpoint: &Endpoint, leases: &mut Leases) -> Result<()> {
    addresses(endpoint).try_for_each(|address| leases.give_back(address))
}

fn make_link(
    kernel: &mut Kernel,
    endpoint: &Endpoint,
    bridge: u32,
    port: Port,
    netns: BorrowedFd<'_>,
) -> Result<()> {
    let pair = || {
        let mut batch = Batch::default();
        batch.add_veth(&Veth {
            name: &endpoint.host_interface,
            peer: &endpoint.interface,
            peer_mac: Some(endpoint.mac.0),
            peer_netns: Some(netns),
            mtu: endpoint.mtu,
            master: bridge,
        });
        batch
    };
    match kernel.route.apply(pair()) {
        Err(refusal) if refusal.errno == Errno::EXIST => {
            // A link that nobody holds is left from a life that ended badly.
            let mut old = Batch::default();
            old.delete_link(&endpoint.host_interface);
            kernel.undo("remove an old link", old)?;
            kernel.apply(&format!("make link {}", endpoint.interface), pair())?;
        }
        outcome => outcome.map_err(kernel.failed("make its link"))?,
    }
    let failed = kernel.failed("set up its link");
    forwarding::leave_ipv6(&endpoint.host_interface).map_err(failed)?;
    let mut batch = Batch::default();
    batch.port_up(&endpoint.host_interface, port);
    kernel.apply("bring its link up", batch)
}

/// Tells the bridge who has the addresses: nobody has to ask all the others, nobody can pretend, and
/// the kernel's limit for what it learned by asking (1024 neighbours) does not count.
pub(crate) fn introduce(kernel: &mut Kernel, endpoint: &Endpoint, bridge: u32) -> Result<()> {
    let mut batch = Batch::default();
    for address in addresses(endpoint) {
        batch.add_neighbour(bridge, address, endpoint.mac.0);
    }
    kernel.apply("introduce it to its bridge", batch)
}

/// Addresses and routes in the namespace.
fn furnish(
    kernel: &Kernel,
    endpoint: &Endpoint,
    active: &Active,
    netns: BorrowedFd<'_>,
) -> Result<()> {
    let furnish = || {
        let mut socket = within(netns, || {
            forwarding::prepare_pod(&endpoint.interface, endpoint.ipv6.is_some())?;
            Socket::route()
        })?;
        let link = socket.link(&endpoint.interface)?;
        let index = link.ok_or(std::io::ErrorKind::NotFound)?.index;
        let mut batch = Batch::default();
        batch.up(LOOPBACK);
        batch.up(index);
        for subnet in [endpoint.ipv4, endpoint.ipv6].into_iter().flatten() {
            batch.add_address(index, subnet.address, subnet.prefix);
        }
        for gateway in [endpoint.gateway4, endpoint.gateway6].into_iter().flatten() {
            let destination = if gateway.is_ipv4() { [0; 4].into() } else { IpAddr::from([0; 16]) };
            let way = Way::Gateway(gateway, index);
            batch.add_route(&Route { destination, prefix: 0, way, metric: 0 });
        }
        for address in endpoint.host_addresses.iter().copied().chain(active.answers()) {
            batch.add_neighbour(index, address, active.mac());
        }
        socket.apply(batch).map_err(std::io::Error::from)
    };
    furnish().map_err(kernel.failed("give the container's interface its addresses"))
}

fn connected(endpoint: Endpoint, holds: PortHolds, active: &Active) -> Connected {
    let mut warnings = Vec::new();
    if active.network.internal && !endpoint.ports.is_empty() {
        warnings.push(format!(
            "network {} is internal: its published ports are reached from this host only",
            active.network.name
        ));
    }
    if active.network.ipv6().is_some() && !active.ipv6 {
        warnings.push("this host has IPv6 turned off: the container has none".to_owned());
    }
    Connected { endpoint, holds, warnings }
}
