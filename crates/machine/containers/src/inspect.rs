//! `inspect`: Docker's JSON of a container, complete, for people, templates and later the engine.
//!
//! Fields stand in Docker's order. What Teu has no word for (`MountLabel`, `ProcessLabel`, …) has the
//! empty value that Docker shows without that feature.

use crate::record::MountKind;
use crate::state::{ContainerState, Status};
use crate::{Containers, Found, Result, time};
use serde_json::{Map, Value, json};

mod config;
mod host_config;
mod network;

impl Containers {
    /// Docker's `inspect` of a container; with `size`, `SizeRw` and `SizeRootFs`.
    pub fn inspect(&self, name: &str, size: bool) -> Result<Value> {
        let found = self.find(name)?;
        let (record, pod) = (&found.record, &found.pod);
        let dir = self.home.container(&pod.id, &record.id);
        let mut words = record.entrypoint.iter().chain(&record.command);
        let path = words.next().cloned().unwrap_or_default();
        let args: Vec<&String> = words.collect();
        let mut all = json!({
            "Id": record.id,
            "Created": time::rfc3339(record.created_ns),
            "Path": path,
            "Args": args,
            "State": state(&found.state),
            "Image": record.image_id,
            "ResolvConfPath": self.home.pod(&pod.id).join("resolv.conf"),
            "HostnamePath": self.home.pod(&pod.id).join("hostname"),
            "HostsPath": self.home.pod(&pod.id).join("hosts"),
            "LogPath": if record.log.keep { json!(dir.join("container.log")) } else { json!("") },
            "Name": format!("/{}", record.name),
            "RestartCount": found.state.restart_count,
            "Driver": "overlay2",
            "Platform": "linux",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": if record.security.privileged { "unconfined" } else { "" },
            "ExecIDs": Value::Null,
            "HostConfig": host_config::render(&found),
            "GraphDriver": self.graph_driver(&found),
            "SizeRw": Value::Null,
            "SizeRootFs": Value::Null,
            "Mounts": self.mounts(&found),
            "Config": config::render(&found),
            "NetworkSettings": self.network_settings(&found)?,
            "Pod": pod.id,
        });
        if let Some(fields) = all.as_object_mut() {
            if size {
                let size = self.size(&found)?;
                fields.insert("SizeRw".to_owned(), json!(size.writable_bytes));
                fields.insert("SizeRootFs".to_owned(), json!(size.total_bytes));
            } else {
                fields.shift_remove("SizeRw");
                fields.shift_remove("SizeRootFs");
            }
        }
        Ok(all)
    }

    fn graph_driver(&self, found: &Found) -> Value {
        let dir = self.home.container(&found.pod.id, &found.record.id);
        let lower = self.chain(found).map(|chain| chain.lower).unwrap_or_default();
        let lower: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
        // There is no `MergedDir`: a container's root exists only in its own mount namespace.
        json!({
            "Data": {
                "LowerDir": lower.join(":"),
                "UpperDir": dir.join("upper"),
                "WorkDir": dir.join("work"),
            },
            "Name": "overlay2",
        })
    }

    fn mounts(&self, found: &Found) -> Vec<Value> {
        let mode = |readonly: bool| if readonly { "ro" } else { "" };
        let mut all = Vec::new();
        for mount in &found.record.mounts {
            let mut fields = Map::new();
            let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
            let propagation = serde_json::to_value(mount.propagation).unwrap_or_default();
            match &mount.kind {
                MountKind::Bind { source, .. } => {
                    set("Type", json!("bind"));
                    set("Source", json!(source));
                    set("Destination", json!(mount.destination));
                    set("Mode", json!(mode(mount.readonly)));
                    set("RW", json!(!mount.readonly));
                    set("Propagation", propagation);
                }
                MountKind::Volume { name, .. } => {
                    let source = self.volumes.get(name).map(|volume| volume.path());
                    set("Type", json!("volume"));
                    set("Name", json!(name));
                    set("Source", json!(source.unwrap_or_default()));
                    set("Destination", json!(mount.destination));
                    set("Driver", json!("local"));
                    set("Mode", json!(mode(mount.readonly)));
                    set("RW", json!(!mount.readonly));
                    set("Propagation", json!(""));
                }
                MountKind::Tmpfs { .. } => {
                    set("Type", json!("tmpfs"));
                    set("Source", json!(""));
                    set("Destination", json!(mount.destination));
                    set("Mode", json!(""));
                    set("RW", json!(!mount.readonly));
                    set("Propagation", json!(""));
                }
            }
            all.push(Value::Object(fields));
        }
        all
    }
}

fn state(state: &ContainerState) -> Value {
    let is = |status: Status| state.status == status;
    let mut all = json!({
        "Status": state.status.name(),
        "Running": is(Status::Running) || is(Status::Paused) || is(Status::Restarting),
        "Paused": is(Status::Paused),
        "Restarting": is(Status::Restarting),
        "OOMKilled": state.oom_killed,
        "Dead": is(Status::Dead),
        "Pid": if state.needs_shim() { state.pid } else { 0 },
        "ExitCode": state.exit_code,
        "Error": state.error.clone().unwrap_or_default(),
        "StartedAt": time::rfc3339(state.started_ns),
        "FinishedAt": time::rfc3339(state.finished_ns),
    });
    if let (Some(health), Some(fields)) = (&state.health, all.as_object_mut()) {
        let probe = |probe: &crate::state::Probe| {
            json!({
                "Start": time::rfc3339(probe.start_ns),
                "End": time::rfc3339(probe.end_ns),
                "ExitCode": probe.exit_code,
                "Output": probe.output,
            })
        };
        let log: Vec<Value> = health.log.iter().map(probe).collect();
        let health = json!({
            "Status": health.status,
            "FailingStreak": health.failing_streak,
            "Log": log,
        });
        fields.insert("Health".to_owned(), health);
    }
    all
}

#[cfg(test)]
mod tests;
