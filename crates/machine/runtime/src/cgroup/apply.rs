//! Carrying out a plan: writes, their errors in the words of the field that asked, and late joins.

use super::directory::Delegation;
use super::plan::{Phase, Place, Plan, Setting};
use super::{Cgroup, Error, Warning, devices, directory, files};
use rustix::io::Errno;
use std::io;
use teu_oci::runtime::linux::Resources;

/// How often processes that were forked meanwhile are moved after their parents.
const MOVE_ROUNDS: usize = 100;

/// Writes all settings. What the kernel calls invalid is tried once more after the others, because
/// pairs (period and quota, memory and swap) are checked against each other at every write.
pub fn write(group: &Cgroup, settings: &[Setting]) -> Result<Vec<Warning>, Error> {
    let mut warnings = Vec::new();
    let mut again = Vec::new();
    for setting in settings {
        match write_one(group, setting, &mut warnings) {
            Err(Error::Set { source, .. }) if is(&source, Errno::INVAL) => again.push(setting),
            other => other?,
        }
    }
    for setting in again {
        write_one(group, setting, &mut warnings)?;
    }
    Ok(warnings)
}

fn write_one(group: &Cgroup, setting: &Setting, warnings: &mut Vec<Warning>) -> Result<(), Error> {
    let directory = group.directory(setting.place);
    for (file, value) in &setting.candidates {
        let path = directory.join(&**file);
        match files::write(&path, value) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if is(&error, Errno::BUSY) && setting.field == "memory.limit" => {
                let usage = files::number(&directory.join("memory.usage_in_bytes"))?;
                return Err(Error::BelowUsage {
                    limit_bytes: value.parse().unwrap_or_default(),
                    usage_bytes: usage.unwrap_or_default(),
                });
            }
            Err(source) => {
                let field = setting.field;
                return Err(Error::Set { field, path, value: value.clone(), source });
            }
        }
    }
    let (controller, field) = (setting.controller, setting.field);
    let file = setting.candidates.first().map(|(file, _)| file.to_string()).unwrap_or_default();
    if setting.optional {
        warnings.push(Warning(format!(
            "{field} is ignored: this kernel's {controller} controller has no {file}"
        )));
        return Ok(());
    }
    Err(Error::NoFile { controller, field, file })
}

/// Changes limits of a group in use.
pub fn update(group: &Cgroup, resources: &Resources) -> Result<Vec<Warning>, Error> {
    let memory_limit_bytes = match (&resources.memory, group.v1("memory")) {
        (Some(_), Some(directory)) => files::number(&directory.join("memory.limit_in_bytes"))?,
        _ => None,
    };
    let plan = Plan::new(group.layout, resources, Phase::Update { memory_limit_bytes })?;
    refuse_below_usage(group, resources)?;
    let mut group = group.clone();
    for index in &plan.hierarchies {
        let place = Place::V1(*index);
        if !group.places.contains(&place) {
            join_late(&mut group, place)?;
        }
    }
    if group.unified().is_some() {
        group.delegate(&plan, Delegation::Missing)?;
    }
    if !resources.devices.is_empty() {
        if let Some(index) = group.layout.hierarchy("devices") {
            let place = Place::V1(index);
            if !group.places.contains(&place) {
                join_late(&mut group, place)?;
            }
        }
        devices::apply(&group, &resources.devices)?;
    }
    let mut warnings = plan.warnings;
    warnings.extend(write(&group, &plan.settings)?);
    Ok(warnings)
}

/// v2 takes any limit and then kills; v1 refuses by itself what it cannot reclaim.
fn refuse_below_usage(group: &Cgroup, resources: &Resources) -> Result<(), Error> {
    let Some(memory) = &resources.memory else { return Ok(()) };
    let Some(limit_bytes) = memory.limit.filter(|limit| *limit > 0) else { return Ok(()) };
    let Ok(limit) = u64::try_from(limit_bytes) else { return Ok(()) };
    let (directory, file) = match (group.v1("memory"), group.unified()) {
        (Some(directory), _) => (directory, "memory.usage_in_bytes"),
        (None, Some(directory)) => (directory, "memory.current"),
        (None, None) => return Ok(()),
    };
    let Some(usage_bytes) = files::number(&directory.join(file))? else { return Ok(()) };
    if usage_bytes <= limit {
        return Ok(());
    }
    let text = files::read_if_exists(&directory.join("memory.stat"))?.unwrap_or_default();
    // Pages of files can be written back and dropped; what is left must fit.
    let cache = files::keyed(&text, "total_cache").or_else(|| files::keyed(&text, "file"));
    let firm = usage_bytes.saturating_sub(cache.unwrap_or_default());
    if memory.check_before_update || firm > limit {
        return Err(Error::BelowUsage { limit_bytes, usage_bytes });
    }
    Ok(())
}

/// Makes the group in one more v1 hierarchy and moves everybody there.
fn join_late(group: &mut Cgroup, place: Place) -> Result<(), Error> {
    let mut made = Vec::new();
    directory::make(group.mount(place), &group.path, &mut made)?;
    if matches!(place, Place::V1(index) if group.layout.hierarchy("cpuset") == Some(index)) {
        for directory in &made {
            directory::fill_cpuset(directory)?;
        }
    }
    let directory = group.directory(place);
    let procs = directory.join("cgroup.procs");
    for _ in 0..MOVE_ROUNDS {
        let inside = files::pids(&directory)?;
        let mut moved = false;
        for pid in group.pids()?.into_iter().filter(|pid| !inside.contains(pid)) {
            match files::write(&procs, &pid.to_string()) {
                Ok(()) => moved = true,
                Err(error) if is(&error, Errno::SRCH) => {}
                Err(source) => return Err(Error::Join { pid, path: directory, source }),
            }
        }
        if !moved {
            break;
        }
    }
    group.places.push(place);
    Ok(())
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
