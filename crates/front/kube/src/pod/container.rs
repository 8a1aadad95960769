//! One container of a pod.

use super::env::{self, Variables};
use super::volumes::{self, MountPlan};
use super::{Scope, probe};
use crate::field::{Field, Result};
use crate::quantity;
use teu_containers::record::{
    ContainerRecord, NamespaceMode, PodRecord, PortRecord, SeccompChoice, SecurityRecord,
};
use teu_oci::runtime::linux::{Cpu, Memory};

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Kubernetes' own words")]
pub enum Pull {
    Always,
    IfNotPresent,
    Never,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct ContainerPlan {
    /// Its name here: the pod's, then its own.
    pub name: String,
    /// As written.
    pub image: String,
    /// When it is fetched.
    pub pull: Pull,
    /// Instead of the image's.
    pub entrypoint: Option<Vec<String>>,
    /// What was asked for, but for mounts.
    pub record: ContainerRecord,
    /// Where it sees the pod's volumes.
    pub mounts: Vec<MountPlan>,
}

const KNOWN: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeMounts",
    "workingDir",
];
const PASSED_OVER: &[&str] =
    &["terminationMessagePath", "terminationMessagePolicy", "resizePolicy"];

/// Microseconds in which a share of processors is counted.
const PERIOD_US: u64 = 100_000;

/// What the neck is asked for. Ports go to the pod.
pub(super) fn plan(
    field: &Field<'_>,
    scope: &Scope<'_>,
    pod: &mut PodRecord,
    warnings: &mut Vec<String>,
) -> Result<ContainerPlan> {
    if let Some(lifecycle) = field.get("lifecycle") {
        return Err(lifecycle.error("hooks are not supported: put them into the program"));
    }
    field.only(KNOWN, PASSED_OVER)?;
    let own = field.need("name")?.text()?;
    let image = field.need("image")?.text()?.to_owned();
    let variables = env::variables(field, scope)?;
    let expanded = |name: &str| -> Result<Vec<String>> {
        Ok(field.get_texts(name)?.iter().map(|word| env::expand(word, &variables)).collect())
    };
    let (command, args) = (expanded("command")?, expanded("args")?);
    let mut record = ContainerRecord {
        command: args,
        env: joined(&variables),
        working_dir: field.get_text("workingDir")?.unwrap_or_default(),
        tty: field.get_switch("tty")?,
        stdin_open: field.get_switch("stdin")?,
        stdin_once: field.get_switch("stdinOnce")?,
        labels: scope.template.labels.iter().cloned().collect(),
        annotations: scope.template.annotations.iter().cloned().collect(),
        restart: scope.restart,
        stop_timeout_s: scope.grace_s,
        ..ContainerRecord::default()
    };
    record.labels.insert("io.kubernetes.container.name".to_owned(), own.to_owned());
    if scope.host_pid {
        record.pid_mode = NamespaceMode::Host;
    }
    ports(field, pod, &mut record)?;
    resources(field, &mut record)?;
    security(field, scope, &mut record)?;
    if let Some((check, kills)) = probe::check(field, warnings)? {
        (record.healthcheck, record.kill_unhealthy) = (Some(check), kills);
    }
    Ok(ContainerPlan {
        name: format!("{}-{own}", scope.name),
        pull: pull(field, &image)?,
        image,
        entrypoint: (!command.is_empty()).then_some(command),
        mounts: volumes::mounts(field, &scope.volumes)?,
        record,
    })
}

fn joined(variables: &Variables) -> Vec<String> {
    variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Kubernetes' default is `Always` for what is called latest; here what is present is taken, as
/// podman does: images are often built on this very machine.
fn pull(field: &Field<'_>, _image: &str) -> Result<Pull> {
    let Some(policy) = field.get("imagePullPolicy") else { return Ok(Pull::IfNotPresent) };
    match policy.text()? {
        "Always" => Ok(Pull::Always),
        "IfNotPresent" => Ok(Pull::IfNotPresent),
        "Never" => Ok(Pull::Never),
        other => Err(policy.error(format!("{other:?} is none of Always, IfNotPresent, Never"))),
    }
}

fn ports(field: &Field<'_>, pod: &mut PodRecord, record: &mut ContainerRecord) -> Result<()> {
    for port in field.get_list("ports")? {
        port.only(&["containerPort", "hostPort", "hostIP", "name", "protocol"], &[])?;
        let number: u16 = port.need("containerPort")?.number(1)?;
        let protocol = match port.get("protocol") {
            None => "tcp".to_owned(),
            Some(field) => match field.text()? {
                "TCP" | "UDP" | "SCTP" => field.text()?.to_ascii_lowercase(),
                other => return Err(field.error(format!("{other:?} is none of TCP, UDP, SCTP"))),
            },
        };
        record.exposed_ports.push(format!("{number}/{protocol}"));
        let Some(host_port) = port.get("hostPort") else { continue };
        let host_port: u16 = host_port.number(0)?;
        if host_port == 0 {
            continue;
        }
        let host_ip = match port.get("hostIP") {
            Some(field) => Some(super::address(&field)?).filter(|ip| !ip.is_unspecified()),
            None => None,
        };
        pod.network.ports.push(PortRecord {
            host_ip,
            host_port,
            host_last: 0,
            container_port: number,
            count: 1,
            protocol,
        });
    }
    Ok(())
}

fn resources(field: &Field<'_>, record: &mut ContainerRecord) -> Result<()> {
    let Some(resources) = field.get("resources") else { return Ok(()) };
    resources.only(&["limits", "requests"], &["claims"])?;
    let quantity = |kind: &str, name: &str, read: fn(&str) -> Option<i64>| {
        let Some(field) = resources.get(kind).and_then(|all| all.get(name)) else {
            return Ok(None);
        };
        let text = field.node().scalar().unwrap_or_default();
        read(&text).map(Some).ok_or_else(|| field.error(format!("{text:?} is no quantity")))
    };
    let milli = |text: &str| i64::try_from(quantity::milli(text)?).ok();
    let limit = quantity("limits", "memory", quantity::units)?;
    let reservation = quantity("requests", "memory", quantity::units)?;
    if limit.is_some() || reservation.is_some() {
        record.resources.memory = Some(Memory { limit, reservation, ..Memory::default() });
    }
    let limit = quantity("limits", "cpu", milli)?;
    let request = quantity("requests", "cpu", milli)?;
    if limit.is_some() || request.is_some() {
        let period = i64::try_from(PERIOD_US).unwrap_or(i64::MAX);
        record.resources.cpu = Some(Cpu {
            quota: limit.map(|milli| milli.saturating_mul(period) / 1000).map(|us| us.max(1000)),
            period: limit.map(|_| PERIOD_US),
            // A whole processor weighs 1024.
            shares: request
                .and_then(|milli| u64::try_from(milli * 1024 / 1000).ok())
                .map(|n| n.max(2)),
            ..Cpu::default()
        });
    }
    Ok(())
}

const OF_CONTAINER: &[&str] = &[
    "allowPrivilegeEscalation",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
];
const OF_POD: &[&str] = &[
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "sysctls",
];
const FOREIGN: &[&str] = &["seLinuxOptions", "windowsOptions", "appArmorProfile"];

fn security(field: &Field<'_>, scope: &Scope<'_>, record: &mut ContainerRecord) -> Result<()> {
    let own = field.get("securityContext");
    if let Some(own) = &own {
        own.only(OF_CONTAINER, FOREIGN)?;
    }
    if let Some(pod) = &scope.security {
        pod.only(OF_POD, FOREIGN)?;
        for group in pod.get_list("supplementalGroups")? {
            record.group_add.push(group.number::<u32>(0)?.to_string());
        }
        if let Some(group) = pod.get("fsGroup") {
            record.group_add.push(group.number::<u32>(0)?.to_string());
        }
    }
    let either = |name: &str| {
        own.as_ref().and_then(|own| own.get(name)).or_else(|| scope.security.as_ref()?.get(name))
    };
    let number = |name: &str| either(name).map(|field| field.number::<u32>(0)).transpose();
    let (user, group) = (number("runAsUser")?, number("runAsGroup")?);
    record.user = match (user, group) {
        (None, None) => String::new(),
        (Some(user), None) => user.to_string(),
        (user, Some(group)) => format!("{}:{group}", user.unwrap_or(0)),
    };
    if let Some(field) = either("runAsNonRoot")
        && field.boolean()?
        && user == Some(0)
    {
        return Err(field.error("the user is 0 all the same"));
    }
    let mut security = SecurityRecord::default();
    if let Some(profile) = either("seccompProfile") {
        let kind = profile.need("type")?;
        security.seccomp = match kind.text()? {
            "Unconfined" => SeccompChoice::Unconfined,
            "RuntimeDefault" => SeccompChoice::Default,
            other => return Err(kind.error(format!("profiles of type {other} are not supported"))),
        };
    }
    let Some(own) = own else {
        record.security = security;
        return Ok(());
    };
    security.privileged = own.get_switch("privileged")?;
    if let Some(escalation) = own.get("allowPrivilegeEscalation") {
        security.no_new_privileges = !escalation.boolean()?;
    }
    if let Some(mount) = own.get("procMount") {
        security.unmask_system_paths = mount.text()? == "Unmasked";
    }
    if let Some(capabilities) = own.get("capabilities") {
        capabilities.only(&["add", "drop"], &[])?;
        let named = |name: String| match name.to_ascii_uppercase() {
            upper if upper == "ALL" || upper.starts_with("CAP_") => upper,
            upper => format!("CAP_{upper}"),
        };
        security.cap_add = capabilities.get_texts("add")?.into_iter().map(named).collect();
        security.cap_drop = capabilities.get_texts("drop")?.into_iter().map(named).collect();
    }
    record.readonly_rootfs = own.get_switch("readOnlyRootFilesystem")?;
    record.security = security;
    Ok(())
}
