//! Kubernetes: Deployment, StatefulSet, Service, ConfigMap, Secret, PersistentVolumeClaim.
//!
//! * A service is a Deployment, or a StatefulSet where it writes to named volumes.
//! * Its name, and each alias, is a headless Service: as with Compose, every port of a container is
//!   reached by name, and names lead to containers that are ready. Published ports are a Service of
//!   their own, `NAME-published`.
//! * A health check is the readiness probe. `service_healthy` and `service_started` are an init
//!   container that waits until the name resolves; `service_completed_successfully` runs the job
//!   itself as an init container.

use super::{Converted, ReadFile, content, jobs, probe, seconds};
use crate::model::{FileObject, Mount, Service};
use crate::project::Project;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

mod pod;

/// What waits for names; any image with a shell and `nslookup` does.
const WAIT_IMAGE: &str = "busybox:1.36";
/// Longest label of DNS.
const NAME_MAX: usize = 63;
/// Claims ask for so much.
const CLAIM_SIZE: &str = "1Gi";

/// The objects of a project.
pub fn convert(project: &Project, read: ReadFile<'_>) -> Converted {
    let mut out = Converted::default();
    let jobs = jobs(project);
    renamed(project, &mut out);
    claims(project, &mut out);
    files(project, read, &mut out);
    for (name, service) in &project.model.services {
        if !jobs.contains(name.as_str()) {
            names(name, service, &mut out);
        }
    }
    for (name, service) in &project.model.services {
        if jobs.contains(name.as_str()) {
            continue;
        }
        let pod = pod::pod(project, name, service, &mut out);
        out.objects.push(workload(name, service, pod));
    }
    for name in jobs {
        out.warnings.push(format!(
            "service {name}: it runs as an init container of everything that waits for its end, once for each"
        ));
    }
    out
}

/// A name as Kubernetes takes it, also for Services: those begin with a letter.
fn safe(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let kept = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let text: String = lower.chars().map(kept).collect();
    let text = text.trim_matches('-');
    let text = match text.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => text.to_owned(),
        false => format!("s-{text}"),
    };
    let short: String = text.chars().take(NAME_MAX).collect();
    short.trim_end_matches('-').to_owned()
}

/// Services whose names are others there, by which the rest must ask for them now.
fn renamed(project: &Project, out: &mut Converted) {
    let mut taken = BTreeMap::new();
    for name in project.model.services.keys() {
        let there = safe(name);
        if there != *name {
            out.warnings
                .push(format!("service {name}: its name is {there} there, also for others"));
        }
        if let Some(other) = taken.insert(there.clone(), name) {
            out.warnings.push(format!(
                "services {other} and {name} would both be {there}: rename one of them"
            ));
        }
    }
}

fn object(version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut map = Map::new();
    map.insert("apiVersion".to_owned(), version.into());
    map.insert("kind".to_owned(), kind.into());
    map.insert("metadata".to_owned(), json!({ "name": safe(name) }));
    if let Value::Object(rest) = rest {
        map.extend(rest);
    }
    Value::Object(map)
}

fn selector(name: &str) -> Value {
    json!({ "app": safe(name) })
}

/// Mounts of named volumes.
fn named(service: &Service) -> impl Iterator<Item = (&Mount, &String)> {
    let volumes = service.volumes.iter().filter(|mount| mount.kind == "volume");
    volumes.filter_map(|mount| Some((mount, mount.source.as_ref()?)))
}

fn claims(project: &Project, out: &mut Converted) {
    for (key, volume) in &project.model.volumes {
        let users = project.model.services.values();
        let users = users.filter(|service| named(service).any(|(_, source)| source == key));
        let writers: u32 = users.map(Service::replicas).sum();
        if volume.external {
            out.warnings
                .push(format!("volume {key}: the claim {:?} must exist", safe(&volume.name)));
            continue;
        }
        if !volume.driver_opts.is_empty() {
            out.warnings.push(format!("volume {key}: its driver_opts are not carried over"));
        }
        let mode = if writers > 1 { "ReadWriteMany" } else { "ReadWriteOnce" };
        let spec = json!({ "spec": {
            "accessModes": [mode],
            "resources": { "requests": { "storage": CLAIM_SIZE } },
        }});
        out.objects.push(object("v1", "PersistentVolumeClaim", key, spec));
    }
}

fn files(project: &Project, read: ReadFile<'_>, out: &mut Converted) {
    let model = &project.model;
    for (kind, section, all) in
        [("Secret", "secrets", &model.secrets), ("ConfigMap", "configs", &model.configs)]
    {
        for (key, object_) in all {
            match value(project, object_, read) {
                Ok(Some(text)) => {
                    let data = if kind == "Secret" { "stringData" } else { "data" };
                    let rest = json!({ data: { (safe(key)): text } });
                    out.objects.push(object("v1", kind, key, rest));
                }
                Ok(None) => out
                    .warnings
                    .push(format!("{section}.{key}: the {kind} {:?} must exist", safe(key))),
                Err(reason) => out.warnings.push(format!("{section}.{key}: {reason}")),
            }
        }
    }
}

fn value(
    project: &Project,
    object: &FileObject,
    read: ReadFile<'_>,
) -> Result<Option<String>, String> {
    if let Some(text) = content(project, object) {
        return Ok(Some(text));
    }
    match &object.file {
        None => Ok(None),
        Some(path) => {
            let bytes =
                read(std::path::Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
            let text = String::from_utf8(bytes);
            text.map(Some).map_err(|_| format!("{path} is not text: make the object by hand"))
        }
    }
}

/// Services through which a service is found.
fn names(name: &str, service: &Service, out: &mut Converted) {
    let aliases = service.networks.values().flatten().flat_map(|place| place.aliases.iter());
    let all: BTreeSet<&str> = std::iter::once(name).chain(aliases.map(String::as_str)).collect();
    for each in all {
        let spec = json!({ "spec": { "clusterIP": "None", "selector": selector(name) } });
        out.objects.push(object("v1", "Service", each, spec));
    }
    let mut ports = Vec::new();
    for port in &service.ports {
        let public: u16 =
            port.published.as_deref().and_then(|text| text.parse().ok()).unwrap_or(port.target);
        let protocol = port.protocol.to_ascii_uppercase();
        if port.host_ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
            out.warnings.push(format!(
                "service {name}: port {public} was bound to {}, and is reached from everywhere now",
                port.host_ip.as_deref().unwrap_or_default()
            ));
        }
        ports.push(json!({
            "name": format!("{}-{}", port.protocol, public),
            "port": if public == 0 { port.target } else { public },
            "targetPort": port.target,
            "protocol": protocol,
        }));
    }
    if !ports.is_empty() {
        let spec = json!({ "spec": {
            "type": "LoadBalancer", "selector": selector(name), "ports": ports,
        }});
        out.objects.push(object("v1", "Service", &format!("{name}-published"), spec));
    }
}

fn workload(name: &str, service: &Service, pod: Value) -> Value {
    let writes = named(service).any(|(mount, _)| !mount.read_only);
    let replicas = service.replicas();
    let mut spec = json!({
        "replicas": replicas,
        "selector": { "matchLabels": selector(name) },
    });
    if writes {
        spec["serviceName"] = safe(name).into();
    } else {
        let start_first = probe(service).is_some()
            || service
                .deploy
                .update_config
                .as_ref()
                .is_some_and(|update| update.order.as_deref() == Some("start-first"));
        spec["strategy"] = match start_first {
            true => json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 },
            }),
            false => json!({ "type": "Recreate" }),
        };
    }
    spec["template"] = pod;
    let kind = if writes { "StatefulSet" } else { "Deployment" };
    object("apps/v1", kind, name, json!({ "spec": spec }))
}
