//! Giving back what dead pods held, and making anew what somebody else took away.

use crate::connect::{introduce, publish};
use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Kernel;
use crate::lease::Leases;
use crate::networks::Networks;
use crate::place::{Active, Held, Place, addresses};
use crate::site::Need;
use teu_sys::netlink::Batch;

impl Networks {
    /// Gives back what pods held that are neither alive nor claimed ([`Networks::claim`]) any more, and makes anew what somebody else
    /// took away (`nft flush ruleset`, `ip link del`). Networks that are idle go at once. Returns the pods that were given up.
    pub fn repair(&self, live: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut given_up = Vec::new();
        for id in files::names_in(&self.run())? {
            let place = self.place(&id);
            let idle = place.pods()?.is_empty() && place.leaving()?.is_empty();
            if idle && place.active()?.is_none() {
                continue;
            }
            let _lock = place.lock()?;
            let mut alive = Vec::new();
            for pod in place.pods()? {
                if live(&pod) || self.is_claimed(&pod)? {
                    alive.push(pod);
                }
            }
            let need = if alive.is_empty() { Need::Undo } else { Need::Build };
            given_up.extend(self.on_site(need, |_| self.repair_place(&place, &alive))?);
        }
        given_up.sort();
        given_up.dedup();
        Ok(given_up)
    }

    fn repair_place(&self, place: &Place, alive: &[String]) -> Result<Vec<String>> {
        let mut given_up = Vec::new();
        let mut kernel = Kernel::open("network")?;
        self.finish_all_leaving(&mut kernel, place)?;
        let active = place.active()?;
        let mut recount = false;
        let dead = place.pods()?.into_iter().filter(|pod| !alive.contains(pod));
        for pod in dead {
            match place.held(&pod) {
                Ok(Some(held)) => self.give_up(&mut kernel, place, &held)?,
                Ok(None) => {}
                // What it held cannot be read, so it is what nobody else holds.
                Err(Error::Damaged { .. }) => {
                    place.unhold(&pod)?;
                    recount = true;
                }
                Err(error) => return Err(error),
            }
            given_up.push(pod);
        }
        if alive.is_empty() {
            if let Some(mut leases) = active.as_ref().map(|_| self.leases(place)).transpose()? {
                leases.clear()?;
            }
            self.deactivate(place)?;
            self.unmark(place.id())?;
            return Ok(given_up);
        }
        let Some(active) = active else { return Ok(given_up) };
        let leases = self.leases(place)?;
        if recount || leases.count() != alive.len() {
            self.recount(place, leases)?;
        }
        self.ensure_active(&mut kernel, place, active.network).map(|_| given_up)
    }

    fn leases(&self, place: &Place) -> Result<Leases> {
        let network = place.active()?.map(|active| active.network);
        let ipv4 = network.as_ref().and_then(|network| network.ipv4());
        let ipv6 = network.as_ref().and_then(|network| network.ipv6());
        Leases::open(&place.leases(), ipv4, ipv6)
    }

    fn give_up(&self, kernel: &mut Kernel, place: &Place, held: &Held) -> Result<()> {
        let mut leases = self.leases_of(place, held)?;
        self.release(kernel, place, &mut leases, held)
    }

    /// Counts anew what is held, after a crash between a lease and its endpoint.
    fn recount(&self, place: &Place, mut leases: Leases) -> Result<()> {
        leases.clear()?;
        for held in place.all_held()? {
            for address in addresses(&held.endpoint) {
                leases.take_this(address)?;
            }
            leases.count_on(held.shard, 1)?;
        }
        Ok(())
    }

    /// Puts the links that still exist on bridges that were made anew. The caller holds the lock of
    /// the network, and not that of the instance.
    pub(crate) fn reattach(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        active: &mut Active,
    ) -> Result<()> {
        for held in place.all_held()? {
            let failed = kernel.failed("look for a link");
            if kernel.route.link(&held.endpoint.host_interface).map_err(&failed)?.is_none() {
                continue;
            }
            let bridge = self.ensure_shard(kernel, place, active, held.shard)?;
            let index = kernel.index_of(&bridge)?;
            let mut batch = Batch::default();
            batch.set_master(&held.endpoint.host_interface, index);
            kernel.undo("put a link on its bridge", batch)?;
            let first = kernel.index_of(active.bridge())?;
            introduce(kernel, &held.endpoint, first)?;
            publish::publish(kernel, &self.table(), &held.endpoint)?;
            if let Some(answers) = active.answers() {
                // As good as it gets: connecting has warned where the kernel cannot.
                let _ = publish::answer(kernel, &self.table(), &held.endpoint, answers);
            }
        }
        Ok(())
    }
}
