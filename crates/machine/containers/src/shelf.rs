//! Records on their shelf: found by name or id, read, written under the pod's lock.

use crate::disk::{self, DirLock};
use crate::names::Bearer;
use crate::record::{ContainerRecord, PodRecord};
use crate::state::ContainerState;
use crate::{Containers, Error, Result};
use std::path::PathBuf;

/// Records are many small files; with so many pods several threads read them.
const PODS_A_THREAD: usize = 48;
/// And no more threads than so.
const THREADS_MAX: usize = 4;

/// A container found by name, id or unique prefix of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its record.
    pub record: ContainerRecord,
    /// Its pod's.
    pub pod: PodRecord,
    /// Where it is.
    pub state: ContainerState,
}

impl Found {
    pub(crate) fn bearer(&self) -> Bearer {
        Bearer { pod: self.pod.id.clone(), container: Some(self.record.id.clone()) }
    }
}

impl Containers {
    /// The container of that name, id or unique prefix of an id. What a dead shim left is repaired
    /// first, so the state is true.
    pub fn find(&self, name: &str) -> Result<Found> {
        let (pod, id) = self.locate(name)?;
        self.load(&pod, &id)?.ok_or_else(|| Error::NoSuchContainer(name.to_owned()))
    }

    /// Pod and id of a container, without reading its records.
    pub(crate) fn locate(&self, name: &str) -> Result<(String, String)> {
        if let Some(Bearer { pod, container: Some(container) }) = self.bearer(name)? {
            return Ok((pod, container));
        }
        if disk::is_id(name) && self.home.container(name, name).is_dir() {
            return Ok((name.to_owned(), name.to_owned()));
        }
        let mut fitting = self.container_ids()?.into_iter().filter(|(_, id)| id_fits(id, name));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Error::Ambiguous(name.to_owned())),
            (None, _) => Err(Error::NoSuchContainer(name.to_owned())),
        }
    }

    /// Pod and id of every container.
    pub(crate) fn container_ids(&self) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for pod in self.pod_ids()? {
            let ids = self.ids_of(&pod)?;
            all.extend(ids.into_iter().map(|id| (pod.clone(), id)));
        }
        Ok(all)
    }

    /// Ids of every pod.
    pub(crate) fn pod_ids(&self) -> Result<Vec<String>> {
        disk::ids_in(&self.home.data.join("pods"))
    }

    /// Ids of a pod's containers.
    pub(crate) fn ids_of(&self, pod: &str) -> Result<Vec<String>> {
        disk::ids_in(&self.home.pod(pod).join("containers"))
    }

    /// Everything about a container, repaired; `None` when it does not exist (any more).
    pub(crate) fn load(&self, pod: &str, id: &str) -> Result<Option<Found>> {
        let Some(record) = self.read_record(pod, id)? else { return Ok(None) };
        let Some(pod_record) = self.read_pod(pod)? else { return Ok(None) };
        let Some(state) = self.true_state(pod, id)? else { return Ok(None) };
        Ok(Some(Found { record, pod: pod_record, state }))
    }

    /// Every container that can be read. A damaged one is skipped: `find` by its id says why.
    pub(crate) fn load_all(&self) -> Result<Vec<Found>> {
        let pods = self.pod_ids()?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let share = pods.len().div_ceil(threads).max(PODS_A_THREAD);
        let mut all = if pods.len() <= share {
            self.load_of(&pods)?
        } else {
            std::thread::scope(|scope| {
                let shares = pods.chunks(share);
                let threads: Vec<_> =
                    shares.map(|pods| scope.spawn(|| self.load_of(pods))).collect();
                let mut all = Vec::new();
                for thread in threads {
                    let part = thread.join();
                    all.extend(part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
                }
                Ok::<_, Error>(all)
            })?
        };
        all.sort_by_key(|found| std::cmp::Reverse(found.record.created_ns));
        Ok(all)
    }

    fn load_of(&self, pods: &[String]) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for pod in pods {
            let Ok(Some(pod_record)) = self.read_pod(pod) else { continue };
            for id in self.ids_of(pod)? {
                let Ok(Some(record)) = self.read_record(pod, &id) else { continue };
                let Some(state) = self.true_state(pod, &id)? else { continue };
                all.push(Found { record, pod: pod_record.clone(), state });
            }
        }
        Ok(all)
    }

    pub(crate) fn read_record(&self, pod: &str, id: &str) -> Result<Option<ContainerRecord>> {
        disk::read_json(&self.home.container(pod, id).join("config.json"))
    }

    pub(crate) fn write_record(&self, record: &ContainerRecord) -> Result<()> {
        disk::write_json(&self.home.container(&record.pod, &record.id).join("config.json"), record)
    }

    pub(crate) fn read_pod(&self, pod: &str) -> Result<Option<PodRecord>> {
        disk::read_json(&self.home.pod(pod).join("pod.json"))
    }

    pub(crate) fn write_pod(&self, record: &PodRecord) -> Result<()> {
        disk::write_json(&self.home.pod(&record.id).join("pod.json"), record)
    }

    pub(crate) fn state_path(&self, pod: &str, id: &str) -> PathBuf {
        self.home.container(pod, id).join("state.json")
    }

    /// What was last written about a container's state, true or not.
    pub(crate) fn read_state(&self, pod: &str, id: &str) -> Result<Option<ContainerState>> {
        match disk::read_json(&self.state_path(pod, id))? {
            None if !self.home.container(pod, id).is_dir() => Ok(None),
            state => Ok(Some(state.unwrap_or_default())),
        }
    }

    pub(crate) fn write_state(&self, pod: &str, id: &str, state: &ContainerState) -> Result<()> {
        disk::write_json(&self.state_path(pod, id), state)
    }

    /// Waits for the pod's lock; [`Error::NoSuchPod`] when it went meanwhile.
    pub(crate) fn lock_pod(&self, pod: &str) -> Result<DirLock> {
        DirLock::wait(&self.home.pod(pod))?.ok_or_else(|| Error::NoSuchPod(pod.to_owned()))
    }

    /// The pod of that name, id or prefix (or of a container so named), with its containers' ids.
    pub fn find_pod(&self, name: &str) -> Result<(PodRecord, Vec<String>)> {
        let id = self.locate_pod(name)?;
        let record = self.read_pod(&id)?.ok_or_else(|| Error::NoSuchPod(name.to_owned()))?;
        let ids = self.ids_of(&id)?;
        Ok((record, ids))
    }

    pub(crate) fn locate_pod(&self, name: &str) -> Result<String> {
        if let Some(Bearer { pod, container: None }) = self.bearer(name)? {
            return Ok(pod);
        }
        let mut fitting = self.pod_ids()?.into_iter().filter(|id| id_fits(id, name));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Error::Ambiguous(name.to_owned())),
            (None, _) => match self.bearer(name)? {
                Some(bearer) => Ok(bearer.pod),
                None => Err(Error::NoSuchPod(name.to_owned())),
            },
        }
    }
}

fn id_fits(id: &str, prefix: &str) -> bool {
    !prefix.is_empty() && id.starts_with(prefix)
}
