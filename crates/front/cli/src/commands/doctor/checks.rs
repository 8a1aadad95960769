//! What every instance needs.

use super::Check;
use crate::units::human_size;
use std::path::Path;
use teu_containers::Home;

/// Linux 5.12 has `mount_setattr`, on which every mount of a container rests.
const KERNEL_LEAST: (u32, u32) = (5, 12);
/// Below this much room, builds and pulls are likely to fail.
const ROOM_LEAST_BYTES: u64 = 2 << 30;
/// Descriptors: a shim needs few, a build or an engine many.
const FILES_LEAST: u64 = 1024;

pub(super) fn all(home: &Home, user: bool) -> Vec<Check> {
    let mut all = vec![
        kernel(),
        file_systems(),
        namespaces(),
        control_groups(user),
        seccomp(),
        room(&home.data),
        files(),
    ];
    if !user {
        all.extend([nftables(), forwarding(), bridge_filter(), firewall()]);
    }
    all
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn kernel() -> Check {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version >= KERNEL_LEAST {
        true => Check::ok("kernel", format!("Linux {release}")),
        false => Check::broken(
            "kernel",
            format!("Linux {release}"),
            "Linux 5.12 or newer is needed (mount_setattr)",
        ),
    }
}

fn file_systems() -> Check {
    let known = read("/proc/filesystems").unwrap_or_default();
    let is_known =
        |name: &str| known.lines().any(|line| line.split_whitespace().last() == Some(name));
    // Whoever asks for a file system of a module that is not loaded loads it.
    let loads = |name: &str| {
        rustix::mount::fsopen(name, rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC).is_ok()
    };
    let missing: Vec<&str> = ["overlay", "tmpfs", "proc", "sysfs", "mqueue", "devpts"]
        .into_iter()
        .filter(|name| !is_known(name) && !loads(name))
        .collect();
    match missing.as_slice() {
        [] => Check::ok("file systems", "overlay, tmpfs, mqueue, devpts"),
        ["overlay"] => Check::broken(
            "file systems",
            "overlay is not there",
            "load it as root: modprobe overlay (and name it in /etc/modules-load.d/teu.conf)",
        ),
        missing => Check::broken(
            "file systems",
            format!("missing: {}", missing.join(", ")),
            "use a kernel that has them",
        ),
    }
}

fn namespaces() -> Check {
    let missing: Vec<&str> = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
        .into_iter()
        .filter(|name| !Path::new("/proc/self/ns").join(name).exists())
        .collect();
    if !missing.is_empty() {
        let found = format!("missing: {}", missing.join(", "));
        return Check::broken("namespaces", found, "use a kernel that has them");
    }
    match read("/proc/sys/user/max_user_namespaces").as_deref() {
        Some("0") => Check::lacking(
            "namespaces",
            "user namespaces are turned off",
            "for --userns and ordinary users, as root: sysctl user.max_user_namespaces=15000",
        ),
        _ => Check::ok("namespaces", "all, user namespaces included"),
    }
}

fn control_groups(user: bool) -> Check {
    const NAME: &str = "control groups";
    let unified = read("/sys/fs/cgroup/cgroup.controllers");
    if let Some(controllers) = unified {
        let has = |name: &&str| controllers.split_whitespace().any(|other| other == *name);
        let missing: Vec<&str> =
            ["cpu", "memory", "pids", "io"].into_iter().filter(|name| !has(name)).collect();
        let found = format!("version 2: {controllers}");
        return match missing.is_empty() {
            true => Check::ok(NAME, found),
            false => Check::lacking(
                NAME,
                found,
                format!(
                    "limits of {} cannot be set: see cgroup_disable= on the kernel's command line",
                    missing.join(", ")
                ),
            ),
        };
    }
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let layout = teu_runtime::cgroup::Layout::parse(&mounts);
    if layout.v1.is_empty() {
        return Check::broken(
            NAME,
            "none are mounted",
            "as root: mount -t cgroup2 none /sys/fs/cgroup (systemd does so by itself)",
        );
    }
    let names: Vec<String> =
        layout.v1.iter().map(|hierarchy| hierarchy.controllers.join(",")).collect();
    let found = format!("version 1: {}", names.join(" "));
    match user {
        true => Check::lacking(
            NAME,
            found,
            "an ordinary user gets no part of version 1, so limits and pause are refused: boot with \
             systemd.unified_cgroup_hierarchy=1 for version 2",
        ),
        false => Check::ok(NAME, found),
    }
}

fn seccomp() -> Check {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    match actions.contains("errno") {
        true => Check::ok("seccomp", actions),
        false => Check::broken(
            "seccomp",
            "the kernel filters no system calls",
            "use a kernel with CONFIG_SECCOMP_FILTER; --security-opt seccomp=unconfined runs \
             containers without the filter",
        ),
    }
}

/// The nearest folder that is there stands for one that is not.
fn room(data: &Path) -> Check {
    let there = data.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    let Ok(status) = rustix::fs::statvfs(there) else {
        return Check::lacking("disk", format!("{} cannot be looked at", there.display()), "");
    };
    let bytes = status.f_bavail.saturating_mul(status.f_frsize);
    let inodes = status.f_favail;
    let found = format!("{} free at {}", human_size(bytes, 3), there.display());
    if bytes < ROOM_LEAST_BYTES || (status.f_files > 0 && inodes < 10_000) {
        let advice = "make room: teu system df shows what there is, teu system prune removes what \
                      nobody uses; --root moves all of it elsewhere";
        return Check::lacking("disk", format!("{found}, {inodes} inodes"), advice);
    }
    Check::ok("disk", found)
}

fn files() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let soft = limit.current.unwrap_or(u64::MAX);
    let found = format!("{soft} open files, at most {hard}");
    match soft >= FILES_LEAST {
        true => Check::ok("ulimits", found),
        false => Check::lacking(
            "ulimits",
            found,
            "raise it: ulimit -n 65536, or nofile in /etc/security/limits.conf",
        ),
    }
}

/// Only asked by whoever may: the kernel answers a list of tables or that it knows none of it.
fn nftables() -> Check {
    let open = teu_sys::netlink::Socket::netfilter();
    let asked =
        open.and_then(|mut socket| socket.has_table("teu-doctor").map_err(std::io::Error::from));
    match asked {
        Ok(_) => Check::ok("nftables", "the kernel takes rules"),
        Err(error) => Check::broken(
            "nftables",
            format!("the kernel takes no rules: {error}"),
            "load it as root: modprobe nf_tables; until then use --network=host or none",
        ),
    }
}

fn forwarding() -> Check {
    let on = |path: &str| read(path).is_some_and(|value| value != "0");
    let ipv4 = on("/proc/sys/net/ipv4/ip_forward");
    let found = match ipv4 {
        true => "on for all of the machine",
        false => "off; turned on by interface while networks are up",
    };
    if !Path::new("/proc/sys/net/ipv6").exists() {
        return Check::ok("forwarding", format!("IPv4 {found}; no IPv6"));
    }
    Check::ok("forwarding", format!("IPv4 {found}"))
}

/// With it, frames between two containers of one bridge go through the host's IP rules.
fn bridge_filter() -> Check {
    let value = read("/proc/sys/net/bridge/bridge-nf-call-iptables");
    match value.as_deref() {
        None | Some("0") => Check::ok("br_netfilter", "bridges keep to themselves"),
        Some(_) => Check::lacking(
            "br_netfilter",
            "bridge-nf-call-iptables is on: the host's forward rules apply between containers of one network",
            "if containers of one network do not reach each other, as root: sysctl net.bridge.bridge-nf-call-iptables=0",
        ),
    }
}

/// Who else decides about packets. Their `drop` is the last word: no `accept` of ours outvotes it.
fn firewall() -> Check {
    let known = [
        (
            "/run/firewalld",
            "firewalld",
            "firewall-cmd --permanent --zone=trusted --add-interface='teu+' && firewall-cmd --reload",
        ),
        ("/run/ufw.lock", "ufw", "ufw route allow in on teu0 (and for each further network)"),
        ("/etc/ufw/ufw.conf", "ufw", "ufw route allow in on teu0 (and for each further network)"),
    ];
    let active = |name: &str| match name {
        "ufw" => read("/etc/ufw/ufw.conf")
            .is_some_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes")),
        _ => true,
    };
    for (path, name, advice) in known {
        if Path::new(path).exists() && active(name) {
            return Check::lacking(
                "firewall",
                format!("{name} is active"),
                format!("if published ports or the way out are dropped: {advice}"),
            );
        }
    }
    Check::ok("firewall", "no firewall manager is active")
}
