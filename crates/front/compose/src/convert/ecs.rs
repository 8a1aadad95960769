//! Amazon ECS: one task definition with a container for each service.
//!
//! Conditions of `depends_on` are ECS's own (`START`, `HEALTHY`, `SUCCESS`). Secrets are references
//! (`valueFrom`) to parameters that must exist; their values are never written.

use super::{Converted, jobs, probe, seconds};
use crate::model::{Condition, Dependency, Service};
use crate::project::Project;
use serde_json::{Map, Value, json};

/// Longest name of a container or volume.
const NAME_MAX: usize = 255;
/// Memory of a container that says nothing, in MiB.
const MEMORY_MIB: i64 = 512;

/// The task definition.
pub fn convert(project: &Project) -> Converted {
    let mut out = Converted::default();
    let jobs = jobs(project);
    let mut containers = Vec::new();
    for (name, service) in &project.model.services {
        let essential = !jobs.contains(name.as_str());
        containers.push(container(project, name, service, essential, &mut out));
    }
    let mut volumes: Vec<Value> = Vec::new();
    for (key, volume) in &project.model.volumes {
        let labels = &volume.labels;
        volumes.push(json!({ "name": safe(key), "dockerVolumeConfiguration": {
            "scope": "shared", "autoprovision": !volume.external, "labels": labels,
        }}));
    }
    for (name, service) in &project.model.services {
        for (index, mount) in service.volumes.iter().enumerate() {
            match (mount.kind.as_str(), &mount.source) {
                ("bind", Some(path)) => volumes
                    .push(json!({ "name": volume(name, index), "host": { "sourcePath": path } })),
                ("volume", None) => volumes.push(json!({ "name": volume(name, index) })),
                _ => {}
            }
        }
    }
    out.objects.push(json!({
        "family": project.name(),
        "networkMode": "bridge",
        "requiresCompatibilities": ["EC2"],
        "containerDefinitions": containers,
        "volumes": volumes,
    }));
    out
}

fn volume(name: &str, index: usize) -> String {
    format!("{}-{index}", safe(name))
}

/// A name as ECS takes it.
fn safe(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    name.chars().map(kept).take(NAME_MAX).collect()
}

fn container(
    project: &Project,
    name: &str,
    service: &Service,
    essential: bool,
    out: &mut Converted,
) -> Value {
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if !value.is_null() && !empty {
            map.insert(key.to_owned(), value);
        }
    };
    let limits = &service.deploy.resources.limits;
    let memory = limits.memory.as_ref().or(service.mem_limit.as_ref());
    let mib = memory.and_then(|text| text.parse::<i64>().ok()).map(|bytes| (bytes >> 20).max(6));
    set("name", safe(name).into());
    if safe(name) != name {
        out.warnings.push(format!("service {name}: its name is {} there", safe(name)));
    }
    set("image", service.image_name(project.name(), name).into());
    set("essential", essential.into());
    set("memory", mib.unwrap_or(MEMORY_MIB).into());
    if let Some(cpus) = limits.cpus.or(service.cpus) {
        #[expect(clippy::cast_possible_truncation, reason = "processors are few")]
        set("cpu", ((cpus.min(1e6) * 1024.0).round() as i64).into());
    }
    process(service, &mut set);
    set("mountPoints", mounts(name, service));
    set("secrets", secrets(project, name, service, out));
    // One that is not required may not be there.
    let there = |(other, _): &(&String, &Dependency)| project.model.services.contains_key(*other);
    let dependencies = service.depends_on.iter().filter(there).map(|(other, dependency)| {
        let condition = match dependency.condition {
            Condition::ServiceStarted => "START",
            Condition::ServiceHealthy => "HEALTHY",
            Condition::ServiceCompletedSuccessfully => "SUCCESS",
        };
        json!({ "containerName": safe(other), "condition": condition })
    });
    set("dependsOn", dependencies.collect());
    let links = service.depends_on.iter().filter(there).map(|(other, _)| json!(safe(other)));
    set("links", links.collect());
    machine(service, &mut set);
    told(name, service, out);
    map.into()
}

/// What runs in it, and how it is reached and asked for its health.
fn process(service: &Service, set: &mut dyn FnMut(&str, Value)) {
    set("entryPoint", json!(service.entrypoint));
    set("command", json!(service.command));
    set("workingDirectory", json!(service.working_dir));
    set("user", json!(service.user));
    set("hostname", json!(service.hostname));
    let env = service.environment.iter();
    let env =
        env.filter_map(|(name, value)| Some(json!({ "name": name, "value": value.as_ref()? })));
    set("environment", env.collect());
    let ports = service.ports.iter().map(|port| {
        let public = port.published.as_deref().and_then(|text| text.parse::<u16>().ok());
        json!({ "containerPort": port.target, "hostPort": public.unwrap_or(0), "protocol": port.protocol })
    });
    set("portMappings", ports.collect());
    if let Some(command) = probe(service) {
        let check = service.healthcheck.clone().unwrap_or_default();
        let mut words = vec!["CMD".to_owned()];
        words.extend(command);
        set(
            "healthCheck",
            json!({
                "command": words,
                "interval": seconds(check.interval.as_ref(), 30).clamp(5, 300),
                "timeout": seconds(check.timeout.as_ref(), 30).clamp(2, 60),
                "retries": check.retries.unwrap_or(3).clamp(1, 10),
                "startPeriod": seconds(check.start_period.as_ref(), 0).min(300),
            }),
        );
    }
}

/// What a container may do and have on its machine.
fn machine(service: &Service, set: &mut dyn FnMut(&str, Value)) {
    let limits = service.ulimits.iter().map(|(name, limit)| {
        let soft = limit.soft.or(limit.single).unwrap_or(0);
        let hard = limit.hard.or(limit.single).unwrap_or(soft);
        json!({ "name": name, "softLimit": soft, "hardLimit": hard })
    });
    set("ulimits", limits.collect());
    set("dockerLabels", json!(service.labels));
    if service.privileged {
        set("privileged", true.into());
    }
    if service.read_only {
        set("readonlyRootFilesystem", true.into());
    }
    if service.stop_grace_period.is_some() {
        set("stopTimeout", seconds(service.stop_grace_period.as_ref(), 30).min(120).into());
    }
    let hosts = service.extra_hosts.iter().filter_map(|line| line.split_once('='));
    let hosts = hosts.map(|(host, ip)| json!({ "hostname": host, "ipAddress": ip }));
    set("extraHosts", hosts.collect());
    let controls = service.sysctls.iter();
    let controls = controls.map(|(key, value)| json!({ "namespace": key, "value": value }));
    set("systemControls", controls.collect());
    set("linuxParameters", linux(service));
}

/// What is otherwise than on one machine.
fn told(name: &str, service: &Service, out: &mut Converted) {
    if service.build.is_some() {
        out.warnings.push(format!("service {name}: push its image where ECS finds it"));
    }
    if !service.configs.is_empty() {
        out.warnings.push(format!("service {name}: configs have no counterpart: build them in"));
    }
    if service.replicas() != 1 {
        out.warnings
            .push(format!("service {name}: replicas belong to an ECS service, not to a task"));
    }
}

fn mounts(name: &str, service: &Service) -> Value {
    let place = |(index, mount): (usize, &crate::model::Mount)| {
        let source = match (mount.kind.as_str(), &mount.source) {
            ("volume", Some(key)) => safe(key),
            ("volume", None) | ("bind", Some(_)) => volume(name, index),
            _ => return None,
        };
        Some(json!({
            "sourceVolume": source, "containerPath": mount.target, "readOnly": mount.read_only,
        }))
    };
    service.volumes.iter().enumerate().filter_map(place).collect()
}

fn secrets(project: &Project, name: &str, service: &Service, out: &mut Converted) -> Value {
    let mut all = Vec::new();
    for grant in &service.secrets {
        let Some(object) = project.model.secrets.get(&grant.source) else { continue };
        all.push(json!({ "name": grant.source.to_ascii_uppercase(), "valueFrom": object.name }));
        out.warnings.push(format!(
            "service {name}: secret {:?} comes from the parameter {:?}, as a variable instead of a file",
            grant.source, object.name
        ));
    }
    all.into()
}

fn linux(service: &Service) -> Value {
    let mut map = Map::new();
    if service.init == Some(true) {
        map.insert("initProcessEnabled".to_owned(), true.into());
    }
    if !service.cap_add.is_empty() || !service.cap_drop.is_empty() {
        let capabilities = json!({ "add": service.cap_add, "drop": service.cap_drop });
        map.insert("capabilities".to_owned(), capabilities);
    }
    if let Some(size) = service.shm_size.as_deref().and_then(|text| text.parse::<i64>().ok()) {
        map.insert("sharedMemorySize".to_owned(), (size >> 20).max(1).into());
    }
    let tmpfs = service
        .tmpfs
        .iter()
        .map(|text| json!({ "containerPath": text.split(':').next().unwrap_or(text), "size": 64 }));
    let tmpfs: Vec<Value> = tmpfs.collect();
    if !tmpfs.is_empty() {
        map.insert("tmpfs".to_owned(), tmpfs.into());
    }
    map.into()
}
