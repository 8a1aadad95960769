//! `rm`, and `container prune`.

use super::{AnonymousVolumes, Remains};
use crate::filter::Filters;
use crate::lifecycle::{KILL, Remove};
use crate::record::PodRecord;
use crate::shim::protocol::{Reply, Request};
use crate::state::Status;
use crate::{Containers, Error, Found, Result};
use rustix::process::{PidfdFlags, Signal};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// A shim has so long to undo what it did for a container that was killed.
const UNDO: Duration = Duration::from_secs(20);
/// One whose container has ended is about to end itself, within this time.
const ENDING: Duration = Duration::from_secs(5);
/// And so long to answer that it was killed.
const ANSWER: Duration = Duration::from_secs(10);

/// What was removed by a `prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids or names.
    pub removed: Vec<String>,
    /// Bytes given back.
    pub reclaimed_bytes: u64,
}

impl Containers {
    /// Removes it, and its pod if that was made for it.
    pub fn remove(&self, name: &str, remove: Remove) -> Result<()> {
        self.remove_all_but_files(name, remove)?.clear()
    }

    /// The same, with the deletion of its files left to the caller: it is not there any more.
    pub fn remove_all_but_files(&self, name: &str, remove: Remove) -> Result<Remains> {
        let volumes = match remove.volumes {
            true => AnonymousVolumes::Remove,
            false => AnonymousVolumes::Keep,
        };
        let found = match self.find(name) {
            Err(Error::Damaged { .. }) if remove.force => {
                return self.remove_damaged(name, volumes).map(|()| Remains::default());
            }
            found => found?,
        };
        if found.state.needs_shim() && !remove.force {
            let (name, status) = (found.record.name, found.state.status.name());
            return Err(Error::StillRunning { name, status });
        }
        if remove.force && (found.state.needs_shim() || self.shim_lives(&found.pod.id)?) {
            self.end(&found)?;
        } else if found.pod.implicit && !self.shim_ends_within(&found.pod.id, ENDING)? {
            // It does not end but starts.
            let (name, status) = (found.record.name, Status::Running.name());
            return Err(Error::StillRunning { name, status });
        }
        self.retire_found(&found, volumes)
    }

    /// Kills through the shim. One that does not answer (stopped, stuck) is killed itself; the repair
    /// does the rest.
    fn end(&self, found: &Found) -> Result<()> {
        let Some(connection) = self.shim(&found.pod.id)? else { return Ok(()) };
        let id = found.record.id.clone();
        let request = match found.pod.implicit {
            // Also one that starts its container just now, for a command that was killed.
            true => Request::StopPod { timeout_ms: Some(0) },
            false => Request::Stop { id, signal: KILL, timeout_ms: Some(0) },
        };
        let answer =
            connection.send(&request, &[]).and_then(|()| connection.receive_within(ANSWER));
        match answer {
            Ok((Reply::Failed { exit_code, message }, _)) if !found.pod.implicit => {
                Err(Error::Shim { exit_code, message })
            }
            Err(crate::shim::Error::Silent) => {
                let peer = rustix::net::sockopt::socket_peercred(&connection).ok();
                let shim = peer.and_then(|peer| {
                    rustix::process::pidfd_open(peer.pid, PidfdFlags::empty()).ok()
                });
                if let Some(shim) = shim {
                    let _ = rustix::process::pidfd_send_signal(&shim, Signal::KILL);
                    crate::poll::readable_within(shim.as_fd(), ANSWER);
                }
                Ok(())
            }
            // The shim ends with its pod: what was asked for has happened.
            _ => Ok(()),
        }
    }

    pub(crate) fn remove_found(&self, found: &Found, volumes: AnonymousVolumes) -> Result<()> {
        self.retire_found(found, volumes)?.clear()
    }

    fn retire_found(&self, found: &Found, volumes: AnonymousVolumes) -> Result<Remains> {
        let (pod, id) = (&found.pod.id, &found.record.id);
        if found.pod.implicit {
            self.wait_for_shim_end(pod, UNDO)?;
        }
        let lock = match self.lock_pod(pod) {
            // The shim has removed it (`--rm`).
            Err(Error::NoSuchPod(_)) => return Ok(Remains::default()),
            lock => lock?,
        };
        self.repair_pod(pod)?;
        if let Some(state) = self.read_state(pod, id)?
            && state.needs_shim()
        {
            // Somebody started it between our look and our lock.
            let (name, status) = (found.record.name.clone(), state.status.name());
            return Err(Error::StillRunning { name, status });
        }
        if found.pod.implicit {
            self.kill_remains(&found.pod)?;
            self.networks.disconnect_pod(pod)?;
        }
        let remains = self.retire(pod, id, found.pod.implicit, volumes)?;
        drop(lock);
        self.journal(&found.record, "destroy", &[]);
        Ok(remains)
    }

    /// A container whose records do not parse: everything that can be found by its id goes.
    fn remove_damaged(&self, name: &str, volumes: AnonymousVolumes) -> Result<()> {
        let (pod, id) = self.locate(name)?;
        let alone = self.ids_of(&pod)?.len() == 1;
        let record = self.read_pod(&pod).ok().flatten();
        let with_pod = record.as_ref().map_or(alone, |record| record.implicit);
        if with_pod {
            if let Some(connection) = self.shim(&pod)? {
                let request = Request::StopPod { timeout_ms: Some(0) };
                let _ = connection.send(&request, &[]);
                let _ = connection.receive_within(ANSWER);
            }
            self.wait_for_shim_end(&pod, UNDO)?;
        }
        let _lock = self.lock_pod(&pod)?;
        if with_pod {
            let record = record.unwrap_or_else(|| PodRecord {
                id: pod.clone(),
                implicit: true,
                ..PodRecord::default()
            });
            self.kill_remains(&record)?;
            self.networks.disconnect_pod(&pod)?;
        }
        self.discard(&pod, &id, with_pod, volumes)
    }

    /// Removes containers that do not run; filters `until`, `label`, `label!`.
    pub fn prune(&self, filters: &[(String, String)]) -> Result<Pruned> {
        let filters = Filters(filters).only(&["until", "label", "label!"])?;
        let until = filters.until()?;
        let mut pruned = Pruned::default();
        for found in self.load_all()? {
            let idle =
                matches!(found.state.status, Status::Created | Status::Exited | Status::Dead);
            let old = until.is_none_or(|until| found.record.created_ns < until);
            if !idle || !old || !filters.labels_fit(&found.record.labels) {
                continue;
            }
            let bytes = disk_bytes(&self.upper(&found));
            match self.remove_found(&found, AnonymousVolumes::Keep) {
                Ok(()) => {
                    pruned.removed.push(found.record.id);
                    pruned.reclaimed_bytes += bytes;
                }
                Err(Error::StillRunning { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }
}

/// What `du` says of a directory of ours, links not followed; unreadable parts count nothing.
pub(crate) fn disk_bytes(path: &std::path::Path) -> u64 {
    teu_volumes::disk_bytes(path).unwrap_or(0)
}

impl Status {
    /// In lower case, as Docker has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}
