//! A service becomes a request to make one of its containers.
//!
//! Everything a file may say is either carried over or refused here by name: nothing that a person
//! asked for is left out in silence.

use crate::labels;
use crate::model::{OpenPairs, Service};
use crate::normal::words::duration_ns;
use crate::plan::Making;
use crate::project::Project;
use std::collections::BTreeMap;
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::options::{OptionError, lists, signals};
use teu_containers::record::{ContainerRecord, LogRecord, NamespaceMode, PodRecord, RestartPolicy};
use teu_oci::image::Healthcheck;

mod files;
mod mounts;
mod network;
mod resources;
mod security;

pub use files::{ContentFile, content_files};

/// Why a service cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A value.
    #[error("service {service:?}: {field}: {source}")]
    Option {
        /// Whose.
        service: String,
        /// Of which field.
        field: &'static str,
        /// Why.
        #[source]
        source: OptionError,
    },
    /// Another value.
    #[error("service {service:?}: {field}: {reason}")]
    Value {
        /// Whose.
        service: String,
        /// Of which field.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// Something that is not done here.
    #[error("service {service:?}: {field} is not supported: {why}")]
    Unsupported {
        /// Whose.
        service: String,
        /// Which field.
        field: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A variable that a secret or config is taken from.
    #[error("environment variable {variable:?} required by {kind} {name:?} is not set")]
    Variable {
        /// Which.
        variable: String,
        /// `secret` or `config`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// A secret or config that only a swarm has.
    #[error(
        "unsupported external {kind} {name}: there is no store of them on one machine, use file, environment or content"
    )]
    External {
        /// `secret` or `config`.
        kind: &'static str,
        /// Which.
        name: String,
    },
}

/// What the request is made with.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The project.
    pub project: &'a Project,
    /// Ids of containers whose namespaces are joined, by service.
    pub namespaces: &'a BTreeMap<String, String>,
    /// Names of containers of services, for `links` and `volumes_from`.
    pub containers: &'a dyn Names,
}

/// Knows containers of services.
pub trait Names: std::fmt::Debug {
    /// Names of a service's containers.
    fn of(&self, service: &str) -> Vec<String>;
}

/// Errors of one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a>(pub &'a str);

impl Whose<'_> {
    pub(crate) fn value(self, field: &'static str, reason: impl ToString) -> RequestError {
        RequestError::Value { service: self.0.to_owned(), field, reason: reason.to_string() }
    }

    pub(crate) fn option(self, field: &'static str) -> impl Fn(OptionError) -> RequestError {
        let service = self.0.to_owned();
        move |source| RequestError::Option { service: service.clone(), field, source }
    }

    pub(crate) fn unsupported(self, field: &'static str, why: &'static str) -> RequestError {
        RequestError::Unsupported { service: self.0.to_owned(), field, why }
    }
}

/// The request for one container of a service.
pub fn request(
    making: &Making,
    service: &Service,
    around: Around<'_>,
) -> Result<CreateRequest, RequestError> {
    let whose = Whose(&making.service);
    refuse(service, whose)?;
    let mut pod = PodRecord::default();
    network::network(&making.service, service, around, &mut pod)?;
    let mut container = process(service, whose)?;
    container.labels = labels::of_service(around.project, &making.service, service);
    container.labels.insert(labels::NUMBER.to_owned(), making.number.to_string());
    container.labels.insert(labels::ONEOFF.to_owned(), "False".to_owned());
    if let Some((_, old)) = &making.replaces {
        container.labels.insert(labels::REPLACE.to_owned(), old.clone());
    }
    container.healthcheck = healthcheck(service, whose)?;
    container.security = security::security(service, whose)?;
    resources::resources(service, whose, &mut container)?;
    container.pid_mode = network::mode("pid", service.pid.as_deref(), around, whose)?;
    if service.cgroup.as_deref() == Some("host") {
        container.cgroupns = NamespaceMode::Host;
    }
    network::expose(service, &pod, &mut container, whose)?;
    if let Some(size) = &service.shm_size {
        pod.shm_size_bytes = size.parse().unwrap_or(0);
    }
    pod.sysctls = service.sysctls.clone();
    pod.cgroup_parent = service.cgroup_parent.clone();
    let mut request = CreateRequest {
        name: Some(making.name.clone()),
        image: service.image_name(around.project.name(), &making.service),
        entrypoint: service.entrypoint.clone(),
        container,
        pod: PodChoice::Own(Box::new(pod)),
        ..CreateRequest::default()
    };
    mounts::mounts(service, around, whose, &mut request)?;
    Ok(request)
}

/// What the specification has and this machine does not.
fn refuse(service: &Service, whose: Whose<'_>) -> Result<(), RequestError> {
    let named = |value: &Option<String>, ok: &[&str]| {
        value.as_deref().is_some_and(|value| !ok.contains(&value))
    };
    let devices = &service.deploy.resources.reservations.devices;
    let checks: [(bool, &'static str, &'static str); 9] = [
        (service.gpus.is_some() || !devices.is_empty(), "gpus", "give device nodes with devices"),
        (service.provider.is_some(), "provider", "there are no provider plugins"),
        (named(&service.isolation, &["default"]), "isolation", "it is for Windows"),
        (named(&service.runtime, &["teu", "runc"]), "runtime", "Teu runs containers itself"),
        (named(&service.volume_driver, &["local"]), "volume_driver", "only local volumes exist"),
        (!service.storage_opt.is_empty(), "storage_opt", "layers are plain directories"),
        (service.use_api_socket == Some(true), "use_api_socket", "there is no daemon to talk to"),
        (
            service.deploy.mode.as_deref().is_some_and(|mode| mode.starts_with("global")),
            "deploy.mode",
            "global services need a cluster",
        ),
        (
            !service.external_links.is_empty(),
            "external_links",
            "join a common external network instead",
        ),
    ];
    match checks.iter().find(|(is, ..)| *is) {
        Some((_, field, why)) => Err(whose.unsupported(field, why)),
        None => Ok(()),
    }
}

/// `NAME=value`; a bare name takes the variable away from the image's.
pub(crate) fn variables(pairs: &OpenPairs) -> Vec<String> {
    let pair = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    pairs.iter().map(pair).collect()
}

fn process(service: &Service, whose: Whose<'_>) -> Result<ContainerRecord, RequestError> {
    let stop_timeout_s = match &service.stop_grace_period {
        None => None,
        Some(text) => {
            let ns = duration_ns(text).map_err(|why| whose.value("stop_grace_period", why))?;
            Some((ns.max(0) + 999_999_999) / 1_000_000_000)
        }
    };
    if let Some(signal) = &service.stop_signal {
        signals::parse(signal).map_err(|error| whose.value("stop_signal", error))?;
    }
    Ok(ContainerRecord {
        command: service.command.clone().unwrap_or_default(),
        env: variables(&service.environment),
        user: service.user.clone().unwrap_or_default(),
        group_add: service.group_add.clone(),
        working_dir: service.working_dir.clone().unwrap_or_default(),
        annotations: service.annotations.clone(),
        tty: service.tty,
        stdin_open: service.stdin_open,
        init: service.init.unwrap_or(false),
        readonly_rootfs: service.read_only,
        restart: restart(service, whose)?,
        stop_signal: service.stop_signal.clone().unwrap_or_default(),
        stop_timeout_s,
        log: log(service, whose)?,
        ..ContainerRecord::default()
    })
}

/// `deploy.restart_policy` wins over `restart`.
fn restart(service: &Service, whose: Whose<'_>) -> Result<RestartPolicy, RequestError> {
    if let Some(policy) = &service.deploy.restart_policy {
        return Ok(match policy.condition.as_deref().unwrap_or("any") {
            "none" => RestartPolicy::No,
            "on-failure" => {
                RestartPolicy::OnFailure { max_retries: policy.max_attempts.unwrap_or(0) }
            }
            "any" => RestartPolicy::UnlessStopped,
            other => {
                let reason = format!("{other:?} is none of none, on-failure and any");
                return Err(whose.value("deploy.restart_policy.condition", reason));
            }
        });
    }
    match &service.restart {
        None => Ok(RestartPolicy::No),
        Some(text) => lists::restart(text).map_err(whose.option("restart")),
    }
}

fn log(service: &Service, whose: Whose<'_>) -> Result<LogRecord, RequestError> {
    let Some(logging) = &service.logging else { return Ok(LogRecord::default()) };
    let options: Vec<String> =
        logging.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    lists::log(logging.driver.as_deref(), &options).map_err(whose.option("logging"))
}

fn healthcheck(service: &Service, whose: Whose<'_>) -> Result<Option<Healthcheck>, RequestError> {
    let Some(check) = &service.healthcheck else { return Ok(None) };
    if check.is_off() {
        let test = vec!["NONE".to_owned()];
        return Ok(Some(Healthcheck { test, ..Healthcheck::default() }));
    }
    let time = |text: &Option<String>| match text {
        None => Ok(0),
        Some(text) => match duration_ns(text) {
            Ok(ns) if ns == 0 || ns >= 1_000_000 => Ok(ns),
            Ok(_) => Err(whose.value("healthcheck", "times cannot be less than 1ms")),
            Err(why) => Err(whose.value("healthcheck", why)),
        },
    };
    Ok(Some(Healthcheck {
        test: check.test.clone(),
        interval: time(&check.interval)?,
        timeout: time(&check.timeout)?,
        start_period: time(&check.start_period)?,
        start_interval: time(&check.start_interval)?,
        retries: check.retries.unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests;
