//! One pod: what it shares, its volumes, its containers, in the neck's own words.

mod container;
mod env;
mod probe;
mod volumes;

pub use container::{ContainerPlan, Pull};
pub use volumes::{FileSet, HostPath, MountPlan, Source, Volume};

use crate::field::{Field, Result};
use crate::manifest::{Manifest, PodTemplate};
use std::collections::BTreeMap;
use std::net::IpAddr;
use teu_containers::record::{NamespaceMode, NetworkChoice, PodRecord, PortRecord, RestartPolicy};

/// Label that says which object a pod was played from.
pub const PLAYED: &str = "io.teu.kube";

/// What is asked of the neck.
#[derive(Debug, Clone)]
pub struct PodPlan {
    /// The pod.
    pub record: PodRecord,
    /// Run one after another to their ends, before the others.
    pub init: Vec<ContainerPlan>,
    /// Started in this order.
    pub containers: Vec<ContainerPlan>,
    /// What they mount.
    pub volumes: BTreeMap<String, Volume>,
    /// What was asked for and cannot be had.
    pub warnings: Vec<String>,
}

/// What is chosen beside the file.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Networks instead of the default for played pods.
    pub network: Option<NetworkChoice>,
    /// Ports published beside those of the file.
    pub ports: Vec<PortRecord>,
    /// Name of this machine, for `spec.nodeName`.
    pub node_name: String,
}

/// What means nothing on one machine, and is no mistake.
const PASSED_OVER: &[&str] = &[
    "affinity",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
];

const KNOWN: &[&str] = &[
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "initContainers",
    "restartPolicy",
    "securityContext",
    "shareProcessNamespace",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "volumes",
];

/// What containers need to know of their pod.
struct Scope<'a> {
    name: &'a str,
    template: &'a PodTemplate,
    manifest: &'a Manifest,
    choices: &'a Choices,
    security: Option<Field<'a>>,
    restart: RestartPolicy,
    grace_s: Option<i64>,
    host_pid: bool,
    volumes: BTreeMap<String, Volume>,
}

impl PodPlan {
    /// From a template and the objects beside it.
    pub fn new(template: &PodTemplate, manifest: &Manifest, choices: &Choices) -> Result<Self> {
        let mut at = Field::document(&template.node);
        for part in &template.prefix {
            at = at.need(part)?;
        }
        let spec = at.need("spec")?;
        spec.only(KNOWN, PASSED_OVER)?;
        let mut scope = Scope {
            name: &template.name,
            template,
            manifest,
            choices,
            security: spec.get("securityContext"),
            restart: restart(&spec, template.restart)?,
            grace_s: spec.get("terminationGracePeriodSeconds").map(|f| f.number(0)).transpose()?,
            host_pid: spec.get_switch("hostPID")?,
            volumes: BTreeMap::new(),
        };
        scope.volumes = volumes::all(&spec, manifest)?;
        let mut warnings = Vec::new();
        let mut record = shared(&spec, &scope)?;
        let (mut init, mut containers) = (Vec::new(), Vec::new());
        for field in spec.get_list("initContainers")? {
            let mut plan = container::plan(&field, &scope, &mut record, &mut warnings)?;
            // One that is always started again is there for the others all the time.
            let beside = field.get_text("restartPolicy")?.as_deref() == Some("Always");
            if beside {
                containers.push(plan);
            } else {
                // Whoever plays waits for it, and is told when it fails.
                plan.record.restart = RestartPolicy::No;
                init.push(plan);
            }
        }
        let own = spec.need("containers")?;
        if own.list()?.is_empty() {
            return Err(own.error("a pod has at least one container"));
        }
        for field in own.list()? {
            containers.push(container::plan(&field, &scope, &mut record, &mut warnings)?);
        }
        let mut seen = std::collections::BTreeSet::new();
        for plan in init.iter().chain(&containers) {
            if !seen.insert(plan.name.clone()) {
                return Err(own.error(format!("two containers are called {}", plan.name)));
            }
        }
        Ok(Self { record, init, containers, volumes: scope.volumes, warnings })
    }
}

fn restart(spec: &Field<'_>, default: &str) -> Result<RestartPolicy> {
    let field = spec.get("restartPolicy");
    let word = field.as_ref().map_or(Ok(default), Field::text)?;
    match (word, field) {
        ("Always", _) => Ok(RestartPolicy::Always),
        ("OnFailure", _) => Ok(RestartPolicy::OnFailure { max_retries: 0 }),
        ("Never", _) => Ok(RestartPolicy::No),
        (other, Some(field)) => {
            Err(field.error(format!("{other:?} is none of Always, OnFailure, Never")))
        }
        (_, None) => Ok(RestartPolicy::Always),
    }
}

/// What the containers share.
fn shared(spec: &Field<'_>, scope: &Scope<'_>) -> Result<PodRecord> {
    let mut pod = PodRecord {
        name: Some(scope.name.to_owned()),
        hostname: spec.get_text("hostname")?.unwrap_or_else(|| host_name(scope.name)),
        labels: scope.template.labels.iter().cloned().collect(),
        share_pid: spec.get_switch("shareProcessNamespace")?,
        ..PodRecord::default()
    };
    pod.labels.insert(PLAYED.to_owned(), scope.name.to_owned());
    if let Some(choice) = &scope.choices.network {
        pod.network.choice = choice.clone();
    }
    if spec.get_switch("hostNetwork")? {
        pod.network.choice = NetworkChoice::Host;
    }
    if spec.get_switch("hostIPC")? {
        pod.ipc = NamespaceMode::Host;
    }
    pod.network.ports.clone_from(&scope.choices.ports);
    for alias in spec.get_list("hostAliases")? {
        alias.only(&["ip", "hostnames"], &[])?;
        let address = address(&alias.need("ip")?)?;
        for name in alias.get_texts("hostnames")? {
            pod.network.extra_hosts.push(format!("{name}:{address}"));
        }
    }
    names(spec, &mut pod)?;
    if let Some(security) = &scope.security {
        for sysctl in security.get_list("sysctls")? {
            let (name, value) = (sysctl.need("name")?, sysctl.need("value")?);
            pod.sysctls.insert(name.text()?.to_owned(), value.text()?.to_owned());
        }
    }
    Ok(pod)
}

/// A name of a host has 63 bytes at most, and no dots here.
fn host_name(name: &str) -> String {
    let cut: String = name.replace('.', "-").chars().take(63).collect();
    cut.trim_end_matches('-').to_owned()
}

fn names(spec: &Field<'_>, pod: &mut PodRecord) -> Result<()> {
    if let Some(policy) = spec.get("dnsPolicy") {
        match policy.text()? {
            "Default" | "ClusterFirst" | "ClusterFirstWithHostNet" | "None" => {}
            other => return Err(policy.error(format!("{other:?} is no policy"))),
        }
    }
    let Some(config) = spec.get("dnsConfig") else { return Ok(()) };
    config.only(&["nameservers", "searches", "options"], &[])?;
    for server in config.get_list("nameservers")? {
        pod.network.dns.push(address(&server)?);
    }
    pod.network.dns_search = config.get_texts("searches")?;
    for option in config.get_list("options")? {
        let name = option.need("name")?.text()?.to_owned();
        pod.network.dns_options.push(match option.get_text("value")? {
            Some(value) => format!("{name}:{value}"),
            None => name,
        });
    }
    Ok(())
}

fn address(field: &Field<'_>) -> Result<IpAddr> {
    field.text()?.parse().map_err(|_| field.error("is no address"))
}

#[cfg(test)]
mod tests;
