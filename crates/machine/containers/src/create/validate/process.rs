//! What concerns the process: capabilities, signals, rlimits, health.

use super::Invalid;
use crate::record::ContainerRecord;
use crate::signal;

const MILLISECOND_NS: i64 = 1_000_000;

const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const RLIMITS: [&str; 16] = [
    "AS",
    "CORE",
    "CPU",
    "DATA",
    "FSIZE",
    "LOCKS",
    "MEMLOCK",
    "MSGQUEUE",
    "NICE",
    "NOFILE",
    "NPROC",
    "RSS",
    "RTPRIO",
    "RTTIME",
    "SIGPENDING",
    "STACK",
];

pub(super) fn check(record: &mut ContainerRecord) -> Result<(), Invalid> {
    let security = &mut record.security;
    for name in security.cap_add.iter_mut().chain(&mut security.cap_drop) {
        *name = capability(name)?;
    }
    if let Some(score) = record.oom_score_adj
        && !(-1000..=1000).contains(&score)
    {
        return Err(Invalid::OomScore(score));
    }
    if !record.stop_signal.is_empty() && signal::parse(&record.stop_signal).is_none() {
        return Err(Invalid::Signal(record.stop_signal.clone()));
    }
    for limit in &mut record.rlimits {
        let bare = limit.kind.to_ascii_uppercase();
        let bare = bare.strip_prefix("RLIMIT_").unwrap_or(&bare);
        if !RLIMITS.contains(&bare) {
            return Err(Invalid::Ulimit(limit.kind.clone()));
        }
        if limit.soft > limit.hard {
            let (kind, soft, hard) = (bare.to_ascii_lowercase(), limit.soft, limit.hard);
            return Err(Invalid::UlimitOrder { kind, soft, hard });
        }
        limit.kind = format!("RLIMIT_{bare}");
    }
    if record.log.keep && record.log.max_size_bytes != 0 && record.log.max_size_bytes < 1024 {
        return Err(Invalid::Log);
    }
    health(record)
}

/// `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` are the same.
fn capability(name: &str) -> Result<String, Invalid> {
    let upper = name.trim().to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    match bare {
        "ALL" => Ok("ALL".to_owned()),
        bare if CAPABILITIES.contains(&bare) => Ok(format!("CAP_{bare}")),
        _ => Err(Invalid::Capability(name.chars().take(40).collect())),
    }
}

fn health(record: &ContainerRecord) -> Result<(), Invalid> {
    let Some(check) = &record.healthcheck else { return Ok(()) };
    for (name, value) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if value != 0 && value < MILLISECOND_NS {
            return Err(Invalid::HealthTime(name));
        }
    }
    if check.retries < 0 {
        return Err(Invalid::HealthRetries);
    }
    match check.test.first().map(String::as_str) {
        None | Some("CMD" | "CMD-SHELL" | "NONE") => Ok(()),
        Some(other) => Err(Invalid::HealthKind(other.chars().take(40).collect())),
    }
}
