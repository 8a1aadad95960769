//! What Docker refuses, in its words. Pure: the machine's facts are handed in.

use crate::record::network::NetworkChoice;
use crate::record::{ContainerRecord, MountKind, NamespaceMode, PodRecord, RestartPolicy};

mod hostname;
mod invalid;
mod limits;
mod paths;
mod process;

pub use invalid::Invalid;
pub use limits::check as limits;
pub use paths::{destination, port};

/// What the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// CPUs that are online.
    pub cpus: u32,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cpus: u32::try_from(cpus).unwrap_or(u32::MAX) }
    }
}

/// Checks a container with its pod after merging.
pub fn container(
    pod: &PodRecord,
    record: &mut ContainerRecord,
    machine: Machine,
) -> Result<(), Invalid> {
    limits::check(&record.resources, machine)?;
    process::check(record)?;
    restart(record)?;
    mounts(record)?;
    if !record.working_dir.starts_with('/') {
        return Err(Invalid::WorkingDir(record.working_dir.clone()));
    }
    record.working_dir = paths::normalise(&record.working_dir);
    for exposed in &mut record.exposed_ports {
        *exposed = port(exposed)?;
    }
    if let NamespaceMode::Container(other) = &record.pid_mode
        && pod.share_pid
    {
        return Err(Invalid::PidModeAndSharing(other.clone()));
    }
    Ok(())
}

/// Checks a pod by itself.
pub fn pod(pod: &PodRecord, machine: Machine) -> Result<(), Invalid> {
    limits::check(&pod.resources, machine)?;
    hostname::check(&pod.hostname)?;
    network(pod)?;
    sysctls(pod)?;
    for label in pod.labels.keys() {
        if label.is_empty() {
            return Err(Invalid::Label);
        }
    }
    let parent = pod.cgroup_parent.as_deref().unwrap_or_default();
    if parent.split('/').any(|part| part == "..") || parent.contains('\0') {
        return Err(Invalid::CgroupParent(parent.to_owned()));
    }
    Ok(())
}

fn restart(record: &ContainerRecord) -> Result<(), Invalid> {
    match record.restart {
        RestartPolicy::No => Ok(()),
        _ if record.auto_remove => Err(Invalid::RestartAndRemove),
        _ => Ok(()),
    }
}

fn mounts(record: &mut ContainerRecord) -> Result<(), Invalid> {
    for index in 0..record.mounts.len() {
        let mount = &mut record.mounts[index];
        mount.destination = destination(&mount.destination)?;
        if mount.destination == "/" {
            return Err(Invalid::DestinationRoot(mount.destination.clone()));
        }
        if let MountKind::Bind { source, .. } = &mut mount.kind {
            if !source.starts_with('/') {
                return Err(Invalid::BindSource(source.clone()));
            }
            *source = paths::normalise(source);
        }
        if let MountKind::Tmpfs { mode: Some(mode), .. } = &mount.kind
            && *mode > 0o7777
        {
            return Err(Invalid::TmpfsMode(*mode));
        }
        if let MountKind::Volume { subpath: Some(path), .. } = &mount.kind {
            let leaves = path.starts_with('/') || path.split('/').any(|part| part == "..");
            if leaves || path.is_empty() {
                return Err(Invalid::Subpath(path.clone()));
            }
        }
        let destination = record.mounts[index].destination.clone();
        if record.mounts[..index].iter().any(|other| other.destination == destination) {
            return Err(Invalid::DuplicateMount(destination));
        }
    }
    Ok(())
}

fn network(pod: &PodRecord) -> Result<(), Invalid> {
    let network = &pod.network;
    let named = !pod.hostname.is_empty();
    match &network.choice {
        NetworkChoice::Host | NetworkChoice::Container(_)
            if named && pod.uts == NamespaceMode::Host =>
        {
            Err(Invalid::HostnameAndUts)
        }
        NetworkChoice::Container(_) => container_network(pod),
        _ if named && pod.uts == NamespaceMode::Host => Err(Invalid::HostnameAndUts),
        NetworkChoice::Networks(endpoints) => {
            for endpoint in endpoints {
                let fixed = endpoint.ipv4.is_some() || endpoint.ipv6.is_some();
                let default = matches!(endpoint.network.as_str(), "bridge" | "default");
                if default && fixed {
                    return Err(Invalid::AddressOnDefault);
                }
                if default && !endpoint.aliases.is_empty() {
                    return Err(Invalid::AliasOnDefault);
                }
                if endpoint.ipv4.is_some_and(|address| address.is_ipv6())
                    || endpoint.ipv6.is_some_and(|address| address.is_ipv4())
                {
                    return Err(Invalid::AddressFamily);
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Everything that belongs to the other container's namespace.
fn container_network(pod: &PodRecord) -> Result<(), Invalid> {
    let network = &pod.network;
    let conflicts = [
        (!pod.hostname.is_empty(), "hostname"),
        (
            !network.links.is_empty(),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (!network.dns.is_empty(), "dns"),
        (!network.extra_hosts.is_empty(), "custom host-to-IP mapping"),
        (!network.ports.is_empty() || network.publish_all, "port publishing"),
    ];
    match conflicts.iter().find(|(present, _)| *present) {
        Some((_, "port publishing")) => Err(Invalid::PortsAndContainerNetwork),
        Some((_, what)) => Err(Invalid::NetworkMode(what)),
        None => Ok(()),
    }
}

/// Only what lives in a namespace of the pod's (B2 rows 6 and 17).
fn sysctls(pod: &PodRecord) -> Result<(), Invalid> {
    const IPC: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    for (key, value) in &pod.sysctls {
        let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        let dotted = key.replace('/', ".");
        let refuse = || Err(Invalid::Sysctl(key.clone()));
        if !plain || dotted.contains("..") || value.contains('\0') {
            return refuse();
        }
        let ipc = IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.");
        let uts = matches!(dotted.as_str(), "kernel.domainname");
        if dotted.starts_with("net.") {
            if matches!(pod.network.choice, NetworkChoice::Host) {
                return Err(Invalid::SysctlHost { key: key.clone(), namespace: "network" });
            }
        } else if ipc {
            if pod.ipc == NamespaceMode::Host {
                return Err(Invalid::SysctlHost { key: key.clone(), namespace: "IPC" });
            }
        } else if !uts {
            return refuse();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
