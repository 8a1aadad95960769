//! Who runs what, and with which rights.

use super::{Error, Facts};
use crate::record::ContainerRecord;
use teu_oci::runtime::Process;
use teu_runtime::defaults::{self, capabilities as names};

/// Where the init is in a container that wants one; the name is Docker's.
pub(super) const INIT: &str = "/sbin/docker-init";

/// The capabilities a container may have.
pub fn capabilities(container: &ContainerRecord) -> Result<Vec<String>, Error> {
    let security = &container.security;
    if security.privileged {
        return Ok(names::all());
    }
    Ok(names::merge(&names::defaults(), &security.cap_add, &security.cap_drop)?)
}

/// The container's own process.
pub fn process(
    container: &ContainerRecord,
    facts: &Facts,
    capabilities: &[String],
) -> Result<Process, Error> {
    let own: Vec<&String> = container.entrypoint.iter().chain(&container.command).collect();
    if own.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::NoCommand);
    }
    let init: &[&str] = if container.init { &[INIT, "--"] } else { &[] };
    let args = init.iter().map(ToString::to_string).chain(own.into_iter().cloned());
    let cwd = if container.working_dir.is_empty() { "/" } else { &container.working_dir };
    Ok(Process {
        terminal: container.tty,
        user: facts.user.clone(),
        args: args.collect(),
        env: environment(container, facts),
        cwd: cwd.to_owned(),
        capabilities: Some(defaults::capability_sets(capabilities, facts.user.uid)),
        rlimits: container.rlimits.clone(),
        no_new_privileges: container.security.no_new_privileges,
        oom_score_adj: Some(container.oom_score_adj.unwrap_or(0)),
        ..Process::default()
    })
}

/// Defaults, then the container's own, which win; the last word on a name stands in its first place.
fn environment(container: &ContainerRecord, facts: &Facts) -> Vec<String> {
    let mut all = vec![format!("PATH={}", defaults::PATH), format!("HOSTNAME={}", facts.hostname)];
    if container.tty {
        all.push("TERM=xterm".to_owned());
    }
    for variable in &container.env {
        set(&mut all, variable);
    }
    if !all.iter().any(|variable| variable.starts_with("HOME=")) {
        let home = if facts.user_home.is_empty() { "/" } else { &facts.user_home };
        all.push(format!("HOME={home}"));
    }
    all
}

/// Sets `NAME=value`; a `NAME` alone takes the variable away, as Docker does.
pub(super) fn set(all: &mut Vec<String>, variable: &str) {
    let name = variable.split('=').next().unwrap_or_default();
    let place = all.iter().position(|other| other.split('=').next() == Some(name));
    match (variable.contains('='), place) {
        (true, Some(at)) => variable.clone_into(&mut all[at]),
        (true, None) => all.push(variable.to_owned()),
        (false, Some(at)) => drop(all.remove(at)),
        (false, None) => {}
    }
}

/// A further process in the container: its own environment and rights, another program.
pub fn further(
    container: &ContainerRecord,
    facts: &Facts,
    asked: &Process,
    privileged: bool,
) -> Result<Process, Error> {
    let capabilities = if privileged { names::all() } else { capabilities(container)? };
    let as_container = ContainerRecord {
        entrypoint: Vec::new(),
        command: asked.args.clone(),
        init: false,
        tty: asked.terminal,
        ..container.clone()
    };
    let mut process = process(&as_container, facts, &capabilities)?;
    for variable in &asked.env {
        set(&mut process.env, variable);
    }
    if !asked.cwd.is_empty() {
        process.cwd.clone_from(&asked.cwd);
    }
    process.console_size = asked.console_size;
    process.no_new_privileges &= !privileged;
    Ok(process)
}
