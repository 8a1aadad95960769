//! Removal, in an order that any later command can finish.
//!
//! 1. The directory is renamed to `data/tmp/gone-<id>` (`gonev-<id>` when anonymous volumes go too):
//!    from here on the container does not exist.
//! 2. Its name, its image lease and its anonymous volumes are given back.
//! 3. The directory is deleted.
//!
//! The remover keeps a lock on the directory; [`Containers::sweep`] finishes those that nobody
//! holds. The same directory is where `create` prepares (`new-<id>`).

use crate::disk::{self, DirLock};
use crate::names::Bearer;
use crate::record::{ContainerRecord, MountKind, PodRecord};
use crate::{Containers, Error, Home, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

mod container;

pub use container::Pruned;
pub(crate) use container::disk_bytes;

/// A directory that is being prepared may be unlocked for an instant after it was made.
const FRESH: Duration = Duration::from_secs(5);

/// Whether anonymous volumes go with their container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousVolumes {
    /// They stay.
    Keep,
    /// They go, unless another container uses them.
    Remove,
}

impl AnonymousVolumes {
    fn prefix(self) -> &'static str {
        match self {
            Self::Keep => "gone-",
            Self::Remove => "gonev-",
        }
    }
}

/// The files of a container that does not exist any more. Deleting them may take a disk its time,
/// and nobody need wait for it; whoever holds this does so when everybody has been answered. Dropped
/// instead, they are left to the next command.
#[derive(Debug, Default)]
pub struct Remains(Option<(PathBuf, Option<DirLock>)>);

impl Remains {
    /// Deletes them.
    pub fn clear(self) -> Result<()> {
        self.0.map_or(Ok(()), |(gone, _lock)| disk::remove_tree(&gone))
    }
}

/// For the shim: removes a container that has ended and was made with `--rm`, with its anonymous
/// volumes, and its pod if that was made for it. The caller has let go of its mounts, cgroup and
/// network, and goes on holding `shim.lock`.
pub fn ended(home: &Home, pod: &str, id: &str) -> Result<Remains> {
    let containers = Containers::open(home.clone(), PathBuf::new())?;
    let Some(_lock) = DirLock::wait(&home.pod(pod))? else { return Ok(Remains::default()) };
    let implicit = containers.read_pod(pod)?.is_some_and(|record| record.implicit);
    containers.retire(pod, id, implicit, AnonymousVolumes::Remove)
}

impl Containers {
    /// Removes what is on disk of a container whose processes are gone, under its pod's lock.
    pub(crate) fn discard(
        &self,
        pod: &str,
        id: &str,
        with_pod: bool,
        volumes: AnonymousVolumes,
    ) -> Result<()> {
        self.retire(pod, id, with_pod, volumes)?.clear()
    }

    /// The same but for the deletion of its files.
    pub(crate) fn retire(
        &self,
        pod: &str,
        id: &str,
        with_pod: bool,
        volumes: AnonymousVolumes,
    ) -> Result<Remains> {
        let from = if with_pod { self.home.pod(pod) } else { self.home.container(pod, id) };
        let gone = self.home.tmp().join(format!("{}{id}", volumes.prefix()));
        let lock = DirLock::attempt(&from)?;
        match fs::rename(&from, &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Remains::default());
            }
            Err(error) => return Err(Error::io("remove", &from)(error)),
        }
        let done = self.release(&gone, volumes);
        if with_pod {
            let _ = fs::remove_dir_all(self.home.pod_run(pod));
        }
        done.map(|()| Remains(Some((gone, lock))))
    }

    /// Gives back what a removed directory held, then deletes it. Each step may have been done.
    fn finish(&self, gone: &Path, volumes: AnonymousVolumes) -> Result<()> {
        self.release(gone, volumes)?;
        disk::remove_tree(gone)
    }

    fn release(&self, gone: &Path, volumes: AnonymousVolumes) -> Result<()> {
        if let Ok(Some(pod)) = disk::read_json::<PodRecord>(&gone.join("pod.json")) {
            if let Some(name) = &pod.name {
                let bearer = Bearer { pod: pod.id.clone(), container: None };
                self.lock_names()?.free(name, &bearer);
            }
            for id in disk::ids_in(&gone.join("containers"))? {
                self.give_back(&gone.join("containers").join(&id), &id, volumes)?;
            }
        } else if let Some((_, id)) = gone.file_name().and_then(|n| n.to_str()?.split_once('-')) {
            self.give_back(gone, id, volumes)?;
        }
        Ok(())
    }

    fn give_back(&self, dir: &Path, id: &str, volumes: AnonymousVolumes) -> Result<()> {
        self.images.lease(&lease_name(id))?.release()?;
        let Ok(Some(record)) = disk::read_json::<ContainerRecord>(&dir.join("config.json")) else {
            // Damaged: its name is freed by the next `create` that wants it.
            return Ok(());
        };
        let bearer = Bearer { pod: record.pod.clone(), container: Some(record.id.clone()) };
        self.lock_names()?.free(&record.name, &bearer);
        if volumes == AnonymousVolumes::Remove {
            self.remove_anonymous(&record)?;
        }
        Ok(())
    }

    fn remove_anonymous(&self, record: &ContainerRecord) -> Result<()> {
        let anonymous: Vec<&String> = record
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Volume { name, anonymous: true, .. } => Some(name),
                _ => None,
            })
            .collect();
        if anonymous.is_empty() {
            return Ok(());
        }
        let users = self.volume_users()?;
        for name in anonymous {
            let used = users.get(name).is_some_and(|ids| ids.iter().any(|id| *id != record.id));
            if !used {
                match self.volumes.remove(name) {
                    Ok(()) | Err(teu_volumes::Error::NoSuchVolume(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Finishes removals and clears preparations whose commands were killed. Cheap when there are
    /// none, so every [`Containers::open`] does it.
    pub(crate) fn sweep(&self) -> Result<()> {
        let tmp = self.home.tmp();
        for entry in fs::read_dir(&tmp).map_err(Error::io("list", &tmp))?.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let Some((kind, _)) = name.to_str().and_then(|name| name.split_once('-')) else {
                continue;
            };
            let fresh = fs::symlink_metadata(&path)
                .and_then(|meta| meta.modified())
                .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < FRESH));
            if kind == "new" && fresh {
                continue;
            }
            let Some(_lock) = DirLock::attempt(&path)? else { continue };
            match kind {
                "gone" => self.finish(&path, AnonymousVolumes::Keep)?,
                // Volumes that a draft names anonymously were made for it.
                "gonev" | "new" => self.finish(&path, AnonymousVolumes::Remove)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Name of the lease that keeps a container's image.
pub(crate) fn lease_name(id: &str) -> String {
    format!("container-{id}")
}
