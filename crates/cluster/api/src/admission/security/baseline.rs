//! What `baseline` forbids.

use super::{Pod, Violations, containers, name_of, quoted, setters};
use serde_json::Value;
use std::collections::BTreeSet;

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// In the order of the rules' names. Some are replaced where `restricted` says more.
pub(super) fn check(pod: &Pod<'_>, is_restricted: bool, found: &mut Violations) {
    app_armor(pod, found);
    if !is_restricted {
        capabilities(pod, found);
    }
    host_namespaces(pod, found);
    if !is_restricted {
        host_paths(pod, found);
    }
    host_ports(pod, found);
    privileged(pod, found);
    proc_mount(pod, found);
    se_linux(pod, found);
    if !is_restricted {
        seccomp(pod, found);
    }
    sysctls(pod, found);
    windows(pod, found);
}

fn app_armor(pod: &Pod<'_>, found: &mut Violations) {
    let bad =
        pod.bad(&["appArmorProfile", "type"], |it| matches!(it, "RuntimeDefault" | "Localhost"));
    let annotations = pod.metadata["annotations"].as_object();
    let mut profiles: Vec<String> = Vec::new();
    for (key, value) in annotations.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let is_profile = key.starts_with("container.apparmor.security.beta.kubernetes.io/");
        let is_good =
            value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
        if is_profile && !is_good {
            profiles.push(format!("{key}={value:?}"));
        }
    }
    let count = bad.values.len() + profiles.len();
    if count == 0 {
        return;
    }
    let word = if count == 1 { "profile" } else { "profiles" };
    let mut details = Vec::new();
    if !bad.is_empty() {
        details.push(format!(
            "{} must not set AppArmor profile type to {}",
            bad.setters(),
            bad.values()
        ));
    }
    if !profiles.is_empty() {
        let word = if profiles.len() == 1 { "annotation" } else { "annotations" };
        details.push(format!("{word} {}", profiles.join(", ")));
    }
    found.push((format!("forbidden AppArmor {word}"), details.join("; ")));
}

fn capabilities(pod: &Pod<'_>, found: &mut Violations) {
    let added = |container: &Value| -> Vec<String> {
        let list = container["securityContext"]["capabilities"]["add"].as_array();
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        names.filter(|name| !CAPABILITIES.contains(name)).map(str::to_owned).collect()
    };
    let names = pod.names(|it| !added(it).is_empty());
    if names.is_empty() {
        return;
    }
    let all: BTreeSet<String> = pod.containers().flat_map(added).collect();
    let detail = format!(
        "{} must not include {} in securityContext.capabilities.add",
        containers(&names),
        quoted(all.iter().map(String::as_str))
    );
    found.push(("non-default capabilities".to_owned(), detail));
}

fn host_namespaces(pod: &Pod<'_>, found: &mut Violations) {
    let names = ["hostNetwork", "hostPID", "hostIPC"];
    let set: Vec<String> = names
        .iter()
        .filter(|name| pod.spec[**name] == true)
        .map(|name| format!("{name}=true"))
        .collect();
    if !set.is_empty() {
        found.push(("host namespaces".to_owned(), set.join(", ")));
    }
}

fn host_paths(pod: &Pod<'_>, found: &mut Violations) {
    let volumes = pod.spec["volumes"].as_array().into_iter().flatten();
    let names: Vec<&str> =
        volumes.filter(|volume| volume.get("hostPath").is_some()).map(name_of).collect();
    if !names.is_empty() {
        let word = if names.len() == 1 { "volume" } else { "volumes" };
        found.push(("hostPath volumes".to_owned(), format!("{word} {}", quoted(names))));
    }
}

fn host_ports(pod: &Pod<'_>, found: &mut Violations) {
    let ports = |container: &Value| -> Vec<String> {
        let ports = container["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| port["hostPort"].as_i64().filter(|port| *port != 0));
        ports.map(|port| port.to_string()).collect()
    };
    let names = pod.names(|it| !ports(it).is_empty());
    if names.is_empty() {
        return;
    }
    let all: BTreeSet<String> = pod.containers().flat_map(ports).collect();
    let verb = if names.len() == 1 { "uses" } else { "use" };
    let word = if all.len() == 1 { "hostPort" } else { "hostPorts" };
    let all: Vec<String> = all.into_iter().collect();
    let detail = format!("{} {verb} {word} {}", containers(&names), all.join(", "));
    found.push(("hostPort".to_owned(), detail));
}

fn privileged(pod: &Pod<'_>, found: &mut Violations) {
    let names = pod.names(|it| it["securityContext"]["privileged"] == true);
    if !names.is_empty() {
        let detail = format!("{} must not set securityContext.privileged=true", containers(&names));
        found.push(("privileged".to_owned(), detail));
    }
}

fn proc_mount(pod: &Pod<'_>, found: &mut Violations) {
    if pod.has_own_users() {
        return;
    }
    let bad = pod.bad(&["procMount"], |it| it == "Default");
    if !bad.names.is_empty() {
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            containers(&bad.names),
            bad.values()
        );
        found.push(("procMount".to_owned(), detail));
    }
}

fn se_linux(pod: &Pod<'_>, found: &mut Violations) {
    let is_type = |it: &str| {
        matches!(
            it,
            "" | "container_t" | "container_init_t" | "container_kvm_t" | "container_engine_t"
        )
    };
    let options = |context: &Value| context["seLinuxOptions"].clone();
    let word = |options: &Value, name: &str| options[name].as_str().unwrap_or_default().to_owned();
    let is_bad = |options: &Value| {
        !is_type(&word(options, "type"))
            || !word(options, "user").is_empty()
            || !word(options, "role").is_empty()
    };
    let in_pod = is_bad(&options(pod.context()));
    let names = pod.names(|it| is_bad(&options(&it["securityContext"])));
    if !in_pod && names.is_empty() {
        return;
    }
    let all: Vec<Value> = std::iter::once(pod.context())
        .chain(pod.containers().map(|it| &it["securityContext"]))
        .map(options)
        .collect();
    let types: BTreeSet<String> =
        all.iter().map(|it| word(it, "type")).filter(|it| !is_type(it)).collect();
    let mut details = Vec::new();
    if !types.is_empty() {
        let plural = if types.len() == 1 { "type" } else { "types" };
        details.push(format!("{plural} {}", quoted(types.iter().map(String::as_str))));
    }
    for name in ["user", "role"] {
        if all.iter().any(|it| !word(it, name).is_empty()) {
            details.push(format!("{name} may not be set"));
        }
    }
    let detail = format!(
        "{} set forbidden securityContext.seLinuxOptions: {}",
        setters(in_pod, &names),
        details.join("; ")
    );
    found.push(("seLinuxOptions".to_owned(), detail));
}

fn seccomp(pod: &Pod<'_>, found: &mut Violations) {
    let bad =
        pod.bad(&["seccompProfile", "type"], |it| matches!(it, "RuntimeDefault" | "Localhost"));
    if !bad.is_empty() {
        let detail = format!(
            "{} must not set securityContext.seccompProfile.type to {}",
            bad.setters(),
            bad.values()
        );
        found.push(("seccompProfile".to_owned(), detail));
    }
}

fn sysctls(pod: &Pod<'_>, found: &mut Violations) {
    let list = pod.context()["sysctls"].as_array().into_iter().flatten();
    let bad: Vec<&str> = list.map(name_of).filter(|name| !SYSCTLS.contains(name)).collect();
    if !bad.is_empty() {
        found.push(("forbidden sysctls".to_owned(), bad.join(", ")));
    }
}

fn windows(pod: &Pod<'_>, found: &mut Violations) {
    let is_set = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let in_pod = is_set(pod.context());
    let names = pod.names(|it| is_set(&it["securityContext"]));
    if in_pod || !names.is_empty() {
        let detail = format!(
            "{} must not set securityContext.windowsOptions.hostProcess=true",
            setters(in_pod, &names)
        );
        found.push(("hostProcess".to_owned(), detail));
    }
}
