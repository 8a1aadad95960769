//! What is left to do on networks and disks when everybody has been answered.
//!
//! Removing links makes the kernel wait, networks that nobody is on are kept for a moment
//! ([`teu_network::Keeper`]), and a disk may take its time to delete a container's files. A shim that goes on does it between events. One that ends hands it to a
//! copy of itself, which has let go of all that was the pod's: whoever waits for the shim's end need
//! not wait for this, and the container's name, addresses and ports are free already. A copy that is
//! killed leaves marks, which the next command sees.

use crate::remove::Remains;
use crate::rootless::Membership;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use std::os::fd::AsFd as _;
use std::time::Duration;
use teu_network::{Departure, Keeper};
use teu_sys::process::{CloneFlags, Forked};
use teu_sys::signal::{SignalFd, SignalSet};

/// Work on networks.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    departed: Vec<Departure>,
    keeper: Option<Keeper>,
    remains: Vec<Remains>,
}

impl Aftermath {
    /// A pod has left its networks.
    pub(super) fn add(&mut self, departure: Departure) {
        self.departed.push(departure);
    }

    /// A container is no more.
    pub(super) fn bury(&mut self, remains: Remains) {
        self.remains.push(remains);
    }

    /// Does what is due; says when more will be.
    pub(super) fn tend(&mut self) -> Option<Duration> {
        for departure in self.departed.drain(..) {
            // What fails here and below the next command does.
            if let Ok(Some(keeper)) = departure.clear() {
                self.keeper = Some(keeper);
            }
        }
        for remains in self.remains.drain(..) {
            let _ = remains.clear();
        }
        let pause = self.keeper.as_mut().and_then(|keeper| keeper.tend().ok().flatten());
        if pause.is_none() {
            self.keeper = None;
        }
        pause
    }

    /// Whether links or files are to be removed.
    pub(super) fn is_due(&self) -> bool {
        !self.departed.is_empty() || !self.remains.is_empty()
    }

    /// Goes on in a process of its own while the caller ends. The caller has one thread and holds no
    /// descriptor that anybody waits for.
    pub(super) fn outlive(mut self, membership: Option<Membership>) {
        if !self.is_due() && self.keeper.is_none() {
            return;
        }
        match teu_sys::process::clone3(CloneFlags::NONE, None) {
            Ok(Forked::Parent { pid, .. }) => {
                if let Some(membership) = membership {
                    membership.hand_to(pid);
                }
            }
            Ok(Forked::Child) => {
                let _ = rustix::thread::set_name(c"teu-network");
                self.stay();
                drop(self);
                drop(membership);
                teu_sys::process::exit_now(0)
            }
            // No room for a process: nothing is kept.
            Err(_) => {
                self.tend();
                self.end();
            }
        }
    }

    /// Until nothing is kept any more, or somebody wants this to end.
    fn stay(&mut self) {
        let wanted = SignalSet::of(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT]);
        let signals = SignalFd::new(wanted);
        while let Some(pause) = self.tend() {
            let (Some(keeper), Ok(signals)) = (&self.keeper, &signals) else { return self.end() };
            let mut watched = [
                PollFd::from_borrowed_fd(keeper.as_fd(), PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            let Ok(pause) = rustix::event::Timespec::try_from(pause) else { return self.end() };
            let woken = poll(&mut watched, Some(&pause));
            if woken.is_ok() && !watched[1].revents().is_empty() {
                return self.end();
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            let _ = keeper.end();
        }
    }
}
