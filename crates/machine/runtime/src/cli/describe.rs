//! `spec`, `features` and `--version`: what there is, and a start.

use super::arguments::Arguments;
use super::{Doing, Failed, Outcome, log};
use crate::defaults::{self, Privilege};
use std::path::Path;
use teu_oci::runtime::linux::{IdMapping, Namespace, NamespaceKind};
use teu_oci::runtime::{Root, Spec};

/// What `--version` prints; dockerd and podman read the second field of the first line.
pub fn version() -> String {
    format!("teu-runtime version {}\nspec: {}", env!("CARGO_PKG_VERSION"), crate::OCI_VERSION)
}

/// `spec`
pub fn spec(words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["bundle|b"], &["rootless"])?;
    let path = Path::new(arguments.value("bundle").unwrap_or(".")).join("config.json");
    if path.exists() {
        return Err(Failed::new("File config.json exists. Remove it first"));
    }
    let mut spec = defaults::spec(Privilege::Confined);
    spec.root = Some(Root { path: "rootfs".to_owned(), readonly: true });
    spec.hostname = Some("teu".to_owned());
    spec.mounts = defaults::mounts(Privilege::Confined, defaults::SHM_BYTES);
    if let Some(process) = &mut spec.process {
        process.args = vec!["sh".to_owned()];
        process.terminal = true;
        process.env.push("TERM=xterm".to_owned());
        process.no_new_privileges = true;
    }
    if arguments.has("rootless") {
        make_rootless(&mut spec);
    }
    let text = serde_json::to_string_pretty(&spec).doing("config.json")?;
    std::fs::write(&path, text + "\n").doing(path.display())?;
    Ok(0)
}

fn make_rootless(spec: &mut Spec) {
    let Some(linux) = &mut spec.linux else { return };
    let map = |id| vec![IdMapping { container_id: 0, host_id: id, size: 1 }];
    linux.uid_mappings = map(rustix::process::geteuid().as_raw());
    linux.gid_mappings = map(rustix::process::getegid().as_raw());
    linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    linux.resources = None;
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !option.starts_with("gid="));
    }
}

/// `features`
pub fn features(words: &[String]) -> Outcome {
    Arguments::parse(words, &[], &[])?;
    let value = serde_json::json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": crate::OCI_VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
            "poststop",
        ],
        "mountOptions": MOUNT_OPTIONS.as_slice(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": defaults::capabilities::all(),
            "cgroup": {
                "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": false,
            },
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
                    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                    "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                    "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
                ],
                "archs": [
                    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
                    "SCMP_ARCH_X86_64",
                ],
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "mountExtensions": { "idmap": { "enabled": true } },
        },
    });
    log::print(&serde_json::to_string_pretty(&value).doing("features")?);
    Ok(0)
}

const MOUNT_OPTIONS: [&str; 58] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "tmpcopyup",
];
