//! `rename` and `update`: the only changes of a record after it was made.

use super::Update;
use crate::ask::ask;
use crate::create::validate::{self, Machine};
use crate::names;
use crate::record::RestartPolicy;
use crate::shim::protocol::{Reply, Request};
use crate::{Containers, Error, Result};
use teu_oci::runtime::Resources;

impl Containers {
    /// Gives it another name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let found = self.find(name)?;
        let new = names::check(new)?;
        if new == found.record.name {
            return Err(Error::Refused(
                "Renaming a container with the same name as its current name",
            ));
        }
        let _pod = self.lock_pod(&found.pod.id)?;
        let Some(mut record) = self.read_record(&found.pod.id, &found.record.id)? else {
            return Err(Error::NoSuchContainer(name.to_owned()));
        };
        let names = self.lock_names()?;
        names.take(Some(new), &found.bearer())?;
        let old = std::mem::replace(&mut record.name, new.to_owned());
        if let Err(error) = self.write_record(&record) {
            names.free(new, &found.bearer());
            return Err(error);
        }
        names.free(&old, &found.bearer());
        drop(names);
        self.journal(&record, "rename", &[("oldName", &old)]);
        for endpoint in self.networks.endpoints_of(&found.pod.id)? {
            let renamed = |name: &String| if *name == old { new.to_owned() } else { name.clone() };
            let names: Vec<String> = endpoint.names.iter().map(renamed).collect();
            self.networks.rename(&endpoint, &names)?;
        }
        Ok(())
    }

    /// Changes limits or policy, now and for later starts; answers warnings.
    pub fn update(&self, name: &str, update: &Update) -> Result<Vec<String>> {
        let found = self.find(name)?;
        let (pod, id) = (&found.pod.id, &found.record.id);
        if update.restart.is_some_and(|policy| policy != RestartPolicy::No)
            && found.record.auto_remove
        {
            return Err(Error::Refused(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            ));
        }
        let lock = self.lock_pod(pod)?;
        let Some(mut record) = self.read_record(pod, id)? else {
            return Err(Error::NoSuchContainer(name.to_owned()));
        };
        let before = record.clone();
        overlay(&mut record.resources, &update.resources);
        validate::limits(&record.resources, Machine::this())?;
        record.restart = update.restart.unwrap_or(record.restart);
        self.write_record(&record)?;
        drop(lock);
        let warnings = match found.state.needs_shim() {
            true => self.update_running(&found, update).inspect_err(|_| {
                // What the kernel refused is not what the next start shall ask for.
                let _ = self.write_record(&before);
            })?,
            false => Vec::new(),
        };
        self.journal(&record, "update", &[]);
        Ok(warnings)
    }

    fn update_running(&self, found: &crate::Found, update: &Update) -> Result<Vec<String>> {
        let request = Request::Update {
            id: found.record.id.clone(),
            resources: Box::new(update.resources.clone()),
            restart: update.restart,
        };
        match ask(&self.running_shim(found)?, &found.pod.id, &request, &[])? {
            (Reply::DoneWith { warnings }, _) => Ok(warnings),
            _ => Ok(Vec::new()),
        }
    }
}

/// New values over old ones, field by field.
pub(crate) fn overlay(old: &mut Resources, new: &Resources) {
    fn over<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            old.clone_from(new);
        }
    }
    match (&mut old.memory, &new.memory) {
        (Some(old), Some(new)) => {
            over(&mut old.limit, &new.limit);
            over(&mut old.reservation, &new.reservation);
            over(&mut old.swap, &new.swap);
            over(&mut old.kernel, &new.kernel);
            over(&mut old.swappiness, &new.swappiness);
            over(&mut old.disable_oom_killer, &new.disable_oom_killer);
        }
        (old, new) => over(old, new),
    }
    match (&mut old.cpu, &new.cpu) {
        (Some(old), Some(new)) => {
            over(&mut old.shares, &new.shares);
            over(&mut old.quota, &new.quota);
            over(&mut old.burst, &new.burst);
            over(&mut old.period, &new.period);
            over(&mut old.realtime_runtime, &new.realtime_runtime);
            over(&mut old.realtime_period, &new.realtime_period);
            over(&mut old.cpus, &new.cpus);
            over(&mut old.mems, &new.mems);
            over(&mut old.idle, &new.idle);
        }
        (old, new) => over(old, new),
    }
    match (&mut old.block_io, &new.block_io) {
        (Some(old), Some(new)) => {
            over(&mut old.weight, &new.weight);
            for (old, new) in [
                (&mut old.throttle_read_bps_device, &new.throttle_read_bps_device),
                (&mut old.throttle_write_bps_device, &new.throttle_write_bps_device),
                (&mut old.throttle_read_iops_device, &new.throttle_read_iops_device),
                (&mut old.throttle_write_iops_device, &new.throttle_write_iops_device),
            ] {
                if !new.is_empty() {
                    old.clone_from(new);
                }
            }
        }
        (old, new) => over(old, new),
    }
    over(&mut old.pids, &new.pids);
    old.unified.extend(new.unified.clone());
}
