//! Volumes as commands see them: who uses one is in the records of containers.

use crate::filter::Filters;
use crate::record::MountKind;
use crate::remove::Pruned;
use crate::{Containers, Error, Result, time};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_volumes::{Volume, VolumeSpec};

/// Disk use of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    /// Which.
    pub volume: Volume,
    /// Names of the containers that use it.
    pub containers: Vec<String>,
    /// Bytes on disk.
    pub size_bytes: u64,
}

impl Containers {
    /// Makes a volume, or finds the one that has the name already.
    pub fn create_volume(&self, spec: &VolumeSpec) -> Result<Volume> {
        let fresh = spec.name.as_ref().is_none_or(|name| self.volumes.get(name).is_err());
        let volume = self.volumes.create(spec)?;
        if fresh {
            self.journal_volume(volume.name(), "create");
        }
        Ok(volume)
    }

    /// Ids of the containers that have a volume among their mounts, by volume.
    pub(crate) fn volume_users(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (pod, id) in self.container_ids()? {
            let Ok(Some(record)) = self.read_record(&pod, &id) else { continue };
            for mount in &record.mounts {
                if let MountKind::Volume { name, .. } = &mount.kind {
                    users.entry(name.clone()).or_default().push(id.clone());
                }
            }
        }
        Ok(users)
    }

    /// Removes a volume that nobody uses.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        let volume = self.volumes.get(name)?;
        if let Some(users) = self.volume_users()?.get(volume.name()) {
            let (volume, containers) = (volume.name().to_owned(), users.join(", "));
            return Err(Error::VolumeInUse { volume, containers });
        }
        self.volumes.remove(name)?;
        self.journal_volume(name, "destroy");
        Ok(())
    }

    /// Removes anonymous volumes (with `all`, named ones too) that nobody uses.
    pub fn prune_volumes(&self, all: bool, filters: &[(String, String)]) -> Result<Pruned> {
        let filters = Filters(filters).only(&["all", "until", "label", "label!"])?;
        let all = all || filters.flag("all")?.unwrap_or(false);
        let until = filters.until()?;
        let users = self.volume_users()?;
        let mut pruned = Pruned::default();
        for volume in self.volumes.list()? {
            let record = &volume.record;
            let old = until.is_none_or(|until| record.created_ns < until);
            let wanted = (all || record.anonymous) && old && filters.labels_fit(&record.labels);
            if !wanted || users.contains_key(volume.name()) {
                continue;
            }
            let bytes = self.volumes.size_bytes(&volume)?;
            match self.volumes.remove(volume.name()) {
                Ok(()) => {
                    self.journal_volume(volume.name(), "destroy");
                    pruned.removed.push(volume.name().to_owned());
                    pruned.reclaimed_bytes += bytes;
                }
                Err(teu_volumes::Error::NoSuchVolume(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(pruned)
    }

    /// `volume ls`; filters `dangling`, `driver`, `label`, `name`.
    pub fn list_volumes(&self, filters: &[(String, String)]) -> Result<Vec<Volume>> {
        let filters = Filters(filters).only(&["dangling", "driver", "label", "name"])?;
        let dangling = filters.flag("dangling")?;
        let users = self.volume_users()?;
        let mut volumes = self.volumes.list()?;
        volumes.retain(|volume| {
            let used = users.contains_key(volume.name());
            dangling.is_none_or(|dangling| dangling != used)
                && filters.any("driver", |value| value == "local")
                && filters.any("name", |value| volume.name().contains(value))
                && filters.labels_fit(&volume.record.labels)
        });
        Ok(volumes)
    }

    /// Docker's `volume inspect`.
    pub fn inspect_volume(&self, name: &str) -> Result<Value> {
        let volume = self.volumes.get(name)?;
        let record = &volume.record;
        let nullable = |map: &BTreeMap<String, String>| match map.is_empty() {
            true => Value::Null,
            false => json!(map),
        };
        let mut labels = record.labels.clone();
        if record.anonymous {
            labels.insert("com.docker.volume.anonymous".to_owned(), String::new());
        }
        Ok(json!({
            "CreatedAt": time::rfc3339(record.created_ns / 1_000_000_000 * 1_000_000_000),
            "Driver": "local",
            "Labels": nullable(&labels),
            "Mountpoint": volume.path(),
            "Name": record.name,
            "Options": nullable(&record.options),
            "Scope": "local",
        }))
    }

    /// Who uses what, for `system df`.
    pub fn volume_usage(&self) -> Result<Vec<VolumeUsage>> {
        let mut names = BTreeMap::new();
        for (pod, id) in self.container_ids()? {
            if let Ok(Some(record)) = self.read_record(&pod, &id) {
                names.insert(id, record.name);
            }
        }
        let users = self.volume_users()?;
        let mut usage = Vec::new();
        for volume in self.volumes.list()? {
            let ids = users.get(volume.name()).cloned().unwrap_or_default();
            let containers = ids.iter().filter_map(|id| names.get(id).cloned()).collect();
            let size_bytes = self.volumes.size_bytes(&volume)?;
            usage.push(VolumeUsage { volume, containers, size_bytes });
        }
        Ok(usage)
    }
}
