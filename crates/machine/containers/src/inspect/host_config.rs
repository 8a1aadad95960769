//! `HostConfig`: what the machine is asked for.

use crate::Found;
use crate::record::network::{NetworkChoice, NetworkRecord};
use crate::record::{
    ContainerRecord, MountKind, NamespaceMode, Propagation, RestartPolicy, SeccompChoice,
};
use serde_json::{Map, Value, json};
use teu_oci::runtime::{Resources, linux};

pub(super) fn render(found: &Found) -> Value {
    let (record, pod) = (&found.record, &found.pod);
    let network = &pod.network;
    let mut all = json!({
        "Binds": binds(record),
        "ContainerIDFile": record.cidfile.clone().unwrap_or_default(),
        "LogConfig": log_config(record),
        "NetworkMode": network_mode(network),
        "PortBindings": port_bindings(network),
        "RestartPolicy": restart(record.restart),
        "AutoRemove": record.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": Value::Null,
        "ConsoleSize": [0, 0],
        "CapAdd": nullable(&record.security.cap_add),
        "CapDrop": nullable(&record.security.cap_drop),
        "CgroupnsMode": if record.cgroupns == NamespaceMode::Host { "host" } else { "private" },
        "Dns": network.dns,
        "DnsOptions": network.dns_options,
        "DnsSearch": network.dns_search,
        "ExtraHosts": nullable(&network.extra_hosts),
        "GroupAdd": nullable(&record.group_add),
        "IpcMode": mode(&pod.ipc, "private"),
        "Cgroup": "",
        "Links": nullable(&network.links),
        "OomScoreAdj": record.oom_score_adj.unwrap_or(0),
        "PidMode": mode(&record.pid_mode, ""),
        "Privileged": record.security.privileged,
        "PublishAllPorts": network.publish_all,
        "ReadonlyRootfs": record.readonly_rootfs,
        "SecurityOpt": nullable(&security_options(record)),
        "Tmpfs": tmpfs(record),
        "UTSMode": mode(&pod.uts, ""),
        "UsernsMode": if pod.uid_mappings.is_empty() { "" } else { "private" },
        "ShmSize": if pod.shm_size_bytes == 0 { 64 << 20 } else { pod.shm_size_bytes },
        "Sysctls": pod.sysctls,
        "Runtime": "teu",
        "Isolation": "",
    });
    let (fields, limits) = (all.as_object_mut(), limits(record, pod.cgroup_parent.as_deref()));
    if let (Some(fields), Value::Object(limits)) = (fields, limits) {
        fields.extend(limits);
        fields.insert("Mounts".to_owned(), mounts(record));
        let paths = |paths: &[&str]| match record.security.unmask_system_paths {
            true => Value::Null,
            false => json!(paths),
        };
        fields.insert("MaskedPaths".to_owned(), paths(&MASKED));
        fields.insert("ReadonlyPaths".to_owned(), paths(&READONLY));
        for key in ["Tmpfs", "Sysctls"] {
            if fields.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
                fields.shift_remove(key);
            }
        }
        if record.init {
            fields.insert("Init".to_owned(), json!(true));
        }
        if !record.annotations.is_empty() {
            fields.insert("Annotations".to_owned(), json!(record.annotations));
        }
    }
    all
}

/// Docker's lists, as they are shown.
const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn nullable(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

fn mode(mode: &NamespaceMode, private: &str) -> String {
    match mode {
        NamespaceMode::Private => private.to_owned(),
        NamespaceMode::Host => "host".to_owned(),
        NamespaceMode::Container(id) => format!("container:{id}"),
    }
}

fn network_mode(network: &NetworkRecord) -> String {
    match &network.choice {
        NetworkChoice::None => "none".to_owned(),
        NetworkChoice::Host => "host".to_owned(),
        NetworkChoice::Container(id) => format!("container:{id}"),
        NetworkChoice::Networks(list) => {
            list.first().map_or_else(|| "bridge".to_owned(), |first| first.network.clone())
        }
    }
}

fn restart(policy: RestartPolicy) -> Value {
    let (name, retries) = match policy {
        RestartPolicy::No => ("no", 0),
        RestartPolicy::OnFailure { max_retries } => ("on-failure", max_retries),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": retries })
}

fn log_config(record: &ContainerRecord) -> Value {
    match record.log.keep {
        false => json!({ "Type": "none", "Config": {} }),
        true => json!({
            "Type": "json-file",
            "Config": {
                "max-size": record.log.max_size_bytes.to_string(),
                "max-file": record.log.max_files.to_string(),
            },
        }),
    }
}

fn port_bindings(network: &NetworkRecord) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for port in &network.ports {
        for offset in 0..port.count.max(1) {
            let key = format!("{}/{}", port.container_port.saturating_add(offset), port.protocol);
            let host_port = match (port.host_port, port.host_last) {
                (0, _) => String::new(),
                (first, 0) => first.saturating_add(offset).to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            let host_ip = port.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
            let binding = json!({ "HostIp": host_ip, "HostPort": host_port });
            if let Value::Array(list) = all.entry(key).or_insert_with(|| json!([])) {
                list.push(binding);
            }
        }
    }
    Value::Object(all)
}

/// `source:destination[:options]`, as `-v` takes it.
fn binds(record: &ContainerRecord) -> Value {
    let bind = |mount: &crate::record::MountRecord| {
        let (source, propagation) = match &mount.kind {
            MountKind::Bind { source, .. } => (source, mount.propagation),
            MountKind::Volume { name, anonymous: false, subpath: None, .. } => {
                (name, Propagation::Rprivate)
            }
            _ => return None,
        };
        let mut options = Vec::new();
        if mount.readonly {
            options.push("ro".to_owned());
        }
        if propagation != Propagation::Rprivate {
            let word = serde_json::to_value(propagation).ok()?;
            options.push(word.as_str()?.to_owned());
        }
        let tail =
            if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
        Some(format!("{source}:{}{tail}", mount.destination))
    };
    nullable(&record.mounts.iter().filter_map(bind).collect::<Vec<_>>())
}

fn tmpfs(record: &ContainerRecord) -> Value {
    let mut all = Map::new();
    for mount in &record.mounts {
        if let MountKind::Tmpfs { size_bytes, mode, options } = &mount.kind {
            let mut words = options.clone();
            if *size_bytes > 0 {
                words.push(format!("size={size_bytes}"));
            }
            words.extend(mode.map(|mode| format!("mode={mode:o}")));
            all.insert(mount.destination.clone(), json!(words.join(",")));
        }
    }
    Value::Object(all)
}

/// Mounts that `-v` cannot say.
fn mounts(record: &ContainerRecord) -> Value {
    let mount = |mount: &crate::record::MountRecord| match &mount.kind {
        MountKind::Volume { name, subpath: Some(subpath), nocopy, .. } => Some(json!({
            "Type": "volume",
            "Source": name,
            "Target": mount.destination,
            "ReadOnly": mount.readonly,
            "VolumeOptions": { "NoCopy": nocopy, "Subpath": subpath },
        })),
        _ => None,
    };
    json!(record.mounts.iter().filter_map(mount).collect::<Vec<_>>())
}

fn security_options(record: &ContainerRecord) -> Vec<String> {
    let mut all = Vec::new();
    if record.security.no_new_privileges {
        all.push("no-new-privileges".to_owned());
    }
    match &record.security.seccomp {
        SeccompChoice::Default => {}
        SeccompChoice::Unconfined => all.push("seccomp=unconfined".to_owned()),
        SeccompChoice::Profile(text) => all.push(format!("seccomp={text}")),
    }
    if record.security.unmask_system_paths {
        all.push("systempaths=unconfined".to_owned());
    }
    all
}

fn limits(record: &ContainerRecord, cgroup_parent: Option<&str>) -> Value {
    let Resources { memory, cpu, pids, block_io, .. } = record.resources.clone();
    let (memory, cpu) = (memory.unwrap_or_default(), cpu.unwrap_or_default());
    let io = block_io.unwrap_or_default();
    let ulimits: Vec<Value> = record
        .rlimits
        .iter()
        .map(|limit| {
            let name = limit.kind.trim_start_matches("RLIMIT_").to_ascii_lowercase();
            json!({ "Name": name, "Hard": limit.hard, "Soft": limit.soft })
        })
        .collect();
    let devices: Vec<Value> = record
        .devices
        .iter()
        .map(|device| {
            json!({
                "PathOnHost": device.path,
                "PathInContainer": device.path,
                "CgroupPermissions": "rwm",
            })
        })
        .collect();
    json!({
        "CpuShares": cpu.shares.unwrap_or(0),
        "Memory": memory.limit.unwrap_or(0),
        "NanoCpus": nano_cpus(&cpu),
        "CgroupParent": cgroup_parent.unwrap_or_default(),
        "BlkioWeight": io.weight.unwrap_or(0),
        "BlkioWeightDevice": io.weight_device.iter().map(|device| json!({
            "Path": format!("{}:{}", device.major, device.minor),
            "Weight": device.weight,
        })).collect::<Vec<_>>(),
        "BlkioDeviceReadBps": throttles(&io.throttle_read_bps_device),
        "BlkioDeviceWriteBps": throttles(&io.throttle_write_bps_device),
        "BlkioDeviceReadIOps": throttles(&io.throttle_read_iops_device),
        "BlkioDeviceWriteIOps": throttles(&io.throttle_write_iops_device),
        "CpuPeriod": if nano_cpus(&cpu) > 0 { 0 } else { cpu.period.unwrap_or(0) },
        "CpuQuota": if nano_cpus(&cpu) > 0 { 0 } else { cpu.quota.unwrap_or(0) },
        "CpuRealtimePeriod": cpu.realtime_period.unwrap_or(0),
        "CpuRealtimeRuntime": cpu.realtime_runtime.unwrap_or(0),
        "CpusetCpus": cpu.cpus.unwrap_or_default(),
        "CpusetMems": cpu.mems.unwrap_or_default(),
        "Devices": devices,
        "DeviceCgroupRules": Value::Null,
        "DeviceRequests": Value::Null,
        "MemoryReservation": memory.reservation.unwrap_or(0),
        "MemorySwap": memory.swap.unwrap_or(0),
        "MemorySwappiness": memory.swappiness,
        "OomKillDisable": memory.disable_oom_killer.unwrap_or(false),
        "PidsLimit": pids.map(|pids| pids.limit),
        "Ulimits": ulimits,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })
}

/// `--cpus` is a quota of the usual period.
fn nano_cpus(cpu: &linux::Cpu) -> i64 {
    match (cpu.quota, cpu.period) {
        (Some(quota), Some(100_000)) if quota > 0 => quota.saturating_mul(10_000),
        _ => 0,
    }
}

fn throttles(list: &[linux::ThrottleDevice]) -> Vec<Value> {
    let one = |device: &linux::ThrottleDevice| json!({ "Path": format!("{}:{}", device.major, device.minor), "Rate": device.rate });
    list.iter().map(one).collect()
}
