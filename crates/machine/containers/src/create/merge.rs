//! What a person asked for over what the image says, by Docker's rules. Pure.
//!
//! The image's configuration is data from strangers: only the fields named here are looked at, each
//! is checked as if a person had typed it, and none of its labels means anything to us (B2 row 6).

use super::Invalid;
use super::validate;
use crate::record::{ContainerRecord, MountKind};
use std::collections::BTreeMap;
use teu_oci::image::{Config, Healthcheck};

/// What was typed that a record cannot hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// `--entrypoint`; `Some` of nothing, or of one empty word, for none.
    pub entrypoint: Option<Vec<String>>,
}

/// Fills what was not asked for from the image. Answers the destinations of the image's volumes
/// that no mount covers; each gets an anonymous volume.
pub fn merge(
    record: &mut ContainerRecord,
    typed: Typed,
    image: &Config,
) -> Result<Vec<String>, Invalid> {
    merge_command(record, typed, image)?;
    if record.user.is_empty() {
        record.user.clone_from(&image.user);
    }
    if record.working_dir.is_empty() {
        record.working_dir = image_working_dir(&image.working_dir)?;
    }
    record.env = merge_env(&record.env, &image.env)?;
    merge_map(&mut record.labels, &image.labels);
    for port in image.exposed_ports.keys() {
        let port = validate::port(port)?;
        if !record.exposed_ports.contains(&port) {
            record.exposed_ports.push(port);
        }
    }
    record.healthcheck = merge_healthcheck(record.healthcheck.take(), image.healthcheck.as_ref());
    if record.stop_signal.is_empty() {
        record.stop_signal = image.stop_signal.clone().unwrap_or_default();
    }
    record.stop_timeout_s = record.stop_timeout_s.or(image.stop_timeout);
    image_volumes(record, image)
}

/// Entrypoint given: the image's command is forgotten. Neither given: both are the image's.
fn merge_command(
    record: &mut ContainerRecord,
    typed: Typed,
    image: &Config,
) -> Result<(), Invalid> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    match typed.entrypoint {
        Some(entrypoint) => {
            let none = entrypoint.len() == 1 && entrypoint[0].is_empty();
            record.entrypoint = if none { Vec::new() } else { entrypoint };
        }
        None => {
            record.entrypoint = list(&image.entrypoint);
            if record.command.is_empty() {
                record.command = list(&image.cmd);
            }
        }
    }
    if record.entrypoint.len() == 1 && record.entrypoint[0].is_empty() {
        record.entrypoint.clear();
    }
    match record.entrypoint.is_empty() && record.command.is_empty() {
        true => Err(Invalid::NoCommand),
        false => Ok(()),
    }
}

/// The person's variables first, then the image's that they do not name. A name alone takes the
/// image's variable away.
fn merge_env(asked: &[String], image: &[String]) -> Result<Vec<String>, Invalid> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    for entry in asked.iter().chain(image) {
        if name(entry).is_empty() || entry.contains('\0') {
            return Err(Invalid::Env(entry.chars().take(80).collect()));
        }
    }
    let mut merged: Vec<String> = Vec::new();
    for entry in asked {
        merged.retain(|other| name(other) != name(entry));
        merged.push(entry.clone());
    }
    for entry in image {
        if !merged.iter().any(|other| name(other) == name(entry)) {
            merged.push(entry.clone());
        }
    }
    merged.retain(|entry| entry.contains('='));
    Ok(merged)
}

fn merge_map(asked: &mut BTreeMap<String, String>, image: &BTreeMap<String, String>) {
    for (key, value) in image {
        asked.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// `NONE` switches it off; fields that were not asked for are the image's.
fn merge_healthcheck(
    asked: Option<Healthcheck>,
    image: Option<&Healthcheck>,
) -> Option<Healthcheck> {
    let merged = match (asked, image) {
        (None, image) => image.cloned(),
        (Some(asked), None) => Some(asked),
        (Some(asked), Some(image)) => {
            let or = |asked: i64, image: i64| if asked == 0 { image } else { asked };
            Some(Healthcheck {
                test: if asked.test.is_empty() { image.test.clone() } else { asked.test },
                interval: or(asked.interval, image.interval),
                timeout: or(asked.timeout, image.timeout),
                start_period: or(asked.start_period, image.start_period),
                start_interval: or(asked.start_interval, image.start_interval),
                retries: or(asked.retries, image.retries),
            })
        }
    };
    merged.filter(|check| check.test.first().is_some_and(|word| word != "NONE"))
}

fn image_working_dir(dir: &str) -> Result<String, Invalid> {
    if dir.is_empty() {
        return Ok("/".to_owned());
    }
    let absolute = if dir.starts_with('/') { dir.to_owned() } else { format!("/{dir}") };
    validate::destination(&absolute)
}

/// The image names directories of its own root; they are never looked up anywhere else
/// (CVE-2022-23648).
fn image_volumes(record: &ContainerRecord, image: &Config) -> Result<Vec<String>, Invalid> {
    let mut wanted = Vec::new();
    for volume in image.volumes.keys() {
        let destination = validate::destination(volume)?;
        if destination == "/" {
            return Err(Invalid::DestinationRoot(volume.clone()));
        }
        let covered = record.mounts.iter().any(|mount| mount.destination == destination);
        if !covered && !wanted.contains(&destination) {
            wanted.push(destination);
        }
    }
    Ok(wanted)
}

/// Mounts of other containers (`--volumes-from`), behind those that were asked for.
pub fn merge_mounts_from(record: &mut ContainerRecord, other: &ContainerRecord, readonly: bool) {
    for mount in &other.mounts {
        let shared = matches!(mount.kind, MountKind::Volume { .. } | MountKind::Bind { .. });
        let covered = record.mounts.iter().any(|own| own.destination == mount.destination);
        if shared && !covered {
            let mut mount = mount.clone();
            mount.readonly |= readonly;
            if let MountKind::Volume { nocopy, .. } = &mut mount.kind {
                *nocopy = true;
            }
            record.mounts.push(mount);
        }
    }
}

#[cfg(test)]
mod tests;
