//! Pods as commands see them. An implicit pod is not shown here: its container stands for it.

use crate::ask::ask;
use crate::create::Created;
use crate::disk::{self, DirLock};
use crate::filter::Filters;
use crate::lifecycle::{Attach, KILL, Stop};
use crate::list::{PodSummary, network_names};
use crate::names::Bearer;
use crate::open::private;
use crate::record::PodRecord;
use crate::remove::AnonymousVolumes;
use crate::shim::protocol::Request;
use crate::state::Status;
use crate::{Containers, Error, Found, Result, time};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// A shim has so long to undo what it did for a pod that was killed.
const UNDO: Duration = Duration::from_secs(20);

impl Containers {
    /// Makes an empty pod.
    pub fn create_pod(&self, mut pod: PodRecord) -> Result<Created> {
        pod.implicit = false;
        let wanted = pod.name.take();
        self.settle_pod(&mut pod)?;
        let dir = self.home.tmp().join(format!("new-{}", pod.id));
        private(&dir)?;
        let lock = DirLock::wait(&dir)?;
        let made = private(&dir.join("containers")).and_then(|()| {
            let bearer = Bearer { pod: pod.id.clone(), container: None };
            let names = self.lock_names()?;
            let name = names.take(wanted.as_deref(), &bearer)?;
            pod.name = Some(name.clone());
            let to = self.home.pod(&pod.id);
            let published = disk::write_json(&dir.join("pod.json"), &pod)
                .and_then(|()| fs::rename(&dir, &to).map_err(Error::io("create", &to)));
            if published.is_err() {
                names.free(&name, &bearer);
            }
            published.map(|()| name)
        });
        drop(lock);
        let name = made.inspect_err(|_| {
            let _ = fs::remove_dir_all(&dir);
        })?;
        self.journal_pod(&pod.id, &name, "create");
        Ok(Created { id: pod.id.clone(), name, pod: pod.id, warnings: Vec::new() })
    }

    /// A pod that a person made, and its containers.
    fn pod_with(&self, name: &str) -> Result<(PodRecord, Vec<Found>)> {
        let (pod, ids) = self.find_pod(name)?;
        if pod.implicit {
            return Err(Error::NoSuchPod(name.to_owned()));
        }
        let mut containers = Vec::new();
        for id in ids {
            containers.extend(self.load(&pod.id, &id)?);
        }
        containers.sort_by_key(|found| found.record.created_ns);
        Ok((pod, containers))
    }

    fn journal_of(&self, pod: &PodRecord, action: &str) {
        self.journal_pod(&pod.id, pod.name.as_deref().unwrap_or_default(), action);
    }

    /// Starts its containers, in the order they were made; answers their ids.
    pub fn start_pod(&self, name: &str) -> Result<Vec<String>> {
        let (pod, containers) = self.pod_with(name)?;
        let mut started = Vec::new();
        for found in containers {
            if !found.state.needs_shim() {
                self.start(&found.record.id, Attach::default())?;
            }
            started.push(found.record.id);
        }
        self.journal_of(&pod, "start");
        Ok(started)
    }

    /// Stops them, all at a time, and the pod's shim.
    pub fn stop_pod(&self, name: &str, stop: Stop) -> Result<()> {
        let (pod, _) = self.pod_with(name)?;
        self.stop_whole(&pod, stop)?;
        self.journal_of(&pod, "stop");
        Ok(())
    }

    fn stop_whole(&self, pod: &PodRecord, stop: Stop) -> Result<()> {
        let Some(connection) = self.shim(&pod.id)? else { return Ok(()) };
        let timeout_ms = stop.timeout_s.map(|seconds| seconds.saturating_mul(1000));
        match ask(&connection, &pod.id, &Request::StopPod { timeout_ms }, &[]) {
            Ok(_) | Err(Error::ShimLost(_)) => self.wait_for_shim_end(&pod.id, UNDO),
            Err(error) => Err(error),
        }
    }

    /// Signals those that run.
    pub fn kill_pod(&self, name: &str, signal: i32) -> Result<()> {
        let (pod, containers) = self.pod_with(name)?;
        let running =
            |found: &&Found| matches!(found.state.status, Status::Running | Status::Paused);
        for found in containers.iter().filter(running) {
            match self.kill(&found.record.id, signal) {
                Err(Error::CannotKill { .. }) => {}
                done => done?,
            }
        }
        self.journal_of(&pod, "kill");
        Ok(())
    }

    /// Freezes those that run.
    pub fn pause_pod(&self, name: &str) -> Result<()> {
        let (pod, containers) = self.pod_with(name)?;
        for found in containers.iter().filter(|found| found.state.status == Status::Running) {
            self.pause(&found.record.id)?;
        }
        self.journal_of(&pod, "pause");
        Ok(())
    }

    /// Thaws those that are frozen.
    pub fn unpause_pod(&self, name: &str) -> Result<()> {
        let (pod, containers) = self.pod_with(name)?;
        for found in containers.iter().filter(|found| found.state.status == Status::Paused) {
            self.unpause(&found.record.id)?;
        }
        self.journal_of(&pod, "unpause");
        Ok(())
    }

    /// Stops and starts them.
    pub fn restart_pod(&self, name: &str, stop: Stop) -> Result<()> {
        self.stop_pod(name, stop)?;
        self.start_pod(name).map(drop)
    }

    /// Removes a pod and its containers, with their anonymous volumes.
    pub fn remove_pod(&self, name: &str, force: bool) -> Result<()> {
        let (pod, containers) = self.pod_with(name)?;
        if containers.iter().any(|found| found.state.needs_shim()) && !force {
            return Err(Error::PodRunning(name.to_owned()));
        }
        // Also a shim that runs nothing but has not ended yet.
        let stopped = self.stop_whole(&pod, Stop { signal: Some(KILL), timeout_s: Some(0) });
        if !force {
            stopped?;
        }
        self.wait_for_shim_end(&pod.id, UNDO)?;
        let _lock = self.lock_repaired(&pod.id)?;
        self.kill_remains(&pod)?;
        self.networks.disconnect_pod(&pod.id)?;
        self.discard(&pod.id, &pod.id, true, AnonymousVolumes::Remove)?;
        self.journal_of(&pod, "remove");
        Ok(())
    }

    /// `pod ps`; filters `id`, `name`, `status`, `label`.
    pub fn list_pods(&self, filters: &[(String, String)]) -> Result<Vec<PodSummary>> {
        let filters = Filters(filters).only(&["id", "name", "status", "label"])?;
        let mut pods = Vec::new();
        for id in self.pod_ids()? {
            let Ok(Some(record)) = self.read_pod(&id) else { continue };
            if record.implicit {
                continue;
            }
            let (record, containers) = self.pod_with(&id)?;
            pods.push(summary(record, &containers));
        }
        pods.retain(|pod: &PodSummary| {
            filters.any("id", |value| pod.id.starts_with(value))
                && filters.any("name", |value| pod.name.contains(value))
                && filters.any("status", |value| pod.status.eq_ignore_ascii_case(value))
                && filters.labels_fit(&pod.labels)
        });
        pods.sort_by_key(|pod| std::cmp::Reverse(pod.created_ns));
        Ok(pods)
    }

    /// podman's `pod inspect`.
    pub fn inspect_pod(&self, name: &str) -> Result<Value> {
        let (pod, containers) = self.pod_with(name)?;
        let shown = summary(pod.clone(), &containers);
        let members: Vec<Value> = containers
            .iter()
            .map(|found| {
                json!({
                    "Id": found.record.id,
                    "Name": found.record.name,
                    "State": found.state.status.name(),
                })
            })
            .collect();
        let mut shared = vec!["net", "ipc", "uts"];
        if pod.share_pid {
            shared.push("pid");
        }
        Ok(json!({
            "Id": pod.id,
            "Name": shown.name,
            "Created": time::rfc3339(pod.created_ns),
            "State": shown.status,
            "Hostname": if pod.hostname.is_empty() { &pod.id[..12] } else { &pod.hostname },
            "Labels": pod.labels,
            "CgroupPath": self.home.pod_cgroup(&pod),
            "SharedNamespaces": shared,
            "NumContainers": containers.len(),
            "Networks": shown.networks,
            "PortBindings": pod.network.ports,
            "Endpoints": self.networks.endpoints_of(&pod.id)?,
            "Sysctls": pod.sysctls,
            "Containers": members,
        }))
    }
}

fn summary(pod: PodRecord, containers: &[Found]) -> PodSummary {
    let networks = network_names(&pod);
    let members =
        |found: &Found| (found.record.id.clone(), found.record.name.clone(), found.state.status);
    PodSummary {
        status: pod_status(containers).to_owned(),
        containers: containers.iter().map(members).collect(),
        name: pod.name.unwrap_or_default(),
        id: pod.id,
        created_ns: pod.created_ns,
        labels: pod.labels,
        networks,
    }
}

/// podman's words for what its containers are.
fn pod_status(containers: &[Found]) -> &'static str {
    let count = |status: Status| containers.iter().filter(|f| f.state.status == status).count();
    let running = count(Status::Running) + count(Status::Restarting);
    match containers.len() {
        0 => "Created",
        all if running == all => "Running",
        all if count(Status::Paused) == all => "Paused",
        all if count(Status::Created) == all => "Created",
        _ if running > 0 => "Degraded",
        _ => "Exited",
    }
}
