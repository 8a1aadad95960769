//! Giving back what dead pods held, and making anew what somebody else took away.

use crate::error::{Error, Result};
use crate::files;
use crate::kernel::Kernel;
use crate::lease::Leases;
use crate::networks::Networks;
use crate::place::{Held, Place, addresses};
use teu_sys::netlink::Batch;

impl Networks {
    /// Gives back what pods held that are not alive any more, and makes anew what somebody else
    /// took away (`nft flush ruleset`, `ip link del`). Returns the pods that were given up.
    pub fn repair(&self, live: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut given_up = Vec::new();
        for id in files::names_in(&self.run())? {
            let place = self.place(&id);
            if place.active()?.is_none() && place.pods()?.is_empty() {
                continue;
            }
            let _lock = place.lock()?;
            self.repair_place(&place, live, &mut given_up)?;
        }
        given_up.sort();
        given_up.dedup();
        Ok(given_up)
    }

    fn repair_place(
        &self,
        place: &Place,
        live: &dyn Fn(&str) -> bool,
        given_up: &mut Vec<String>,
    ) -> Result<()> {
        let mut kernel = Kernel::open("network")?;
        let active = place.active()?;
        let mut recount = false;
        let (mut alive, mut dead) = (Vec::new(), Vec::new());
        for pod in place.pods()? {
            if live(&pod) { alive.push(pod) } else { dead.push(pod) }
        }
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
            return self.deactivate(place);
        }
        let Some(active) = active else { return Ok(()) };
        let leases = self.leases(place)?;
        if recount || leases.count() != alive.len() {
            self.recount(place, leases)?;
        }
        let failed = kernel.failed("look for its bridge");
        if kernel.route.link(active.bridge()).map_err(&failed)?.is_none() {
            return self.rebuild(&mut kernel, place);
        }
        self.ensure_table(&mut kernel)
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

    /// Makes the bridges anew and puts the links that still exist on them.
    fn rebuild(&self, kernel: &mut Kernel, place: &Place) -> Result<()> {
        let Some(active) = place.active()? else { return Ok(()) };
        let shards = active.bridges.len();
        let mut active = self.ensure_active(kernel, place, active.network)?;
        for shard in 1..shards {
            self.ensure_shard(kernel, place, &mut active, shard)?;
        }
        for held in place.all_held()? {
            let index = kernel.index_of(&active.bridges[held.shard.min(shards - 1)])?;
            let mut batch = Batch::default();
            batch.set_master(&held.endpoint.host_interface, index);
            kernel.undo("put a link on its bridge", batch)?;
            let first = kernel.index_of(active.bridge())?;
            crate::connect::introduce(kernel, &held.endpoint, first)?;
            crate::connect::publish::publish(kernel, &self.table(), &held.endpoint)?;
            if let Some(answers) = active.answers() {
                let _ =
                    crate::connect::publish::answer(kernel, &self.table(), &held.endpoint, answers);
            }
        }
        Ok(())
    }
}
