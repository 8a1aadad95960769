//! `rm`, and `container prune`.

use super::AnonymousVolumes;
use crate::filter::Filters;
use crate::lifecycle::{Remove, Stop};
use crate::record::PodRecord;
use crate::state::Status;
use crate::{Containers, Error, Found, Result};
use std::time::Duration;

/// A shim has so long to undo what it did for a container that was killed.
const UNDO: Duration = Duration::from_secs(20);

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
        let volumes = match remove.volumes {
            true => AnonymousVolumes::Remove,
            false => AnonymousVolumes::Keep,
        };
        let found = match self.find(name) {
            Err(Error::Damaged { .. }) if remove.force => {
                return self.remove_damaged(name, volumes);
            }
            found => found?,
        };
        if found.state.needs_shim() {
            if !remove.force {
                let name = found.record.name;
                let status = found.state.status.name();
                return Err(Error::StillRunning { name, status });
            }
            match self.stop_found(&found, Stop::NOW) {
                Ok(()) => {}
                // A shim that refuses or does not understand is killed below.
                Err(error) if !found.pod.implicit => return Err(error),
                Err(_) => {}
            }
        }
        self.remove_found(&found, volumes)
    }

    pub(crate) fn remove_found(&self, found: &Found, volumes: AnonymousVolumes) -> Result<()> {
        let (pod, id) = (&found.pod.id, &found.record.id);
        if found.pod.implicit {
            self.wait_for_shim_end(pod, UNDO)?;
        }
        let lock = match self.lock_pod(pod) {
            // The shim has removed it (`--rm`).
            Err(Error::NoSuchPod(_)) => return Ok(()),
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
        self.discard(pod, id, found.pod.implicit, volumes)?;
        drop(lock);
        self.journal(&found.record, "destroy", &[]);
        Ok(())
    }

    /// A container whose records do not parse: everything that can be found by its id goes.
    fn remove_damaged(&self, name: &str, volumes: AnonymousVolumes) -> Result<()> {
        let (pod, id) = self.locate(name)?;
        let alone = self.ids_of(&pod)?.len() == 1;
        let record = self.read_pod(&pod).ok().flatten();
        let with_pod = record.as_ref().map_or(alone, |record| record.implicit);
        if with_pod {
            if let Some(connection) = self.shim(&pod)? {
                let request = crate::shim::protocol::Request::StopPod { timeout_ms: Some(0) };
                let _ = connection.call(&request, &[]);
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
