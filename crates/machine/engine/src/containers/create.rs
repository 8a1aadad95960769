//! `POST /containers/create`: Docker's words become the request that the command line also makes.
//!
//! Texts that `docker run` takes as flags (binds, limits of processes, log options) are read by the
//! same functions as `teu run`'s ([`teu_containers::options`]). What Teu cannot do is refused, never
//! left out in silence.

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::options::{boolean, ports};
use teu_containers::record::{
    ContainerRecord, NamespaceMode, PodRecord, SeccompChoice, SecurityRecord,
};
use teu_containers::{Containers, signal};
use teu_docker::create::{CreateBody, Created, HostConfig, Words};

pub mod limits;
mod mounts;
mod network;

/// Creates.
pub fn create(engine: &Engine, call: &Call) -> Result<Answer> {
    let body: CreateBody = call.body()?;
    let containers = engine.containers();
    if body.image.is_empty() {
        return Err(Error::bad("no command specified: the request names no image"));
    }
    platform(engine, call, &body.image)?;
    let name = call.query.nonempty("name").map(|name| name.trim_start_matches('/').to_owned());
    let mut request = request(containers, body).map_err(|error| match error.status() {
        404 => Error::bad(error.message()),
        _ => error,
    })?;
    request.name = name;
    let image = request.image.clone();
    let created = containers.create(request).map_err(|error| match Error::from(error) {
        // Clients pull when they read this.
        error if error.status() == 404 && error.message().starts_with("No such image") => {
            Error::missing(format!("No such image: {}", crate::error::with_tag(&image)))
        }
        // Clients take any other "not found" to be about the image, too.
        error if error.status() == 404 => Error::bad(error.message()),
        error => error,
    })?;
    Answer::json(201, &Created { id: created.id, warnings: created.warnings })
}

fn platform(engine: &Engine, call: &Call, image: &str) -> Result<()> {
    let Some(text) = call.query.nonempty("platform") else { return Ok(()) };
    let wanted = text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?;
    engine.containers().images().resolve_platform(image, Some(&wanted))?;
    Ok(())
}

fn words(words: Option<Words>) -> Option<Vec<String>> {
    words.map(Vec::from)
}

/// The whole request; pure but for names of other containers and devices that are looked up.
fn request(containers: &Containers, body: CreateBody) -> Result<CreateRequest> {
    let host = &body.host_config;
    refuse_unsupported(host)?;
    let mut pod = PodRecord {
        hostname: body.hostname.clone(),
        domainname: body.domainname.clone(),
        ..PodRecord::default()
    };
    network::network(containers, &body, &mut pod)?;
    namespaces(containers, host, &mut pod)?;
    let mut container = process(&body)?;
    container.security = security(host)?;
    container.resources = limits::resources(&host.limits)?;
    container.devices = limits::devices(&host.limits, &mut container.resources)?;
    container.rlimits = limits::ulimits(&host.limits)?;
    container.pid_mode = namespace(containers, "pid", &host.pid_mode, &[])?;
    container.cgroupns = match host.cgroupns_mode.as_str() {
        "" | "private" => NamespaceMode::Private,
        "host" => NamespaceMode::Host,
        other => return Err(Error::bad(format!("invalid cgroup namespace mode: {other}"))),
    };
    for port in body.exposed_ports.keys() {
        container.exposed_ports.extend(ports::expose(port)?);
    }
    for port in &pod.network.ports {
        let exposed = format!("{}/{}", port.container_port, port.protocol);
        if !container.exposed_ports.contains(&exposed) {
            container.exposed_ports.push(exposed);
        }
    }
    let mut request = CreateRequest {
        image: body.image.clone(),
        entrypoint: words(body.entrypoint.clone()).filter(|words| !words.is_empty()),
        volumes_from: host.volumes_from.clone(),
        container,
        ..CreateRequest::default()
    };
    mounts::mounts(&body, &mut request)?;
    request.pod = PodChoice::Own(Box::new(pod));
    Ok(request)
}

fn refuse_unsupported(host: &HostConfig) -> Result<()> {
    let refuse = |what: &str, why: &str| Err(Error::bad(format!("{what} is not supported: {why}")));
    if !host.storage_opt.is_empty() {
        return refuse("StorageOpt", "layers are plain overlay directories without quotas");
    }
    if !host.limits.device_requests.is_empty() {
        return Err(Error::status_of(
            500,
            "could not select device driver \"\" with capabilities: [[gpu]]",
        ));
    }
    if !matches!(host.isolation.as_str(), "" | "default") {
        return refuse("Isolation", "it is for Windows");
    }
    if !matches!(host.runtime.as_str(), "" | "teu" | "runc" | "io.containerd.runc.v2") {
        return Err(Error::bad(format!("unknown or invalid runtime name: {}", host.runtime)));
    }
    if !matches!(host.volume_driver.as_str(), "" | "local") {
        let driver = &host.volume_driver;
        return Err(Error::missing(format!(
            "error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )));
    }
    if !host.cgroup.is_empty() {
        return refuse("Cgroup", "name a parent with CgroupParent");
    }
    Ok(())
}

fn process(body: &CreateBody) -> Result<ContainerRecord> {
    let host = &body.host_config;
    if !body.stop_signal.is_empty() && signal::parse(&body.stop_signal).is_none() {
        return Err(Error::bad(format!("Invalid signal: {}", body.stop_signal)));
    }
    let options: Vec<String> =
        host.log_config.config.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let driver = Some(host.log_config.kind.as_str()).filter(|driver| !driver.is_empty());
    let log = teu_containers::options::lists::log(driver, &options)?;
    let adjustment = i32::try_from(host.oom_score_adj)
        .map_err(|_| Error::bad("Invalid value, range for oom score adj is [-1000, 1000]"))?;
    Ok(ContainerRecord {
        command: words(body.cmd.clone()).unwrap_or_default(),
        env: body.env.clone(),
        user: body.user.clone(),
        group_add: host.group_add.clone(),
        working_dir: body.working_dir.clone(),
        labels: body.labels.clone(),
        annotations: host.annotations.clone(),
        tty: body.tty,
        stdin_open: body.open_stdin,
        stdin_once: body.stdin_once,
        oom_score_adj: Some(adjustment).filter(|adjustment| *adjustment != 0),
        init: host.init.unwrap_or(false),
        readonly_rootfs: host.readonly_rootfs,
        healthcheck: body.healthcheck.clone(),
        restart: limits::restart(&host.restart_policy)?,
        stop_signal: body.stop_signal.clone(),
        stop_timeout_s: body.stop_timeout,
        auto_remove: host.auto_remove,
        log,
        ..ContainerRecord::default()
    })
}

fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    match upper.as_str() {
        "ALL" => upper,
        name if name.starts_with("CAP_") => upper,
        name => format!("CAP_{name}"),
    }
}

fn security(host: &HostConfig) -> Result<SecurityRecord> {
    let mut security = SecurityRecord {
        privileged: host.privileged,
        cap_add: host.cap_add.iter().map(|name| capability(name)).collect(),
        cap_drop: host.cap_drop.iter().map(|name| capability(name)).collect(),
        ..SecurityRecord::default()
    };
    for text in &host.security_opt {
        security_option(text, &mut security)?;
    }
    // The command line says `systempaths=unconfined` by two empty lists.
    let unmasked = |paths: &Option<Vec<String>>| paths.as_ref().is_some_and(Vec::is_empty);
    match (&host.masked_paths, &host.readonly_paths) {
        (masked, readonly) if unmasked(masked) && unmasked(readonly) => {
            security.unmask_system_paths = true;
        }
        (None, None) => {}
        _ => {
            return Err(Error::bad(
                "MaskedPaths and ReadonlyPaths are either Docker's, or both empty: no other choice is kept",
            ));
        }
    }
    Ok(security)
}

fn security_option(text: &str, security: &mut SecurityRecord) -> Result<()> {
    let invalid = || Error::bad(format!("invalid --security-opt 2: {text:?}"));
    let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    match (key, value) {
        ("no-new-privileges", None) => security.no_new_privileges = true,
        ("no-new-privileges", Some(value)) => {
            security.no_new_privileges = boolean(value).ok_or_else(invalid)?;
        }
        ("systempaths", Some("unconfined")) => security.unmask_system_paths = true,
        ("seccomp", Some("unconfined")) => security.seccomp = SeccompChoice::Unconfined,
        ("seccomp", Some("builtin" | "default")) => security.seccomp = SeccompChoice::Default,
        // The client has read the file.
        ("seccomp", Some(profile)) => {
            serde_json::from_str::<serde_json::Value>(profile)
                .map_err(|error| Error::bad(format!("decoding seccomp profile failed: {error}")))?;
            security.seccomp = SeccompChoice::Profile(profile.to_owned());
        }
        ("apparmor", Some("unconfined")) | ("label", Some(_)) => {}
        ("apparmor", Some(profile)) => {
            return Err(Error::bad(format!(
                "apparmor={profile}: AppArmor profiles are not applied by this version, and a container is not started without what was asked for"
            )));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

fn namespaces(containers: &Containers, host: &HostConfig, pod: &mut PodRecord) -> Result<()> {
    pod.ipc = namespace(containers, "ipc", &host.ipc_mode, &["shareable", "none"])?;
    pod.uts = namespace(containers, "uts", &host.uts_mode, &[])?;
    pod.sysctls.clone_from(&host.sysctls);
    pod.shm_size_bytes =
        u64::try_from(host.shm_size).map_err(|_| Error::bad("SHM size can not be less than 0"))?;
    let parent = &host.limits.cgroup_parent;
    pod.cgroup_parent = Some(parent.clone()).filter(|parent| !parent.is_empty());
    match host.userns_mode.as_str() {
        "" | "host" => Ok(()),
        other => Err(Error::bad(format!("invalid user namespace mode: {other}"))),
    }
}

/// `host`, `private`, `container:NAME`, and words that mean private here.
fn namespace(
    containers: &Containers,
    kind: &str,
    value: &str,
    also_private: &[&str],
) -> Result<NamespaceMode> {
    Ok(match value {
        "" | "private" => NamespaceMode::Private,
        "host" => NamespaceMode::Host,
        word if also_private.contains(&word) => NamespaceMode::Private,
        other => match other.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => NamespaceMode::Container(containers.find(name)?.record.id),
            None => {
                let upper = kind.to_ascii_uppercase();
                return Err(Error::bad(format!("invalid {upper} mode: {other}")));
            }
        },
    })
}
