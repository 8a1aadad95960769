//! `wait`: through the journal, which says how every run ended, by whomever it was started.
//!
//! The journal is followed from before the state is read, so nothing is missed in between; a shim
//! that dies without a word is noticed by its process, and what was lost with it is repaired.

use super::WaitFor;
use crate::events::{Event, EventOptions};
use crate::{Containers, Error, Found, Hangup, Result};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

impl Containers {
    /// Waits, and answers its exit code.
    pub fn wait(&self, name: &str, what: WaitFor) -> Result<i32> {
        let code = self.waiting(name, what)?.finish(&Hangup::default())?;
        Ok(code.unwrap_or_default())
    }

    /// The same in two steps: what ends after the first one is not missed by the second.
    pub fn waiting(&self, name: &str, what: WaitFor) -> Result<Waiting> {
        let found = self.find(name)?;
        let filters = vec![("container".to_owned(), found.record.id.clone())];
        let events = self.events(&EventOptions { filters, ..EventOptions::default() })?;
        let containers = self.clone();
        let mut waiting =
            Waiting { containers, found, what, events, shim: None, code: 0, over: false };
        waiting.look()?;
        Ok(waiting)
    }
}

/// Somebody waits for a container.
#[derive(Debug)]
pub struct Waiting {
    containers: Containers,
    found: Found,
    what: WaitFor,
    events: crate::events::Events,
    /// Readable when its shim has ended.
    shim: Option<OwnedFd>,
    code: i32,
    over: bool,
}

impl Waiting {
    /// Waits for the rest; `None` when the one who waited has hung up.
    pub fn finish(mut self, hangup: &Hangup) -> Result<Option<i32>> {
        loop {
            while !self.over
                && let Some(event) = self.events.taken()?
            {
                self.hear(&event)?;
            }
            if self.over {
                return Ok(Some(self.code));
            }
            let mut fds = vec![self.events.descriptor()];
            fds.extend(self.shim.as_ref().map(|shim| shim.as_fd()));
            let wanted = hangup
                .wait_beside(&fds)
                .map_err(Error::sys("watch", Path::new("the journal of events")))?;
            if !wanted {
                return Ok(None);
            }
            let ended = |shim: &OwnedFd| crate::poll::readable_within(shim.as_fd(), NOW);
            if self.shim.as_ref().is_some_and(ended) {
                self.shim = None;
                self.look()?;
            }
        }
    }

    fn hear(&mut self, event: &Event) -> Result<()> {
        match event.action.as_str() {
            "start" => self.look(),
            "die" => {
                let code = event.attributes.get("exitCode").and_then(|code| code.parse().ok());
                self.code = code.unwrap_or(self.code);
                match self.what {
                    WaitFor::NextExit => self.over = true,
                    WaitFor::NotRunning => self.look()?,
                    WaitFor::Removed => {}
                }
                Ok(())
            }
            "destroy" => {
                self.over = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What the state says now; of a shim that has died, after its repair.
    fn look(&mut self) -> Result<()> {
        let (pod, id) = (&self.found.pod.id, &self.found.record.id);
        let Some(state) = self.containers.true_state(pod, id)? else {
            // Gone; how it ended stands in the journal, if it ran at all.
            while let Some(event) = self.events.taken()? {
                if let Some(code) = event.attributes.get("exitCode").and_then(|c| c.parse().ok()) {
                    self.code = code;
                }
            }
            self.over = true;
            return Ok(());
        };
        if state.needs_shim() {
            let connection = self.containers.shim(pod)?;
            self.shim = connection.and_then(|connection| connection.end_of_shim());
            return Ok(());
        }
        if self.what != WaitFor::NextExit {
            self.code = state.exit_code;
        }
        self.over = self.over || self.what == WaitFor::NotRunning;
        Ok(())
    }
}

/// No time at all.
const NOW: std::time::Duration = std::time::Duration::ZERO;
