//! Names of capabilities, and how lists of additions and removals are merged.

/// Every capability, in the order of its number.
const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container has by default.
const DEFAULTS: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A name that is no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid capability {name:?}{}", hint(.name))]
pub struct Unknown {
    /// As it was written.
    pub name: String,
}

fn hint(name: &str) -> String {
    let wanted = canonical_text(name);
    let near = ALL.iter().find(|cap| {
        cap.len().abs_diff(wanted.len()) <= 2
            && (cap.contains(&wanted[4..]) || wanted.contains(&cap[4..]))
    });
    near.map_or_else(String::new, |cap| format!("; did you mean {cap}?"))
}

/// Every capability this kernel has: what privileged containers get.
#[must_use]
pub fn all() -> Vec<String> {
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap");
    let count = last.ok().and_then(|text| text.trim().parse::<usize>().ok());
    let count = count.map_or(ALL.len(), |last| (last + 1).min(ALL.len()));
    ALL[..count].iter().map(ToString::to_string).collect()
}

/// What a container has by default.
#[must_use]
pub fn defaults() -> Vec<String> {
    DEFAULTS.iter().map(ToString::to_string).collect()
}

/// `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` are one.
pub fn parse(name: &str) -> Result<&'static str, Unknown> {
    let wanted = canonical_text(name);
    let found = ALL.iter().find(|cap| **cap == wanted);
    found.copied().ok_or_else(|| Unknown { name: name.to_owned() })
}

/// The number of a capability given by its canonical name.
#[must_use]
pub fn number(name: &str) -> Option<u8> {
    ALL.iter().position(|cap| *cap == name).and_then(|at| u8::try_from(at).ok())
}

fn canonical_text(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
}

/// The capabilities after `--cap-add` and `--cap-drop`: `ALL` on either side is the base, then the
/// other side's names apply; without `ALL`, what is added is not dropped.
pub fn merge(base: &[String], add: &[String], drop: &[String]) -> Result<Vec<String>, Unknown> {
    let is_all =
        |name: &String| name.eq_ignore_ascii_case("ALL") || name.eq_ignore_ascii_case("CAP_ALL");
    let names = |list: &[String]| {
        list.iter()
            .filter(|name| !is_all(name))
            .map(|name| parse(name))
            .collect::<Result<Vec<_>, _>>()
    };
    let (added, dropped) = (names(add)?, names(drop)?);
    let mut merged: Vec<String> = if add.iter().any(is_all) {
        all().into_iter().filter(|name| !dropped.contains(&name.as_str())).collect()
    } else if drop.iter().any(is_all) {
        Vec::new()
    } else {
        base.iter().filter(|name| !dropped.contains(&name.as_str())).cloned().collect()
    };
    for name in added {
        // Beside `ALL`, what is dropped stays dropped; by itself an addition wins.
        if add.iter().any(is_all) && dropped.contains(&name) {
            continue;
        }
        if !merged.iter().any(|have| have == name) {
            merged.push(name.to_owned());
        }
    }
    Ok(merged)
}
