//! Pods that say for which system they are.

use super::super::field::{At, Report};
use super::super::name;
use super::visit;

const SPEC_BYTES: usize = 64 * 1024;
const DOMAIN_BYTES: usize = 256;
const USER_BYTES: usize = 104;

/// `windowsOptions` of a security context.
pub fn options(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    let credential = at.get("gmsaCredentialSpecName");
    if credential.is_set() {
        report.each(&credential, name::subdomain(credential.str()));
    }
    let spec = at.get("gmsaCredentialSpec");
    if spec.is_set() {
        if spec.is_empty() {
            report.invalid(&spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.str().len() > SPEC_BYTES {
            report.invalid(&spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    let user = at.get("runAsUserName");
    if user.is_set() {
        user_name(&user, report);
    }
}

fn user_name(at: &At, report: &mut Report) {
    let text = at.str();
    if text.is_empty() {
        return report.invalid(at, "runAsUserName cannot be an empty string");
    }
    if text.chars().any(char::is_control) {
        return report.invalid(at, "runAsUserName cannot contain control characters");
    }
    if text.matches('\\').count() > 1 {
        return report.invalid(at, "runAsUserName cannot contain more than one backslash");
    }
    let (domain, user) = match text.split_once('\\') {
        Some((domain, user)) => (Some(domain), user),
        None => (None, text),
    };
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_BYTES {
            report.invalid(at, "runAsUserName's Domain length must be under 256 characters");
        }
        let short = !domain.is_empty()
            && domain.len() <= 15
            && !domain.starts_with('.')
            && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']);
        let dns = domain.split('.').all(|part| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let ends = !part.starts_with('-') && !part.ends_with('-');
            !part.is_empty() && part.len() <= 63 && ends && part.bytes().all(inner)
        });
        if !short && !dns {
            let why = "runAsUserName's Domain doesn't match the NetBios nor the DNS format";
            report.invalid(at, why);
        }
    }
    if user.is_empty() {
        report.invalid(at, "runAsUserName's User cannot be empty");
    } else if user.len() > USER_BYTES {
        report.invalid(at, "runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|one| matches!(one, '.' | ' ')) {
        report.invalid(at, "runAsUserName's User cannot contain only periods or spaces");
    }
    let bad = ['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']'];
    if user.contains(bad) {
        let why =
            "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]";
        report.invalid(at, why);
    }
}

/// Containers that are processes of the node.
pub fn host_processes(spec: &At, report: &mut Report) {
    let of_pod = spec.get("securityContext.windowsOptions.hostProcess");
    let (mut all, mut host) = (0, 0);
    visit(spec, |container| {
        all += 1;
        let own = container.get("securityContext.windowsOptions.hostProcess");
        if of_pod.is_set() && own.is_set() && of_pod.bool() != own.bool() {
            let why = format!(
                "pod hostProcess value must be identical if both are specified, was {}",
                of_pod.bool()
            );
            report.invalid(&own, why);
        }
        let is_host = if own.is_set() { own.bool() } else { of_pod.bool() };
        host += usize::from(is_host);
    });
    if host > 0 {
        if host != all {
            let why = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
            report.invalid_as(spec, "", why);
        }
        let network = spec.get("hostNetwork");
        if !network.bool() {
            let why = "hostNetwork must be true if pod contains any hostProcess containers";
            report.invalid_as(&network, false, why);
        }
    }
}

/// `os`, and what the other system does not have.
pub fn system(spec: &At, report: &mut Report) {
    let os = spec.get("os");
    if !os.is_set() {
        return;
    }
    match os.text("name") {
        "" => report.required(&os.get("name"), "cannot be empty"),
        "linux" => {
            let why = "windows options cannot be set for a linux pod";
            let options = spec.get("securityContext.windowsOptions");
            if options.is_set() {
                report.forbidden(&options, why);
            }
            visit(spec, |container| {
                let options = container.get("securityContext.windowsOptions");
                if options.is_set() {
                    report.forbidden(&options, why);
                }
            });
        }
        "windows" => not_for_windows(spec, report),
        _ => report.unsupported(&os.called_as(os.get("name").value), &["linux", "windows"]),
    }
}

fn not_for_windows(spec: &At, report: &mut Report) {
    let refuse = |at: &At, is_there: bool, report: &mut Report| {
        if is_there {
            report.forbidden(at, "cannot be set for a windows pod");
        }
    };
    let context = spec.get("securityContext");
    for field in [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ] {
        refuse(&context.get(field), context.get(field).is_set(), report);
    }
    for field in ["hostUsers", "shareProcessNamespace"] {
        refuse(&spec.get(field), spec.get(field).is_set(), report);
    }
    for field in ["hostPID", "hostIPC"] {
        refuse(&spec.get(field), spec.get(field).bool(), report);
    }
    visit(spec, |container| {
        let context = container.get("securityContext");
        for field in [
            "appArmorProfile",
            "seLinuxOptions",
            "seccompProfile",
            "capabilities",
            "readOnlyRootFilesystem",
            "privileged",
            "allowPrivilegeEscalation",
            "procMount",
            "runAsUser",
            "runAsGroup",
        ] {
            refuse(&context.get(field), context.get(field).is_set(), report);
        }
    });
}
