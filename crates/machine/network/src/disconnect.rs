//! Disconnecting a pod: all of it at once, or what others wait for first and the rest later.
//!
//! ```text
//! disconnect:  names ▶ table ▶ link ▶ endpoints/<pod>.json ▶ lease ▶ the network, with its last pod
//! leave:       names ▶ table ▶ link cut off ▶ leaving/<pod>.json ▶ lease
//! clear:       link ▶ leaving/<pod>.json ▶ the network is idle: see `keeper`
//! ```
//! Removing a link makes the kernel wait until nobody looks at it any more, some 10 ms, and a bridge
//! and a table take longer still. Whoever ends a container must not wait for that: [`Networks::leave`]
//! gives back all that another could want (names, addresses, ports) and cuts the link off, so that
//! nothing passes it; [`Departure::clear`] does the rest when the answer has been given.
//!
//! All of this repeats safely and undoes any part of a connect: it is also what a failed connect and
//! a repair do. Somebody who leaves holds `.minders` until its work is done, by a descriptor that a
//! forked process inherits: work that is left while nobody holds it is a dead process's, and
//! [`Networks::mend`] does it.

use crate::connect::{give_back, link_name, publish};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::files::{self, Lock};
use crate::keeper::Keeper;
use crate::kernel::Kernel;
use crate::lease::Leases;
use crate::networks::Networks;
use crate::place::{Active, Held, Place, addresses, check_component};
use crate::site::Need;
use std::collections::BTreeMap;
use teu_sys::netlink::Batch;

/// A pod that has left its networks, whose links are still to be removed.
#[derive(Debug)]
#[must_use = "its links stay until the next command sees that nobody minds them"]
pub struct Departure {
    networks: Networks,
    pod: String,
    /// The networks it was on.
    ids: Vec<String>,
    /// What they were, should the instance's folder be deleted before the links are gone.
    kept: BTreeMap<String, Active>,
    minder: Lock,
}

/// What becomes of the link of an endpoint that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It is removed.
    Remove,
    /// It is cut off, and removed later.
    Cut,
}

impl Networks {
    pub(crate) fn leases_of(&self, place: &Place, held: &Held) -> Result<Leases> {
        let network = match place.active()? {
            Some(active) => Some(active.network),
            None => files::read(&self.record_path(&held.endpoint.network_id))?,
        };
        let ipv4 = network.as_ref().and_then(|network| network.ipv4());
        let ipv6 = network.as_ref().and_then(|network| network.ipv6());
        Leases::open(&place.leases(), ipv4, ipv6)
    }

    /// Undoes a connect, or what there is of it.
    pub(crate) fn release(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        leases: &mut Leases,
        held: &Held,
    ) -> Result<()> {
        self.retract(kernel, place, held, Link::Remove)?;
        place.unhold(&held.endpoint.pod)?;
        give_back(&held.endpoint, leases)?;
        leases.count_on(held.shard, -1)
    }

    fn retract(&self, kernel: &mut Kernel, place: &Place, held: &Held, link: Link) -> Result<()> {
        let endpoint = &held.endpoint;
        place.unname(endpoint)?;
        publish::retract(kernel, &self.table(), endpoint)?;
        let mut cut = Batch::default();
        cut.cut_port(&endpoint.host_interface);
        // One that somebody took off its bridge cannot be cut off it.
        if link == Link::Remove || kernel.route.apply(cut).is_err() {
            let mut batch = Batch::default();
            batch.delete_link(&endpoint.host_interface);
            kernel.undo("remove its link", batch)?;
        }
        let bridge = place.active()?.map(|active| active.bridge().to_owned()).unwrap_or_default();
        if let Ok(index) = kernel.index_of(&bridge) {
            for address in addresses(endpoint) {
                let mut batch = Batch::default();
                batch.delete_neighbour(index, address);
                kernel.undo("forget its addresses", batch)?;
            }
        }
        Ok(())
    }

    /// Undoes a connect; the namespace may be long gone. Nothing to undo is no error.
    pub fn disconnect(&self, endpoint: &Endpoint) -> Result<()> {
        self.disconnect_from(&endpoint.network_id, &endpoint.pod)
    }

    /// Undoes all of a pod's connects.
    pub fn disconnect_pod(&self, pod: &str) -> Result<()> {
        self.held_by(pod)?.iter().try_for_each(|id| self.disconnect_from(id, pod))
    }

    /// Networks on which a pod holds something.
    fn held_by(&self, pod: &str) -> Result<Vec<String>> {
        check_component(pod)?;
        let mut ids = Vec::new();
        for id in files::names_in(&self.run())? {
            if self.place(&id).held(pod)?.is_some() {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    fn disconnect_from(&self, id: &str, pod: &str) -> Result<()> {
        check_component(pod)?;
        check_component(id)?;
        let place = self.place(id);
        if place.held(pod)?.is_none() {
            return Ok(());
        }
        let _lock = place.lock()?;
        let Some(held) = place.held(pod)? else { return Ok(()) };
        self.on_site(Need::Undo, |_| {
            let mut kernel = Kernel::open(&held.endpoint.network)?;
            let mut leases = self.leases_of(&place, &held)?;
            self.release(&mut kernel, &place, &mut leases, &held)?;
            if leases.count() == 0 && place.pods()?.is_empty() {
                self.deactivate(&place)?;
            }
            Ok(())
        })
    }

    /// Gives back what a pod holds on all its networks, but for its links: those are cut off, and
    /// removed by [`Departure::clear`]. `None` where it holds nothing.
    pub fn leave(&self, pod: &str) -> Result<Option<Departure>> {
        let ids = self.held_by(pod)?;
        if ids.is_empty() {
            return Ok(None);
        }
        let minder = files::lock_shared(&self.minders())?;
        for id in &ids {
            self.leave_one(id, pod)?;
        }
        let mut kept = BTreeMap::new();
        for id in &ids {
            kept.extend(self.place(id).active()?.map(|active| (id.clone(), active)));
        }
        Ok(Some(Departure { networks: self.clone(), pod: pod.to_owned(), ids, kept, minder }))
    }

    fn leave_one(&self, id: &str, pod: &str) -> Result<()> {
        let place = self.place(id);
        let _lock = place.lock()?;
        let Some(held) = place.held(pod)? else { return Ok(()) };
        let mut leases = self.leases_of(&place, &held)?;
        // From here on there is work that somebody has to do.
        self.mark(id)?;
        self.on_site(Need::Undo, |_| {
            let mut kernel = Kernel::open(&held.endpoint.network)?;
            self.retract(&mut kernel, &place, &held, Link::Cut)
        })?;
        place.make()?;
        place.leave(pod)?;
        give_back(&held.endpoint, &mut leases)?;
        leases.count_on(held.shard, -1)
    }

    /// Removes the links of all that left. The caller holds the network's lock.
    pub(crate) fn finish_all_leaving(&self, kernel: &mut Kernel, place: &Place) -> Result<()> {
        place.leaving()?.iter().try_for_each(|pod| self.finish_leaving(kernel, place, pod))
    }

    /// Removes the link of a pod that left, before it comes back. The caller holds the network's lock.
    pub(crate) fn finish_leaving(
        &self,
        kernel: &mut Kernel,
        place: &Place,
        pod: &str,
    ) -> Result<()> {
        if !place.is_leaving(pod) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.delete_link(&link_name(pod, place.id()));
        kernel.undo("remove its link", batch)?;
        place.left(pod)
    }

    /// Removes links of pods that left, those of `first` before the others'. The lock is not held
    /// while the kernel waits.
    fn clear_one(&self, id: &str, first: &str) -> Result<()> {
        self.on_site(Need::Undo, |_| self.clear_on_site(id, first))
    }

    fn clear_on_site(&self, id: &str, first: &str) -> Result<()> {
        let place = self.place(id);
        if !place.exists() {
            return Ok(());
        }
        let mut pods = place.leaving()?;
        pods.sort_by_key(|pod| pod != first);
        let mut kernel = Kernel::open("network")?;
        for pod in pods {
            let name = link_name(&pod, id);
            let failed = kernel.failed("look for a link");
            let found = {
                let _lock = place.lock()?;
                // A pod that has come back has a link of this name again.
                if !place.is_leaving(&pod) {
                    continue;
                }
                kernel.route.link(&name).map_err(&failed)?
            };
            if let Some(link) = found {
                let mut batch = Batch::default();
                batch.delete_link_number(link.index);
                kernel.undo("remove its link", batch)?;
            }
            let _lock = place.lock()?;
            if place.is_leaving(&pod) && kernel.route.link(&name).map_err(&failed)?.is_none() {
                place.left(&pod)?;
            }
        }
        let _lock = place.lock()?;
        if !place.leaving()?.is_empty() {
            // Somebody else who left is at it.
            return Ok(());
        }
        if place.pods()?.is_empty() && place.active()?.is_some() {
            self.mark_idle(id)
        } else {
            self.unmark(id)
        }
    }

    /// Does what processes that were killed have left to do: their links go, and networks that nobody
    /// is on. Costs a look at an empty folder where there is nothing.
    pub fn mend(&self) -> Result<()> {
        if self.marks()?.is_empty() {
            return Ok(());
        }
        let Some(_minder) = files::try_lock(&self.minders())? else { return Ok(()) };
        for id in self.marks()? {
            self.clear_one(&id, "")?;
            self.take_down_idle(&id)?;
        }
        Ok(())
    }
}

impl Departure {
    /// Removes the links, and at once what nobody is on any more.
    pub fn finish(self) -> Result<()> {
        self.clear()?.map_or(Ok(()), |mut keeper| keeper.end())
    }

    /// Removes the links. What nobody is on any more goes too: the [`Keeper`] knows when, if there
    /// is not one at work already.
    pub fn clear(self) -> Result<Option<Keeper>> {
        let work = || {
            self.ids.iter().try_for_each(|id| self.networks.clear_one(id, &self.pod))?;
            Keeper::attempt(self.networks.clone(), &self.kept)
        };
        let done = work();
        let minders = self.networks.minders();
        let is_done = !matches!(done, Ok(Some(_)));
        if self.minder.is_deleted()
            || is_done && self.networks.is_being_deleted(&self.kept, &minders)
        {
            return self.networks.take_down_all(self.kept).map(|()| None);
        }
        Ok(done?.map(|keeper| keeper.minded_by(self.minder)))
    }
}
