//! A container gives way to one of the newer image, and comes back when that does not become ready.
//!
//! The old one is renamed, the new one made (whatever is wrong with the request is found while the old
//! one still runs), then one stops and the other starts: both may want the same port. A command that
//! is killed in between leaves the old one under its other name, and [`repair`] finishes the work.

use super::plan::{Candidate, LABEL};
use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use std::time::Duration;
use teu_compose::execute::{StepError, Watcher};
use teu_compose::plan::{Target, Until};
use teu_containers::create::again;
use teu_containers::lifecycle::{Attach, Remove, Stop};
use teu_containers::list::ListOptions;
use teu_containers::state::Status;
use teu_containers::{Containers, Error};

/// Behind the name of a container that is being replaced.
const BEFORE: &str = ".before-update";

/// How long one without a probe is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// One that has still not come to rest by then is looked at so often again.
const SETTLE_AGAIN: u32 = 9;

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Whether the old one comes back.
    pub rollback: bool,
    /// How long the new one may take.
    pub limit: Duration,
}

/// Replaces one. Answers podman's word for what came of it.
pub fn renew(ctx: &Context, candidate: &Candidate, way: &Way) -> Result<&'static str> {
    let old = ctx.images()?.resolve(&candidate.image_id.to_string())?;
    let new = ctx.images()?.resolve(&candidate.image.to_string())?;
    let done = match &candidate.unit {
        Some(unit) => restart(ctx, unit),
        None => replace(ctx, candidate, &old.config.config, way),
    };
    let Err(failure) = done else { return Ok("true") };
    if !way.rollback {
        return Err(failure);
    }
    complain(&format!("{}: {failure}; the image it had is put back", candidate.name));
    ctx.images()?.tag(&old, &candidate.image)?;
    if let Some(unit) = &candidate.unit
        && let Err(failure) = restart(ctx, unit)
    {
        // The newer image is no worse than one that does not start either.
        ctx.images()?.tag(&new, &candidate.image)?;
        return Err(failure);
    }
    Ok("rolled back")
}

/// systemd makes it again, and says when it is up.
fn restart(ctx: &Context, unit: &str) -> Result<()> {
    let mut command = std::process::Command::new("systemctl");
    if ctx.home().data != std::path::Path::new("/var/lib/teu")
        && !rustix::process::getuid().is_root()
    {
        command.arg("--user");
    }
    let output = command.args(["restart", "--", unit]).output().map_err(|error| {
        Failure::new(format!("cannot run systemctl: {error}"))
            .hint(format!("the container is labelled as made by the unit {unit}"))
    })?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::new(format!("the unit {unit} did not start again: {said}")))
        }
    }
}

fn replace(
    ctx: &Context,
    candidate: &Candidate,
    old: &teu_oci::image::Config,
    way: &Way,
) -> Result<()> {
    let containers = ctx.containers()?;
    let found = containers.find(&candidate.id)?;
    let request = again(&found.record, &found.pod, old, &candidate.image.to_string());
    let aside = format!("{}{BEFORE}", candidate.name);
    containers.rename(&candidate.id, &aside)?;
    let made = match containers.create(request) {
        Ok(made) => made.id,
        Err(error) => {
            containers.rename(&candidate.id, &candidate.name)?;
            return Err(error.into());
        }
    };
    let swapped = swap(containers, &candidate.id, (&made, &candidate.name), way.limit);
    match swapped {
        Ok(()) => remove(containers, &candidate.id),
        // It stays as it is, to be looked at; so does the old one, stopped.
        Err(failure) if !way.rollback => Err(failure),
        Err(failure) => {
            put_back(containers, &candidate.id, &made, &candidate.name)?;
            Err(failure)
        }
    }
}

/// The one stops, the other starts and becomes ready.
fn swap(
    containers: &Containers,
    old: &str,
    (new, name): (&str, &str),
    limit: Duration,
) -> Result<()> {
    containers.stop(old, Stop::default())?;
    let target =
        Target { id: Some(new.to_owned()), name: name.to_owned(), service: name.to_owned() };
    let watcher = Watcher::new(Some(limit))?;
    watcher.during(containers, || -> Result<()> {
        containers.start(new, Attach::default())?;
        Ok(watcher.wait(containers, &target, Until::Ready)?)
    })??;
    let state = containers.find(new)?.state;
    match state.health {
        Some(_) => Ok(()),
        None => settle(containers, &target, state.started_ns),
    }
}

/// One without a probe is ready when it has stayed for a while and waits for something. On a busy
/// machine that takes longer than the while: what fails must have had its turn to fail.
fn settle(containers: &Containers, target: &Target, started_ns: i64) -> Result<()> {
    for again in 0..=SETTLE_AGAIN {
        let watcher = Watcher::new(Some(SETTLE))?;
        let ended =
            watcher.during(containers, || watcher.wait(containers, target, Until::Completed))?;
        let state = containers.find(target.handle())?.state;
        let stays = state.status == Status::Running && state.started_ns == started_ns;
        if !stays || !matches!(ended, Err(StepError::Late(_))) {
            let ended = format!("the new {} ended at once ({})", target.name, state.exit_code);
            let hint = "a health check says better when one is ready: --health-cmd";
            return Err(Failure::new(ended).hint(hint));
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", state.pid));
        if again == SETTLE_AGAIN || stat.is_ok_and(|stat| is_at_rest(&stat)) {
            break;
        }
    }
    Ok(())
}

/// Whether a process waits for an event, by its `/proc/<pid>/stat`: it does not run or want to, is
/// not being read from a disk, and has not ended without its parent's notice.
fn is_at_rest(stat: &str) -> bool {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    matches!(behind_name.split_whitespace().next(), Some("S" | "T" | "t" | "I"))
}

fn put_back(containers: &Containers, old: &str, new: &str, name: &str) -> Result<()> {
    remove(containers, new)?;
    containers.rename(old, name)?;
    if !containers.find(old)?.state.needs_shim() {
        containers.start(old, Attach::default())?;
    }
    Ok(())
}

/// Volumes stay: the other one has them too.
fn remove(containers: &Containers, id: &str) -> Result<()> {
    match containers.remove(id, Remove { force: true, volumes: false }) {
        Ok(()) | Err(Error::NoSuchContainer(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What an update that was killed has left: the old one goes where the new one runs, and else comes
/// back.
pub fn repair(ctx: &Context, rollback: bool) -> Result<()> {
    let containers = ctx.containers()?;
    let options = ListOptions {
        all: true,
        filters: vec![("label".to_owned(), LABEL.to_owned())],
        ..ListOptions::default()
    };
    for summary in containers.list(&options)? {
        let found = containers.find(&summary.id)?;
        let Some(name) = found.record.name.strip_suffix(BEFORE) else { continue };
        match containers.find(name) {
            Ok(new) if new.state.status == Status::Running && !found.state.needs_shim() => {
                remove(containers, &found.record.id)?;
            }
            // Somebody wants to look at it.
            Ok(_) if !rollback => {}
            Ok(new) => put_back(containers, &found.record.id, &new.record.id, name)?,
            Err(Error::NoSuchContainer(_)) => {
                containers.rename(&found.record.id, name)?;
                if !found.state.needs_shim() {
                    containers.start(&found.record.id, Attach::default())?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_at_rest;

    #[test]
    fn who_waits_is_at_rest() {
        for (stat, expected) in [
            ("12 (nginx) S 1 12 12 0", true),
            ("12 (a) R (b)) S 1 12", true),
            ("12 (false) R 1 12 12 0", false),
            ("12 (python3) D 1 12 12 0", false),
            ("12 (false) Z 1 12 12 0", false),
            ("", false),
        ] {
            assert_eq!(is_at_rest(stat), expected, "{stat}");
        }
    }
}
