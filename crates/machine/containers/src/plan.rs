//! What a container is to be, decided purely: records and facts in, an OCI specification out.
//!
//! Everything that has to be looked up (users, volumes, devices of the host, namespaces) is looked
//! up before and handed in as [`Facts`]; so Docker's rules (which capability, which mount wins, what
//! `--privileged` means) are tested as data, without a kernel. The shim acts on the result.
//!
//! Nothing of an image is control input here but through the records, which were checked when they
//! were made.

use crate::record::{ContainerRecord, NamespaceMode, NetworkChoice, PodRecord};
use std::collections::BTreeMap;
use std::path::PathBuf;
use teu_oci::runtime::{Device, Linux, Namespace, NamespaceKind, Resources, Root, Spec, User};
use teu_runtime::defaults::{self, Privilege};

mod devices;
mod mounts;
mod process;
mod seccomp;

pub use process::{capabilities, further, process};
pub use seccomp::filter;

/// What had to be looked up.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The user, resolved in the container's own files.
    pub user: User,
    /// The user's home, for `HOME`.
    pub user_home: String,
    /// The pod's host name, for `HOSTNAME`.
    pub hostname: String,
    /// What is mounted at the destinations of the record's volumes.
    pub volumes: BTreeMap<String, VolumeSource>,
    /// Namespaces of the pod or of other containers; absent ones are new or the host's.
    pub namespaces: Namespaces,
    /// The pod's `hosts`, `hostname`, `resolv.conf`: a folder with files of these names.
    pub files: PathBuf,
    /// The pod's `/dev/shm`, a path of a descriptor; without it, memory of the container's own.
    pub shm: Option<String>,
    /// Device nodes of the host, for privileged containers.
    pub host_devices: Vec<Device>,
    /// Program of the init, for containers that want one.
    pub init: PathBuf,
}

/// What a volume is, once it has been looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A path of the host, or of a descriptor; further mount options.
    Path {
        /// Where.
        source: String,
        /// Besides `rbind`.
        options: Vec<String>,
    },
    /// Memory.
    Tmpfs {
        /// `size=…` and the like.
        options: Vec<String>,
    },
}

/// Paths of namespaces to join, `/proc/self/fd/N` or `/proc/<pid>/ns/…`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "namespaces(7)")]
pub struct Namespaces {
    pub network: Option<String>,
    pub ipc: Option<String>,
    pub uts: Option<String>,
    pub pid: Option<String>,
    pub user: Option<String>,
}

/// Why a record cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the image nor the person says what to run.
    #[error("no command specified: the image has none, give one after its name")]
    NoCommand,
    /// A capability that does not exist.
    #[error(transparent)]
    Capability(#[from] defaults::capabilities::Unknown),
    /// The filter of system calls cannot be read.
    #[error(transparent)]
    Profile(#[from] teu_runtime::seccomp::Error),
    /// The filter would not be one.
    #[error(
        "the seccomp profile allows everything; say seccomp=unconfined if that is what is meant"
    )]
    EmptyProfile,
    /// A volume was not looked up.
    #[error("volume {name} for {destination} is not there")]
    NoVolume {
        /// Which.
        name: String,
        /// Where.
        destination: String,
    },
}

/// Decides the whole specification of one container.
pub fn spec(pod: &PodRecord, container: &ContainerRecord, facts: &Facts) -> Result<Spec, Error> {
    let capabilities = capabilities(container)?;
    let privileged = container.security.privileged;
    let unmasked = privileged || container.security.unmask_system_paths;
    let linux = Linux {
        uid_mappings: pod.uid_mappings.clone(),
        gid_mappings: pod.gid_mappings.clone(),
        resources: Some(resources(container)),
        namespaces: namespaces(pod, container, facts),
        devices: devices::nodes(container, facts),
        seccomp: filter(container, &capabilities)?,
        rootfs_propagation: mounts::root_propagation(container),
        masked_paths: if unmasked { Vec::new() } else { defaults::masked_paths() },
        readonly_paths: if unmasked { Vec::new() } else { defaults::readonly_paths() },
        ..Linux::default()
    };
    Ok(Spec {
        oci_version: defaults::OCI_VERSION.to_owned(),
        root: Some(Root { path: String::new(), readonly: container.readonly_rootfs }),
        process: Some(process(container, facts, &capabilities)?),
        mounts: mounts::mounts(pod, container, facts)?,
        annotations: container.annotations.clone(),
        linux: Some(linux),
        ..Spec::default()
    })
}

/// Limits of a container, devices included.
pub fn resources(container: &ContainerRecord) -> Resources {
    Resources { devices: devices::rules(container), ..container.resources.clone() }
}

fn privilege(container: &ContainerRecord) -> Privilege {
    if container.security.privileged { Privilege::Full } else { Privilege::Confined }
}

/// New, joined, or (absent) the host's.
fn namespaces(pod: &PodRecord, container: &ContainerRecord, facts: &Facts) -> Vec<Namespace> {
    let known = &facts.namespaces;
    let mut all = vec![Namespace { kind: NamespaceKind::Mount, path: None }];
    let mut add = |kind, host: bool, path: &Option<String>| {
        if !host {
            all.push(Namespace { kind, path: path.clone() });
        }
    };
    let host = |mode: &NamespaceMode| *mode == NamespaceMode::Host;
    add(NamespaceKind::Network, pod.network.choice == NetworkChoice::Host, &known.network);
    add(NamespaceKind::Ipc, host(&pod.ipc), &known.ipc);
    add(NamespaceKind::Uts, host(&pod.uts), &known.uts);
    add(NamespaceKind::Pid, host(&container.pid_mode), &known.pid);
    add(NamespaceKind::Cgroup, host(&container.cgroupns), &None);
    add(NamespaceKind::User, pod.uid_mappings.is_empty(), &known.user);
    all
}

#[cfg(test)]
mod tests;
