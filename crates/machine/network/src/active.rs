//! A network's life in the kernel: brought up for its first endpoint, taken down with its last.
//!
//! ```text
//! settle subnets ▶ note active.json ▶ claim by unreachable routes ▶ bridge ▶ forwarding ▶ table
//! ```
//! The note is written first: whatever a crash leaves is what [`Networks::take_down`] removes.
//! The unreachable routes are claims too: they can be added once, so two instances that choose the
//! same subnet at the same time do not both get it; and what is sent to an address that nobody has
//! never leaves by the host's default route.

use crate::Subnet;
use crate::address::Mac;
use crate::connect::publish;
use crate::error::{Error, Result};
use crate::files::{self, Lock};
use crate::firewall::{self, Zone, loopback};
use crate::forwarding;
use crate::kernel::Kernel;
use crate::networks::Networks;
use crate::place::{Active, Place};
use crate::pool::{self, Taken};
use crate::record::{Network, Pool, plan};
use rustix::io::Errno;
use std::net::IpAddr;
use teu_sys::netlink::Batch;
use teu_sys::netlink::nft::Transaction;
use teu_sys::netlink::route::{Bridge, Port, Route, Veth, Way};

/// Loses against every other route.
const GUARD_METRIC: u32 = 0x7fff_ffff;
/// How often subnets that were just taken are replaced by others.
const CLAIM_ATTEMPTS: usize = 32;
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Subnets that the host has or reaches, name servers included.
pub fn host_subnets() -> Result<Vec<Taken>> {
    let mut kernel = Kernel::open("new")?;
    let mut taken = Vec::new();
    let mut add = |address: IpAddr, prefix: u8, what: &str| {
        if prefix > 0
            && let Some(subnet) = Subnet::new(address, prefix)
        {
            let subnet = subnet.network();
            taken.push(Taken { subnet, by: format!("{what} {subnet} of the host") });
        }
    };
    let failed = kernel.failed("list routes");
    for route in kernel.route.routes().map_err(&failed)? {
        add(route.destination, route.prefix, "route");
    }
    for (_, address, prefix) in kernel.route.addresses().map_err(&failed)? {
        add(address, prefix, "address");
    }
    // A name server behind the default route is no route of its own.
    let resolv = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let servers = resolv.lines().filter_map(|line| line.strip_prefix("nameserver"));
    for server in servers.filter_map(|text| text.trim().parse::<IpAddr>().ok()) {
        add(server, if server.is_ipv4() { 32 } else { 128 }, "name server");
    }
    Ok(taken)
}

impl Active {
    /// What the table has to know.
    pub fn zone(&self) -> Zone {
        Zone {
            bridges: self.bridges.clone(),
            subnets: self.pools().map(|pool| pool.subnet).collect(),
            answers: self.answers(),
            internal: self.network.internal,
            icc: self.network.icc,
            masquerade: self.network.masquerade,
            isolate: self.network.isolate,
        }
    }

    /// Subnets that are in use here.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        let wanted = |pool: &&Pool| self.ipv6 || pool.subnet.is_ipv4();
        self.network.subnets.iter().filter(wanted)
    }

    /// The address that stands for the host's `::1` (see `firewall::loopback`).
    pub fn answers(&self) -> Option<IpAddr> {
        let pool = self.pools().find(|pool| !pool.subnet.is_ipv4())?;
        pool.subnet.nth(pool.subnet.host_mask())
    }

    /// The hardware address of that bridge.
    pub fn mac(&self) -> [u8; 6] {
        mac_of(self.pools().next())
    }

    /// The bridge that has the addresses.
    pub fn bridge(&self) -> &str {
        self.bridges.first().map_or("", String::as_str)
    }
}

fn guard(pool: &Pool) -> Route {
    Route {
        destination: pool.subnet.address,
        prefix: pool.subnet.prefix,
        way: Way::Unreachable,
        metric: GUARD_METRIC,
    }
}

impl Networks {
    pub(crate) fn table(&self) -> String {
        firewall::table_name(&self.config.instance)
    }

    fn bridge_name(&self, network: &Network) -> String {
        match &network.bridge {
            Some(name) => name.clone(),
            None if !network.is_default() => format!("teu-{}", &network.id[..8]),
            None if self.config.instance.is_empty() => "teu0".to_owned(),
            None => format!("teu0-{:.8}", self.config.instance),
        }
    }

    /// What all networks of the instance share: the table, forwarding.
    fn lock_instance(&self) -> Result<Lock> {
        files::lock(&self.run().join(".lock"))
    }

    /// Makes sure that the kernel knows the network. The caller holds the network's lock.
    pub(crate) fn ensure_active(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        network: Network,
    ) -> Result<Active> {
        let Some(active) = place.active()? else {
            let _lock = self.lock_instance()?;
            return self.bring_up(kernel, place, network);
        };
        let failed = kernel.failed("look for its bridge");
        if active.whole == 0 || kernel.route.link(active.bridge()).map_err(&failed)?.is_none() {
            let mut active = {
                let _lock = self.lock_instance()?;
                self.take_down(kernel, place, &active)?;
                self.bring_up(kernel, place, network)?
            };
            self.reattach(kernel, place, &mut active)?;
            return Ok(active);
        }
        self.ensure_table(kernel)?;
        Ok(active)
    }

    /// Makes the table anew when somebody has taken it away.
    pub(crate) fn ensure_table(&self, kernel: &mut Kernel) -> Result<()> {
        let failed = kernel.failed("look for its table");
        if kernel.nft.has_table(&self.table()).map_err(&failed)? {
            return self.release_strangers(kernel);
        }
        let _lock = self.lock_instance()?;
        if kernel.nft.has_table(&self.table()).map_err(&failed)? {
            return Ok(());
        }
        let mut transaction = firewall::build(&self.table());
        firewall::add_switched(&mut transaction, &forwarding::switched(&self.run())?);
        let mut answering = Vec::new();
        for id in files::names_in(&self.run())? {
            let place = self.place(&id);
            let Some(active) = place.active()? else { continue };
            firewall::add_zone(&mut transaction, &active.zone());
            for held in place.all_held()? {
                publish::add(&mut transaction, &held.endpoint);
                answering.extend(active.answers().map(|answers| (held, answers)));
            }
        }
        kernel.commit("make its table anew", transaction)?;
        for (held, answers) in answering {
            // As good as it gets: connecting has warned where the kernel cannot.
            let _ = publish::answer(kernel, &self.table(), &held.endpoint, answers);
        }
        Ok(())
    }

    /// Once the host itself wants to forward everywhere, nothing is kept apart any more.
    fn release_strangers(&self, kernel: &mut Kernel) -> Result<()> {
        let switched = forwarding::switched(&self.run())?;
        if !switched.is_any() || !forwarding::is_wanted_by_host() {
            return Ok(());
        }
        let mut transaction = Transaction::new(&self.table());
        firewall::remove_switched(&mut transaction, &switched);
        kernel.retract("leave forwarding to the host", transaction)?;
        forwarding::forget(&self.run())
    }

    /// The caller holds the locks of the network and of the instance.
    fn bring_up(&self, kernel: &mut Kernel, place: &Place, network: Network) -> Result<Active> {
        let mut active = Active {
            bridges: vec![self.bridge_name(&network)],
            whole: 0,
            ipv6: forwarding::has_ipv6() && network.ipv6().is_some(),
            network,
        };
        let failed = kernel.failed("look for its bridge");
        if kernel.route.link(active.bridge()).map_err(&failed)?.is_some() {
            let action = format!("make bridge {}: a link of this name exists", active.bridge());
            return Err(kernel.failed::<std::io::Error>(&action)(Errno::EXIST.into()));
        }
        self.claim_subnets(kernel, place, &mut active)?;
        let outcome = self.build(kernel, &active);
        if outcome.is_err() {
            self.take_down(kernel, place, &active)?;
        }
        outcome?;
        active.whole = 1;
        place.set_active(&active)?;
        Ok(active)
    }

    /// Settles which subnets the network has and makes them ours by their guards.
    fn claim_subnets(&self, kernel: &mut Kernel, place: &Place, active: &mut Active) -> Result<()> {
        let mut taken = self.taken_but_for(&active.network.id)?;
        for _ in 0..CLAIM_ATTEMPTS {
            let before = active.network.clone();
            settle(&mut active.network, active.ipv6, &taken)?;
            if active.network != before {
                files::write_durably(&self.record_path(&active.network.id), &active.network)?;
            }
            place.set_active(active)?;
            let mut lost = None;
            for pool in active.pools() {
                let mut batch = Batch::default();
                batch.add_route(&guard(pool));
                match kernel.route.apply(batch) {
                    Err(refusal) if refusal.errno == Errno::EXIST => {
                        let by = format!("{} of another instance of Teu", pool.subnet);
                        lost = Some(Taken { subnet: pool.subnet, by });
                        break;
                    }
                    outcome => outcome.map_err(kernel.failed("claim its subnet"))?,
                }
            }
            let Some(lost) = lost else { return Ok(()) };
            // Those before it in the list were claimed; the one that was lost is another's.
            for pool in active.pools().take_while(|pool| pool.subnet != lost.subnet) {
                let mut batch = Batch::default();
                batch.delete_route(&guard(pool));
                kernel.undo("give a subnet back", batch)?;
            }
            place.clear_active()?;
            taken.push(lost);
        }
        Err(Error::PoolsExhausted)
    }

    fn build(&self, kernel: &mut Kernel, active: &Active) -> Result<()> {
        let failed = kernel.failed("list links");
        let links = kernel.route.links().map_err(&failed)?;
        let routes = kernel.route.routes().map_err(&failed)?;
        let uplink = routes.iter().find_map(|route| match route.way {
            Way::Gateway(_, link) if route.prefix == 0 => Some(link),
            _ => None,
        });
        let uplink = uplink.and_then(|index| links.iter().find(|link| link.index == index));
        let mtu = match active.network.mtu {
            0 => uplink.map_or(0, |link| link.mtu),
            mtu => mtu,
        };
        make_bridge(kernel, active, mtu)?;
        let switched = if active.network.internal {
            forwarding::switched(&self.run())?
        } else {
            let may_bring_packets = |name: &str, master: u32| {
                master == 0 && name != "lo" && !active.bridges.iter().any(|bridge| bridge == name)
            };
            let links = links.into_iter().filter(|link| may_bring_packets(&link.name, link.master));
            let names: Vec<_> = links.map(|link| link.name).collect();
            forwarding::turn_on(&self.run(), &names, active.ipv6)?
        };
        let table = self.table();
        let exists = kernel.nft.has_table(&table).map_err(&failed)?;
        let mut transaction =
            if exists { Transaction::new(&table) } else { firewall::build(&table) };
        firewall::add_switched(&mut transaction, &switched);
        firewall::add_zone(&mut transaction, &active.zone());
        kernel.commit("tell its table", transaction)
    }

    /// Takes back what the kernel knows of a network, as far as it is there. The caller holds the
    /// lock of the network.
    pub(crate) fn deactivate(&self, place: &Place) -> Result<()> {
        let Some(active) = place.active()? else { return Ok(()) };
        let mut kernel = Kernel::open(&active.network.name)?;
        let _lock = self.lock_instance()?;
        self.take_down(&mut kernel, place, &active)
    }

    pub(crate) fn take_down(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        active: &Active,
    ) -> Result<()> {
        for bridge in active.bridges.iter().rev() {
            let mut batch = Batch::default();
            batch.delete_link(bridge);
            kernel.undo("remove its bridge", batch)?;
        }
        for shard in 1..active.bridges.len() {
            let mut batch = Batch::default();
            batch.delete_link(&trunk_names(&active.network.id, shard).0);
            kernel.undo("remove a trunk", batch)?;
        }
        for pool in active.pools() {
            let mut batch = Batch::default();
            batch.delete_route(&guard(pool));
            kernel.undo("give its subnet back", batch)?;
        }
        place.clear_active()?;
        if self.others_are_active()? {
            let mut transaction = Transaction::new(&self.table());
            firewall::remove_zone(&mut transaction, &active.zone());
            return kernel.retract("make its table forget it", transaction);
        }
        self.hand_back(kernel)
    }

    fn others_are_active(&self) -> Result<bool> {
        for id in files::names_in(&self.run())? {
            if self.place(&id).active()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last network is gone: so go the table and what was switched on.
    fn hand_back(&self, kernel: &mut Kernel) -> Result<()> {
        let failed = kernel.failed("list tables");
        let own = self.table();
        let mut switched = firewall::switched(&mut kernel.nft, &own).map_err(&failed)?;
        switched.add(forwarding::switched(&self.run())?);
        let tables = kernel.nft.tables().map_err(&failed)?;
        let is_ours = |name: &&String| **name == "teu" || name.starts_with("teu-");
        match tables.iter().filter(is_ours).find(|name| **name != own) {
            Some(heir) => {
                let mut transaction = Transaction::new(heir);
                firewall::add_switched(&mut transaction, &switched);
                kernel.retract("hand over what was switched on", transaction)?;
            }
            None => forwarding::turn_off(&switched),
        }
        forwarding::forget(&self.run())?;
        kernel.retract("remove its table of links", loopback::remove(&own))?;
        if tables.contains(&own) {
            let mut transaction = Transaction::new(&own);
            transaction.delete_table();
            kernel.retract("remove its table", transaction)?;
        }
        Ok(())
    }

    /// Makes sure that the bridge of this number exists, and says how it is called.
    pub(crate) fn ensure_shard(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        active: &mut Active,
        shard: usize,
    ) -> Result<String> {
        while active.whole <= shard {
            let number = active.whole;
            if active.bridges.len() == number {
                active.bridges.push(format!("teu-{}.{number}", &active.network.id[..7]));
                place.set_active(active)?;
            }
            for link in [&active.bridges[number], &trunk_names(&active.network.id, number).0] {
                let mut batch = Batch::default();
                batch.delete_link(link);
                kernel.undo("remove half a bridge", batch)?;
            }
            join(kernel, active, number)?;
            let mut transaction = Transaction::new(&self.table());
            firewall::add_zone(&mut transaction, &active.zone());
            kernel.commit("tell its table of another bridge", transaction)?;
            active.whole = number + 1;
            place.set_active(active)?;
        }
        Ok(active.bridges[shard].clone())
    }
}

/// Replaces chosen subnets that overlap something; refuses when a person's does.
fn settle(network: &mut Network, ipv6: bool, taken: &[Taken]) -> Result<()> {
    for pool in &mut network.subnets {
        if !ipv6 && !pool.subnet.is_ipv4() {
            continue;
        }
        let Some(other) = pool::overlap(pool.subnet, taken) else { continue };
        if !pool.chosen {
            return Err(Error::Overlap { subnet: pool.subnet, other: other.by.clone() });
        }
        *pool = if pool.subnet.is_ipv4() {
            pool::choose_ipv4(taken)?
        } else {
            plan::choose_ipv6(taken)?
        };
    }
    Ok(())
}

fn mac_of(pool: Option<&Pool>) -> [u8; 6] {
    match pool.map(|pool| pool.gateway) {
        Some(IpAddr::V4(v4)) => Mac::of_ipv4(v4).0,
        Some(IpAddr::V6(v6)) => Mac::of_ipv6(v6).0,
        None => [0x02, 0x42, 0, 0, 0, 1],
    }
}

fn make_bridge(kernel: &mut Kernel, active: &Active, mtu: u32) -> Result<()> {
    let name = active.bridge();
    let mut batch = Batch::default();
    batch.add_bridge(&Bridge { name, mac: active.mac(), mtu });
    kernel.apply("make its bridge", batch)?;
    let failed = kernel.failed("set up its bridge");
    forwarding::prepare_bridge(name, active.ipv6).map_err(&failed)?;
    let index = kernel.index_of(name)?;
    let mut batch = Batch::default();
    for pool in active.pools() {
        batch.add_address(index, pool.gateway, pool.subnet.prefix);
    }
    if let Some(address) = active.answers() {
        batch.add_silent_address(index, address, 128);
    }
    batch.up(index);
    kernel.apply("give its bridge addresses", batch)
}

/// A further bridge and the trunk to the first. Where endpoints may not talk to each other, the
/// trunk's end on the first bridge is isolated as they are: it reaches the gateway and nobody else.
fn join(kernel: &mut Kernel, active: &Active, number: usize) -> Result<()> {
    let name = &active.bridges[number];
    let failed = kernel.failed("look for its bridge");
    let first = kernel.route.link(active.bridge()).map_err(&failed)?.unwrap_or_default();
    let mut mac = active.mac();
    mac[1] = 0x44;
    mac[5] ^= number as u8;
    let mut batch = Batch::default();
    batch.add_bridge(&Bridge { name, mac, mtu: first.mtu });
    kernel.apply("make another bridge", batch)?;
    forwarding::prepare_bridge(name, false).map_err(kernel.failed("set up another bridge"))?;
    let index = kernel.index_of(name)?;
    let (near, far) = trunk_names(&active.network.id, number);
    let mut batch = Batch::default();
    batch.up(index);
    batch.add_veth(&Veth {
        name: &near,
        peer: &far,
        peer_mac: None,
        peer_netns: None,
        mtu: first.mtu,
        master: first.index,
    });
    batch.set_master(&far, index);
    batch.port_up(&near, Port { hairpin: false, isolated: !active.network.icc });
    batch.port_up(&far, Port::default());
    kernel.apply("join another bridge to the first", batch)
}

fn trunk_names(id: &str, number: usize) -> (String, String) {
    (format!("teut{}.{number}a", &id[..7]), format!("teut{}.{number}b", &id[..7]))
}
