//! Security contexts of pods and containers.

use super::super::field::{At, Report};
use super::super::name;
use super::{local_path, windows};

const SYSCTL_BYTES: usize = 253;
const SYSCTL: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const APPARMOR_BYTES: usize = 4095;
const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn id(at: &At, report: &mut Report) {
    if at.is_set() {
        report.each(at, name::unix_id(at.int()));
    }
}

/// A pod's.
pub fn pod(spec: &At, at: &At, report: &mut Report) {
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&at.get(field), report);
    }
    for group in at.get("supplementalGroups").items() {
        id(&group, report);
    }
    let shared = spec.get("shareProcessNamespace");
    if shared.bool() && spec.get("hostPID").bool() {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        report.invalid(&at.called("shareProcessNamespace", shared.value), why);
    }
    sysctls(spec, &at.get("sysctls"), report);
    report.maybe_one_of(&at.get("fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    seccomp(&at.get("seccompProfile"), report);
    windows::options(&at.get("windowsOptions"), report);
    apparmor(&at.get("appArmorProfile"), report);
    report.maybe_one_of(&at.get("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    report.maybe_one_of(&at.get("seLinuxChangePolicy"), &["MountOption", "Recursive"]);
}

fn is_sysctl(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= SYSCTL_BYTES
        && text.split(['.', '/']).all(|part| {
            let part = part.as_bytes();
            part.first().is_some_and(plain)
                && part.last().is_some_and(plain)
                && part.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
        })
}

fn sysctls(spec: &At, list: &At, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for sysctl in list.items() {
        let own = sysctl.get("name");
        if own.is_empty() {
            report.required(&own, "");
        } else if !is_sysctl(own.str()) {
            let why =
                format!("must have at most {SYSCTL_BYTES} characters and match regex {SYSCTL}");
            report.invalid(&own, why);
        } else if seen.contains(&own.str()) {
            report.duplicate(&own);
        }
        seen.push(own.str());
        let dotted = own.str().replace('/', ".");
        let ipc = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
        if dotted.starts_with("net.") && spec.get("hostNetwork").bool() {
            report.invalid(&own, "may not be specified when 'hostNetwork' is true");
        } else if ipc.iter().any(|prefix| dotted.starts_with(prefix)) && spec.get("hostIPC").bool()
        {
            report.invalid(&own, "may not be specified when 'hostIPC' is true");
        }
    }
}

fn seccomp(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    let kind = at.get("type");
    if kind.is_empty() {
        report.required(&kind, "type is required when seccompProfile is set");
    } else {
        report.maybe_one_of(&kind, PROFILES);
    }
    let profile = at.get("localhostProfile");
    match (kind.str() == "Localhost", profile.is_set()) {
        (true, false) => {
            report.required(&profile, "must be set when seccomp type is Localhost");
        }
        (true, true) => local_path::descending(&profile, profile.str(), report),
        (false, true) => {
            let why = "can only be set when seccomp type is Localhost";
            report.invalid_as(&profile, at.value.clone(), why);
        }
        (false, false) => {}
    }
}

fn apparmor(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    match kind.str() {
        "Localhost" => {
            let text = profile.str();
            if text.trim() != text {
                report.invalid(&profile, "must not be padded with whitespace");
            } else if text.is_empty() {
                report.required(&profile, "must be set when AppArmor type is Localhost");
            }
            if text.len() > APPARMOR_BYTES {
                report.too_long(&profile, APPARMOR_BYTES);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if profile.is_set() {
                report.invalid(&profile, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => report.required(&kind, "type is required when appArmorProfile is set"),
        _ => report.unsupported(&kind, PROFILES),
    }
}

/// A container's.
pub fn container(at: &At, host_users: bool, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        id(&at.get(field), report);
    }
    let mount = at.get("procMount");
    report.maybe_one_of(&mount, &["Default", "Unmasked"]);
    if host_users && mount.str() == "Unmasked" {
        report.invalid(&mount, "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&at.get("seccompProfile"), report);
    let escalation = at.get("allowPrivilegeEscalation");
    if escalation.is_set() && !escalation.bool() {
        if at.get("privileged").bool() {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            report.invalid(at, why);
        }
        if at.get("capabilities.add").strings().any(|one| one == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            report.invalid(at, why);
        }
    }
    windows::options(&at.get("windowsOptions"), report);
    apparmor(&at.get("appArmorProfile"), report);
}

/// How annotations said it before there were fields.
pub fn seccomp_annotation(at: &At, profile: &str, report: &mut Report) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(path) => local_path::descending(at, path, report),
            None => report.invalid_as(at, profile, "must be a valid seccomp profile"),
        },
    }
}

/// An annotation and the field that replaced it say the same.
pub fn agree(at: &At, annotation: &str, what: &str, report: &mut Report) {
    let (words, prefix): (&[&str], _) = match at.text("type") {
        "Unconfined" => (&["unconfined"], None),
        "RuntimeDefault" => (&["runtime/default", "docker/default"], None),
        "Localhost" => (&[], Some("localhost/")),
        _ => return,
    };
    match prefix.map(|prefix| annotation.strip_prefix(prefix)) {
        None if words.contains(&annotation) => {}
        None | Some(None) => {
            let why = format!("{what} type in annotation and field must match");
            report.forbidden(&at.get("type"), &why);
        }
        Some(Some(path)) if path != at.text("localhostProfile") => {
            let why = format!("{what} profile in annotation and field must match");
            report.forbidden(&at.get("localhostProfile"), &why);
        }
        _ => {}
    }
}
