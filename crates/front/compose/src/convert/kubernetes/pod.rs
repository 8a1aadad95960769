//! The pod of a service.

use super::{WAIT_IMAGE, named, probe, safe, seconds, selector};
use crate::convert::Converted;
use crate::model::{Condition, Grant, Service};
use crate::project::Project;
use serde_json::{Map, Value, json};

/// The template of a workload.
pub(super) fn pod(project: &Project, name: &str, service: &Service, out: &mut Converted) -> Value {
    let mut volumes = Vec::new();
    let container = container(project, name, service, &mut volumes, out);
    let waits = waits(project, name, service, &mut volumes, out);
    let mut spec = Map::new();
    if !waits.is_empty() {
        spec.insert("initContainers".to_owned(), waits.into());
    }
    spec.insert("containers".to_owned(), json!([container]));
    if !volumes.is_empty() {
        volumes.dedup();
        spec.insert("volumes".to_owned(), volumes.into());
    }
    let grace = seconds(service.stop_grace_period.as_ref(), 10);
    spec.insert("terminationGracePeriodSeconds".to_owned(), grace.into());
    if let Some(hostname) = &service.hostname {
        spec.insert("hostname".to_owned(), safe(hostname).into());
    }
    if service.network_mode.as_deref() == Some("host") {
        spec.insert("hostNetwork".to_owned(), true.into());
    }
    if service.pid.as_deref() == Some("host") {
        spec.insert("hostPID".to_owned(), true.into());
    }
    let hosts: Vec<Value> = service
        .extra_hosts
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(host, ip)| json!({ "ip": ip, "hostnames": [host] }))
        .collect();
    if !hosts.is_empty() {
        spec.insert("hostAliases".to_owned(), hosts.into());
    }
    if !service.sysctls.is_empty() {
        let all: Vec<Value> = service
            .sysctls
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        spec.insert("securityContext".to_owned(), json!({ "sysctls": all }));
    }
    if !service.dns.is_empty() {
        spec.insert("dnsConfig".to_owned(), json!({ "nameservers": service.dns }));
    }
    told(name, service, out);
    let mut metadata = json!({ "labels": selector(name) });
    // Compose's labels are free texts, which Kubernetes calls annotations.
    let (kept, lost): (Vec<_>, Vec<_>) =
        service.labels.iter().partition(|(key, _)| is_qualified(key));
    if !kept.is_empty() {
        let kept = kept.into_iter().map(|(key, value)| (key.clone(), json!(value)));
        metadata["annotations"] = Value::Object(kept.collect());
    }
    for (key, _) in lost {
        out.warnings.push(format!(
            "service {name}: the label {key:?} is left out, as its name cannot be an annotation's"
        ));
    }
    json!({ "metadata": metadata, "spec": spec })
}

/// Whether a key may be an annotation's: `[PREFIX/]NAME`.
fn is_qualified(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let word = |text: &str, longest: usize, more: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.len() <= longest
            && ends(text.chars().next())
            && ends(text.chars().last())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let is_domain = |text: &str| word(text, 253, "-.") && text == text.to_ascii_lowercase();
    word(name, 63, "-_.") && prefix.is_none_or(is_domain)
}

/// What is otherwise than on one machine.
fn told(name: &str, service: &Service, out: &mut Converted) {
    let mut tell = |what: &str| out.warnings.push(format!("service {name}: {what}"));
    if service.build.is_some() {
        tell("its image is built here: push it where the cluster finds it");
    }
    if matches!(service.restart.as_deref(), None | Some("no")) {
        tell("it is started again when it ends, as everything in a Deployment is");
    }
    if service.volumes.iter().any(|mount| mount.kind == "bind") {
        tell("its bind mounts are paths of whichever node it runs on");
    }
    if service.devices.iter().len() > 0 {
        tell("devices are not carried over: they need a device plugin");
    }
    if !service.ulimits.is_empty() {
        tell("ulimits are those of the cluster's runtime");
    }
    if service.shm_size.is_some() {
        tell("shm_size is not carried over: /dev/shm has 64 MiB");
    }
    let static_address = |place: &crate::model::Attachment| {
        place.ipv4_address.is_some() || place.ipv6_address.is_some()
    };
    if service.networks.values().flatten().any(static_address) {
        tell("static addresses are not carried over");
    }
}

/// Init containers for `depends_on`.
fn waits(
    project: &Project,
    name: &str,
    service: &Service,
    volumes: &mut Vec<Value>,
    out: &mut Converted,
) -> Vec<Value> {
    let mut all = Vec::new();
    for (other, dependency) in &service.depends_on {
        if other == name || !dependency.required {
            continue;
        }
        let Some(theirs) = project.model.services.get(other) else { continue };
        match dependency.condition {
            Condition::ServiceCompletedSuccessfully => {
                // Its own dependencies come before it.
                all.extend(waits(project, other, theirs, volumes, out));
                let mut job = container(project, other, theirs, volumes, out);
                if let Some(map) = job.as_object_mut() {
                    map.shift_remove("readinessProbe");
                }
                all.push(job);
            }
            Condition::ServiceStarted | Condition::ServiceHealthy => {
                let host = safe(other);
                all.push(json!({
                    "name": format!("wait-for-{host}"),
                    "image": WAIT_IMAGE,
                    "command": ["sh", "-c", format!("until nslookup {host}; do sleep 1; done")],
                }));
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|wait| seen.insert(wait["name"].to_string()));
    all
}

fn container(
    project: &Project,
    name: &str,
    service: &Service,
    volumes: &mut Vec<Value>,
    out: &mut Converted,
) -> Value {
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    set("name", safe(name).into());
    set("image", service.image_name(project.name(), name).into());
    if let Some(entrypoint) = &service.entrypoint {
        set("command", json!(entrypoint));
    }
    if let Some(command) = &service.command {
        set("args", json!(command));
    }
    if let Some(directory) = &service.working_dir {
        set("workingDir", directory.as_str().into());
    }
    let env: Vec<Value> = service
        .environment
        .iter()
        .filter_map(|(name, value)| Some(json!({ "name": name, "value": value.as_ref()? })))
        .collect();
    if !env.is_empty() {
        set("env", env.into());
    }
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| json!({ "containerPort": port.target, "protocol": port.protocol.to_ascii_uppercase() }))
        .collect();
    if !ports.is_empty() {
        set("ports", ports.into());
    }
    if let Some(command) = probe(service) {
        set("readinessProbe", readiness(service, &command));
    }
    if service.stdin_open {
        set("stdin", true.into());
    }
    if service.tty {
        set("tty", true.into());
    }
    let resources = resources(service);
    if !resources.is_empty() {
        set("resources", resources.into());
    }
    let security = security(name, service, out);
    if !security.is_empty() {
        set("securityContext", security.into());
    }
    let mounts = mounts(name, service, volumes);
    if !mounts.is_empty() {
        set("volumeMounts", mounts.into());
    }
    map.into()
}

fn readiness(service: &Service, command: &[String]) -> Value {
    let check = service.healthcheck.clone().unwrap_or_default();
    let interval = check.start_interval.as_ref().or(check.interval.as_ref());
    json!({
        "exec": { "command": command },
        "periodSeconds": seconds(interval, 30),
        "timeoutSeconds": seconds(check.timeout.as_ref(), 30),
        "failureThreshold": check.retries.filter(|&n| n > 0).unwrap_or(3),
    })
}

fn resources(service: &Service) -> Map<String, Value> {
    let (limits, reservations) =
        (&service.deploy.resources.limits, &service.deploy.resources.reservations);
    let side = |cpus: Option<f64>, memory: Option<&String>| {
        let mut map = Map::new();
        if let Some(cpus) = cpus {
            #[expect(clippy::cast_possible_truncation, reason = "processors are few")]
            let milli = (cpus.min(1e6) * 1000.0).round() as i64;
            map.insert("cpu".to_owned(), format!("{milli}m").into());
        }
        if let Some(memory) = memory {
            map.insert("memory".to_owned(), memory.as_str().into());
        }
        map
    };
    let upper =
        side(limits.cpus.or(service.cpus), limits.memory.as_ref().or(service.mem_limit.as_ref()));
    let memory = reservations.memory.as_ref().or(service.mem_reservation.as_ref());
    let lower = side(reservations.cpus, memory);
    let mut out = Map::new();
    for (key, map) in [("limits", upper), ("requests", lower)] {
        if !map.is_empty() {
            out.insert(key.to_owned(), map.into());
        }
    }
    out
}

fn security(name: &str, service: &Service, out: &mut Converted) -> Map<String, Value> {
    let mut map = Map::new();
    if service.privileged {
        map.insert("privileged".to_owned(), true.into());
    }
    if service.read_only {
        map.insert("readOnlyRootFilesystem".to_owned(), true.into());
    }
    if service.security_opt.iter().any(|option| option.starts_with("no-new-privileges")) {
        map.insert("allowPrivilegeEscalation".to_owned(), false.into());
    }
    let bare = |all: &[String]| -> Vec<String> {
        all.iter().map(|name| name.trim_start_matches("CAP_").to_ascii_uppercase()).collect()
    };
    let (add, drop) = (bare(&service.cap_add), bare(&service.cap_drop));
    if !add.is_empty() || !drop.is_empty() {
        map.insert("capabilities".to_owned(), json!({ "add": add, "drop": drop }));
    }
    if let Some(user) = &service.user {
        let mut parts = user.split(':').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(uid)), group) => {
                map.insert("runAsUser".to_owned(), uid.into());
                if let Some(Ok(gid)) = group {
                    map.insert("runAsGroup".to_owned(), gid.into());
                }
            }
            _ => out.warnings.push(format!(
                "service {name}: user {user:?} is a name, and Kubernetes wants a number"
            )),
        }
    }
    map
}

fn mounts(name: &str, service: &Service, volumes: &mut Vec<Value>) -> Vec<Value> {
    let mut out = Vec::new();
    let mut add = |volume: Value, mount: Value| {
        if !volumes.contains(&volume) {
            volumes.push(volume);
        }
        out.push(mount);
    };
    for (mount, key) in named(service) {
        let volume = safe(key);
        let mut at = json!({ "name": volume, "mountPath": mount.target });
        if mount.read_only {
            at["readOnly"] = true.into();
        }
        if let Some(path) = mount.volume.as_ref().and_then(|volume| volume.subpath.as_ref()) {
            at["subPath"] = path.as_str().into();
        }
        add(json!({ "name": volume, "persistentVolumeClaim": { "claimName": volume } }), at);
    }
    for (index, mount) in service.volumes.iter().enumerate() {
        let volume = format!("{}-{index}", safe(name));
        let source = match (mount.kind.as_str(), &mount.source) {
            ("bind", Some(path)) => json!({ "name": volume, "hostPath": { "path": path } }),
            ("volume", None) => json!({ "name": volume, "emptyDir": {} }),
            ("tmpfs", _) => json!({ "name": volume, "emptyDir": { "medium": "Memory" } }),
            _ => continue,
        };
        let mut at = json!({ "name": volume, "mountPath": mount.target });
        if mount.read_only {
            at["readOnly"] = true.into();
        }
        add(source, at);
    }
    for (index, text) in service.tmpfs.iter().enumerate() {
        let volume = format!("{}-tmpfs-{index}", safe(name));
        let path = text.split(':').next().unwrap_or(text);
        let source = json!({ "name": volume, "emptyDir": { "medium": "Memory" } });
        add(source, json!({ "name": volume, "mountPath": path }));
    }
    let secret = |grant: &Grant| json!({ "secretName": safe(&grant.source) });
    let config = |grant: &Grant| json!({ "name": safe(&grant.source) });
    for grant in &service.secrets {
        let (volume, at) = granted("secret", grant, "/run/secrets/");
        add(json!({ "name": volume, "secret": moded(secret(grant), grant) }), at);
    }
    for grant in &service.configs {
        let (volume, at) = granted("config", grant, "/");
        add(json!({ "name": volume, "configMap": moded(config(grant), grant) }), at);
    }
    out
}

fn granted(kind: &str, grant: &Grant, directory: &str) -> (String, Value) {
    let key = safe(&grant.source);
    let target = match grant.target.as_deref() {
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(name) if !name.is_empty() => format!("{directory}{name}"),
        _ => format!("{directory}{}", grant.source),
    };
    let volume = format!("{kind}-{key}");
    let at = json!({ "name": volume, "mountPath": target, "subPath": key, "readOnly": true });
    (volume, at)
}

fn moded(mut source: Value, grant: &Grant) -> Value {
    let mode = grant.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
    if let Some(mode) = mode {
        source["defaultMode"] = mode.into();
    }
    source
}
