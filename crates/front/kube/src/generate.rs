//! The way back: what runs here as an object that plays to the same.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use teu_compose::yaml::emit;
use teu_containers::record::{
    ContainerRecord, MountKind, NamespaceMode, NetworkChoice, PodRecord, RestartPolicy,
    SeccompChoice,
};
use teu_oci::image::Healthcheck;

use crate::pod::PLAYED;
pub use played::{Played, PlayedFile};
use teu_containers::shim::PROBE;

mod played;

/// A container, and what its image says by itself.
#[derive(Debug, Clone)]
pub struct Running {
    /// As it was asked for and merged.
    pub record: ContainerRecord,
    /// The image's own.
    pub image_env: Vec<String>,
    /// The image's own.
    pub image_entrypoint: Vec<String>,
    /// The image's own.
    pub image_command: Vec<String>,
    /// The image's own.
    pub image_working_dir: String,
    /// The image's own.
    pub image_user: String,
    /// The image's own.
    pub image_healthcheck: Option<Healthcheck>,
}

/// The documents: claims of the volumes, secrets of what `play` wrote for it, then the pod; and what
/// could not be said.
pub fn pod(
    name: &str,
    pod: &PodRecord,
    containers: &[Running],
    played: &Played,
) -> (String, Vec<String>) {
    let mut warnings = Vec::new();
    let mut volumes = Volumes {
        pod: name,
        played,
        listed: Vec::new(),
        claims: BTreeSet::new(),
        secrets: BTreeSet::new(),
        names: BTreeMap::new(),
    };
    let mut spec = Map::new();
    let mut members: Vec<Value> = containers
        .iter()
        .map(|running| container(name, running, &mut volumes, &mut warnings))
        .collect();
    publish(pod, &mut members);
    spec.insert("containers".to_owned(), Value::Array(members));
    shared(pod, containers, &mut spec, &mut warnings);
    if !volumes.listed.is_empty() {
        spec.insert("volumes".to_owned(), Value::Array(volumes.listed));
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    let labels: BTreeMap<&String, &String> =
        pod.labels.iter().filter(|(key, _)| *key != PLAYED).collect();
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    let document = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
    let mut text = String::new();
    for claim in volumes.claims {
        let document = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": claim },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
            },
        });
        text.push_str(&emit(&document));
        text.push_str("---\n");
    }
    for secret in played.secrets(name, &volumes.secrets) {
        text.push_str(&emit(&secret));
        text.push_str("---\n");
    }
    text.push_str(&emit(&document));
    (text, warnings)
}

/// Volumes of a pod as they come up.
struct Volumes<'a> {
    /// The pod's name.
    pod: &'a str,
    played: &'a Played,
    listed: Vec<Value>,
    claims: BTreeSet<String>,
    /// Those of `played` that are used.
    secrets: BTreeSet<String>,
    names: BTreeMap<String, String>,
}

impl Volumes<'_> {
    fn name(&mut self, key: &str, kind: Value) -> String {
        if let Some(name) = self.names.get(key) {
            return name.clone();
        }
        let name = format!("volume-{}", self.names.len());
        self.add(key, name, kind)
    }

    /// By the name that it had when it was played, so that it has it again.
    fn again(&mut self, name: &str, kind: Value) -> String {
        let key = format!("played {name}");
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        match self.names.values().any(|other| other == name) {
            true => self.name(&key, kind),
            false => self.add(&key, name.to_owned(), kind),
        }
    }

    fn add(&mut self, key: &str, name: String, kind: Value) -> String {
        self.names.insert(key.to_owned(), name.clone());
        let mut volume = Map::new();
        volume.insert("name".to_owned(), json!(name));
        if let Value::Object(kind) = kind {
            volume.extend(kind);
        }
        self.listed.push(Value::Object(volume));
        name
    }

    fn of(&mut self, kind: &MountKind, destination: &str) -> (String, Option<String>) {
        match kind {
            MountKind::Bind { source, .. } => {
                let played = self.played;
                if let Some((name, within)) = played.find(source.as_ref()) {
                    self.secrets.insert(name.to_owned());
                    let secret = played.volume(self.pod, name);
                    return (self.again(name, secret), within);
                }
                let host = json!({ "hostPath": { "path": source } });
                (self.name(&format!("bind {source}"), host), None)
            }
            MountKind::Tmpfs { .. } => {
                let memory = json!({ "emptyDir": { "medium": "Memory" } });
                (self.name(&format!("tmpfs {destination}"), memory), None)
            }
            MountKind::Volume { name, anonymous: true, subpath, .. } => {
                (self.name(name, json!({ "emptyDir": {} })), subpath.clone())
            }
            MountKind::Volume { name, subpath, .. } => {
                self.claims.insert(name.clone());
                let claim = json!({ "persistentVolumeClaim": { "claimName": name } });
                (self.name(name, claim), subpath.clone())
            }
        }
    }
}

fn container(
    pod_name: &str,
    running: &Running,
    volumes: &mut Volumes<'_>,
    warnings: &mut Vec<String>,
) -> Value {
    let record = &running.record;
    let mut out = Map::new();
    let own = record.name.strip_prefix(&format!("{pod_name}-")).filter(|name| !name.is_empty());
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    set("name", json!(own.unwrap_or(&record.name).replace(['_', '.'], "-").to_ascii_lowercase()));
    set("image", json!(record.image));
    if record.entrypoint != running.image_entrypoint {
        set("command", json!(escaped(&record.entrypoint)));
    }
    let inherited =
        record.entrypoint == running.image_entrypoint && record.command == running.image_command;
    if !inherited && !record.command.is_empty() {
        set("args", json!(escaped(&record.command)));
    }
    let env: Vec<Value> = record
        .env
        .iter()
        .filter(|pair| !running.image_env.contains(pair))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| json!({ "name": name, "value": value.replace('$', "$$") }))
        .collect();
    if !env.is_empty() {
        set("env", Value::Array(env));
    }
    let own_dir = record.working_dir.trim_start_matches('/');
    if own_dir != running.image_working_dir.trim_start_matches('/') {
        set("workingDir", json!(record.working_dir));
    }
    for (name, value) in
        [("stdin", record.stdin_open), ("stdinOnce", record.stdin_once), ("tty", record.tty)]
    {
        if value {
            set(name, json!(true));
        }
    }
    let mounts = mounts_of(record, volumes);
    if !mounts.is_empty() {
        set("volumeMounts", Value::Array(mounts));
    }
    if let Some(resources) = resources(record) {
        set("resources", resources);
    }
    if let Some(security) = security(running) {
        set("securityContext", security);
    }
    if record.healthcheck != running.image_healthcheck
        && let Some((name, probe)) = record.healthcheck.as_ref().and_then(|c| probe(c, record))
    {
        set(name, probe);
    }
    if !record.devices.is_empty() || !record.rlimits.is_empty() {
        warnings.push(format!("{}: devices and ulimits have no place in a pod", record.name));
    }
    Value::Object(out)
}

fn mounts_of(record: &ContainerRecord, volumes: &mut Volumes<'_>) -> Vec<Value> {
    record
        .mounts
        .iter()
        .map(|mount| {
            let (name, subpath) = volumes.of(&mount.kind, &mount.destination);
            let mut out = json!({ "name": name, "mountPath": mount.destination });
            if mount.readonly {
                out["readOnly"] = json!(true);
            }
            if let Some(subpath) = subpath {
                out["subPath"] = json!(subpath);
            }
            out
        })
        .collect()
}

/// A dollar stands for itself only twice.
fn escaped(words: &[String]) -> Vec<String> {
    words.iter().map(|word| word.replace('$', "$$")).collect()
}

fn resources(record: &ContainerRecord) -> Option<Value> {
    let (mut limits, mut requests) = (Map::new(), Map::new());
    if let Some(memory) = &record.resources.memory {
        if let Some(bytes) = memory.limit.filter(|&bytes| bytes > 0) {
            limits.insert("memory".to_owned(), json!(bytes.to_string()));
        }
        if let Some(bytes) = memory.reservation.filter(|&bytes| bytes > 0) {
            requests.insert("memory".to_owned(), json!(bytes.to_string()));
        }
    }
    if let Some(cpu) = &record.resources.cpu {
        let period = i64::try_from(cpu.period.unwrap_or(100_000)).unwrap_or(100_000).max(1);
        if let Some(quota) = cpu.quota.filter(|&quota| quota > 0) {
            let milli = quota.saturating_mul(1000) / period;
            limits.insert("cpu".to_owned(), json!(format!("{milli}m")));
        }
        if let Some(shares) = cpu.shares {
            requests.insert("cpu".to_owned(), json!(format!("{}m", shares * 1000 / 1024)));
        }
    }
    let mut out = Map::new();
    for (name, of) in [("limits", limits), ("requests", requests)] {
        if !of.is_empty() {
            out.insert(name.to_owned(), Value::Object(of));
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

fn security(running: &Running) -> Option<Value> {
    let record = &running.record;
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    if record.user != running.image_user {
        let (user, group) = record.user.split_once(':').unwrap_or((&record.user, ""));
        for (name, id) in [("runAsUser", user), ("runAsGroup", group)] {
            if let Ok(id) = id.parse::<u32>() {
                set(name, json!(id));
            }
        }
    }
    let bare = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect()
    };
    let mut capabilities = Map::new();
    for (name, list) in [("add", &record.security.cap_add), ("drop", &record.security.cap_drop)] {
        if !list.is_empty() {
            capabilities.insert(name.to_owned(), json!(bare(list)));
        }
    }
    if !capabilities.is_empty() {
        set("capabilities", Value::Object(capabilities));
    }
    if record.security.privileged {
        set("privileged", json!(true));
    }
    if record.security.no_new_privileges {
        set("allowPrivilegeEscalation", json!(false));
    }
    if record.readonly_rootfs {
        set("readOnlyRootFilesystem", json!(true));
    }
    if record.security.seccomp == SeccompChoice::Unconfined {
        set("seccompProfile", json!({ "type": "Unconfined" }));
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

fn probe(check: &Healthcheck, record: &ContainerRecord) -> Option<(&'static str, Value)> {
    let words: Vec<&str> = check.test.iter().map(String::as_str).collect();
    let action = match words.as_slice() {
        ["CMD", first, second, "tcp", host, port] if [*first, *second] == PROBE => {
            json!({ "tcpSocket": { "host": host, "port": port.parse::<u16>().ok()? } })
        }
        ["CMD", first, second, "http", host, port, path, headers @ ..]
            if [*first, *second] == PROBE =>
        {
            let header = |text: &&str| {
                let (name, value) = text.split_once(": ")?;
                Some(json!({ "name": name, "value": value }))
            };
            let headers: Vec<Value> = headers.iter().filter_map(header).collect();
            let mut get = json!({ "host": host, "port": port.parse::<u16>().ok()?, "path": path });
            if !headers.is_empty() {
                get["httpHeaders"] = Value::Array(headers);
            }
            json!({ "httpGet": get })
        }
        ["CMD", rest @ ..] if !rest.is_empty() => json!({ "exec": { "command": rest } }),
        ["CMD-SHELL", rest @ ..] if !rest.is_empty() => {
            json!({ "exec": { "command": ["/bin/sh", "-c", rest.join(" ")] } })
        }
        _ => return None,
    };
    let mut out = action;
    let seconds = |nanoseconds: i64| nanoseconds / 1_000_000_000;
    for (name, value) in [
        ("initialDelaySeconds", seconds(check.start_period)),
        ("periodSeconds", seconds(check.interval)),
        ("timeoutSeconds", seconds(check.timeout)),
        ("failureThreshold", check.retries),
    ] {
        if value > 0 {
            out[name] = json!(value);
        }
    }
    Some((if record.kill_unhealthy { "livenessProbe" } else { "readinessProbe" }, out))
}

/// The pod's ports stand at its first container, as every port of a pod is all its containers'.
fn publish(pod: &PodRecord, members: &mut [Value]) {
    let mut ports = Vec::new();
    for port in &pod.network.ports {
        for step in 0..port.count.max(1) {
            let mut out = json!({ "containerPort": port.container_port + step });
            if port.host_port != 0 {
                out["hostPort"] = json!(port.host_port + step);
            }
            if let Some(ip) = port.host_ip {
                out["hostIP"] = json!(ip.to_string());
            }
            if port.protocol != "tcp" {
                out["protocol"] = json!(port.protocol.to_ascii_uppercase());
            }
            ports.push(out);
        }
    }
    if let Some(first) = members.first_mut()
        && !ports.is_empty()
    {
        first["ports"] = Value::Array(ports);
    }
}

fn shared(
    pod: &PodRecord,
    containers: &[Running],
    spec: &mut Map<String, Value>,
    warnings: &mut Vec<String>,
) {
    let mut set = |name: &str, value: Value| spec.insert(name.to_owned(), value);
    if !pod.hostname.is_empty() {
        set("hostname", json!(pod.hostname));
    }
    match &pod.network.choice {
        NetworkChoice::Host => drop(set("hostNetwork", json!(true))),
        NetworkChoice::Networks(_) => {}
        _ => warnings.push("the pod's network has no place in a pod's object".to_owned()),
    }
    if pod.ipc == NamespaceMode::Host {
        set("hostIPC", json!(true));
    }
    if containers.iter().any(|running| running.record.pid_mode == NamespaceMode::Host) {
        set("hostPID", json!(true));
    }
    if pod.share_pid {
        set("shareProcessNamespace", json!(true));
    }
    let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, address) in pod.network.extra_hosts.iter().filter_map(|text| text.split_once(':')) {
        hosts.entry(address).or_default().push(name);
    }
    if !hosts.is_empty() {
        let alias = |(ip, names)| json!({ "ip": ip, "hostnames": names });
        set("hostAliases", hosts.into_iter().map(alias).collect());
    }
    let mut dns = Map::new();
    if !pod.network.dns.is_empty() {
        dns.insert("nameservers".to_owned(), json!(pod.network.dns));
    }
    if !pod.network.dns_search.is_empty() {
        dns.insert("searches".to_owned(), json!(pod.network.dns_search));
    }
    if !dns.is_empty() {
        set("dnsConfig", Value::Object(dns));
    }
    let sysctls: Vec<Value> =
        pod.sysctls.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    if !sysctls.is_empty() {
        set("securityContext", json!({ "sysctls": sysctls }));
    }
    let policy = match containers.first().map(|running| running.record.restart) {
        Some(RestartPolicy::Always | RestartPolicy::UnlessStopped) => "Always",
        Some(RestartPolicy::OnFailure { .. }) => "OnFailure",
        _ => "Never",
    };
    set("restartPolicy", json!(policy));
    if let Some(grace) = containers.iter().filter_map(|running| running.record.stop_timeout_s).max()
        && grace >= 0
    {
        set("terminationGracePeriodSeconds", json!(grace));
    }
}
