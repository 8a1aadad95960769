//! What a container gets when nobody says otherwise: the defaults of the field.
//!
//! Facts as `docker run` shows them (capabilities, masked paths, mounts, device rules, profile), so
//! that an image that runs there runs here. [`spec`] puts them together; callers then change what
//! the user asked for.

use teu_oci::runtime::linux::{DeviceRule, Linux, Namespace, NamespaceKind, Resources, Seccomp};
use teu_oci::runtime::process::{Capabilities, Process};
use teu_oci::runtime::{Mount, Root, Spec};

pub mod capabilities;
mod profile;
#[cfg(test)]
mod tests;

pub use profile::seccomp_profile;

/// Version of the runtime-spec the documents follow.
pub const OCI_VERSION: &str = "1.2.0";

/// Size of `/dev/shm`, in bytes.
pub const SHM_BYTES: u64 = 64 << 20;

/// Search path of a process whose image names none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// CPUs whose heat is hidden.
const MAX_CPUS: usize = 1024;

/// What a container may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// The restrictions of this module.
    Confined,
    /// All capabilities and devices, nothing masked, no filter: `--privileged`.
    Full,
}

/// A specification with the defaults, to be filled in: no root, no arguments, user 0.
#[must_use]
pub fn spec(privilege: Privilege) -> Spec {
    let names = match privilege {
        Privilege::Confined => capabilities::defaults(),
        Privilege::Full => capabilities::all(),
    };
    let confined = privilege == Privilege::Confined;
    let seccomp = confined.then(|| seccomp_profile(&names));
    let linux = Linux {
        resources: Some(Resources { devices: device_rules(privilege), ..Resources::default() }),
        namespaces: namespaces(),
        seccomp,
        masked_paths: if confined { masked_paths() } else { Vec::new() },
        readonly_paths: if confined { readonly_paths() } else { Vec::new() },
        ..Linux::default()
    };
    let process = Process {
        cwd: "/".to_owned(),
        env: vec![format!("PATH={PATH}")],
        capabilities: Some(capability_sets(&names, 0)),
        oom_score_adj: Some(0),
        ..Process::default()
    };
    Spec {
        oci_version: OCI_VERSION.to_owned(),
        root: Some(Root::default()),
        process: Some(process),
        mounts: mounts(privilege, SHM_BYTES),
        linux: Some(linux),
        ..Spec::default()
    }
}

/// The five sets for a user. Root has them effective; another user has only the bound, from which
/// files with capabilities may raise. Nothing is ever inheritable (CVE-2022-24769) or ambient.
#[must_use]
pub fn capability_sets(names: &[String], uid: u32) -> Capabilities {
    let held = if uid == 0 { names.to_vec() } else { Vec::new() };
    Capabilities {
        bounding: names.to_vec(),
        effective: held.clone(),
        permitted: held,
        inheritable: Vec::new(),
        ambient: Vec::new(),
    }
}

/// New namespaces of a container: all but user and time; cgroup, as on any v2 host.
#[must_use]
pub fn namespaces() -> Vec<Namespace> {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    [Mount, Uts, Pid, Ipc, Network, Cgroup].map(|kind| Namespace { kind, path: None }).to_vec()
}

/// Paths that tell about the host, or act on it; made unreadable.
#[must_use]
pub fn masked_paths() -> Vec<String> {
    let mut paths = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]
    .map(str::to_owned)
    .to_vec();
    // How often a CPU was too hot tells when others work (a side channel); only real
    // machines have it.
    for cpu in 0..MAX_CPUS {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle");
        if !std::path::Path::new(&path).exists() {
            break;
        }
        paths.push(path);
    }
    paths
}

/// Paths that can be read but not written.
#[must_use]
pub fn readonly_paths() -> Vec<String> {
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        .map(str::to_owned)
        .to_vec()
}

/// Rules of the device controller: nothing, then what every container has.
#[must_use]
pub fn device_rules(privilege: Privilege) -> Vec<DeviceRule> {
    let everything = |allow| DeviceRule {
        allow,
        kind: Some("a".to_owned()),
        major: None,
        minor: None,
        access: Some("rwm".to_owned()),
    };
    match privilege {
        Privilege::Full => vec![everything(true)],
        Privilege::Confined => {
            let mut rules = vec![everything(false)];
            rules.extend(crate::cgroup::default_device_rules());
            rules
        }
    }
}

/// Mounts of every container; device nodes are made by the runtime in `/dev`.
#[must_use]
pub fn mounts(privilege: Privilege, shm_bytes: u64) -> Vec<Mount> {
    // A privileged container may write to /sys and to control groups.
    let access = match privilege {
        Privilege::Confined => "ro",
        Privilege::Full => "rw",
    };
    let shm = format!("size={shm_bytes}");
    vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
        mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        Mount {
            source: Some("shm".to_owned()),
            ..mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &shm])
        },
    ]
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(kind.to_owned()),
        options: options.iter().map(ToString::to_string).collect(),
        ..Mount::default()
    }
}

/// The filter for a spec whose capabilities have been decided.
#[must_use]
pub fn seccomp_for(capabilities: &Capabilities) -> Seccomp {
    seccomp_profile(&capabilities.bounding)
}
