//! The last steps: keyring, rights, the program looked up, the filter, exec.

use super::{Init, identity};
use crate::channel::{At, Channel, Failure, Report, Step};
use crate::error::Stage;
use crate::hooks;
use crate::plan::ProcessPlan;
use crate::plan::process::{CapabilityPlan, Keyring};
use crate::seccomp::Filter;
use rustix::fd::OwnedFd;
use rustix::fs::{Access, FileType};
use rustix::io::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};
use teu_sys::exec::CStrings;

/// First descriptor after the standard streams.
const FIRST: i32 = 3;
/// How long a program is waited for that is still open for writing.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// All that is needed for exec.
#[derive(Debug)]
pub struct Program {
    path: CString,
    environment: CStrings,
    /// Rights that are given up after the filter is installed.
    late: Option<CapabilityPlan>,
}

/// Everything before the gate.
pub fn prepare(init: &mut Init<'_>) -> Step<Program> {
    let plan = &init.plan.process;
    let (late, environment) = enter(plan, &|text| init.warn(text))?;
    let path = look_up(plan)?;
    install_listener(plan, &init.channel)?;
    Ok(Program { path, environment, late })
}

/// Limits, keyring, user. Returns rights to give up later, and the environment.
pub fn enter(
    plan: &ProcessPlan,
    warn: &dyn Fn(String) -> Step,
) -> Step<(Option<CapabilityPlan>, CStrings)> {
    let joined = match &plan.keyring {
        Keyring::Callers => Ok(0),
        Keyring::Anonymous => teu_sys::keyring::join_session(None),
        Keyring::Named(name) => teu_sys::keyring::join_session(Some(name)),
    };
    match joined {
        Ok(_) | Err(Errno::NOSYS) => {}
        Err(error) => return Err(error).at(Stage::Keyring, ""),
    }
    identity::limit(plan, warn)?;
    let mut environment = plan.environment.clone();
    if plan.needs_home {
        let mut entry = b"HOME=".to_vec();
        entry.extend(identity::home(plan.uid));
        if let Ok(entry) = CString::new(entry) {
            environment.push(entry);
        }
    }
    let late = identity::become_user(plan)?;
    Ok((late, CStrings::new(environment)))
}

/// The first candidate that can be executed. A path that is there and cannot be is told from none;
/// in a search, as Docker has it, what cannot be executed is not there.
pub fn look_up(plan: &ProcessPlan) -> Step<CString> {
    let mut reason = Errno::NOENT;
    for path in &plan.candidates {
        match is_executable(path) {
            Ok(()) => return Ok(path.clone()),
            Err(error) if plan.command.contains('/') => reason = error,
            Err(_) => {}
        }
    }
    Err(reason).at(Stage::Lookup, &plan.command)
}

fn is_executable(path: &CStr) -> rustix::io::Result<()> {
    rustix::fs::access(path, Access::EXEC_OK)?;
    let found = rustix::fs::stat(path)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::ACCESS),
    }
}

/// A filter that reports is installed early: whoever listens must be told before the creator goes.
pub fn install_listener(plan: &ProcessPlan, channel: &Channel) -> Step {
    match plan.filter.as_ref().filter(|filter| filter.notifies()) {
        Some(filter) => install(filter, channel),
        None => Ok(()),
    }
}

fn install(filter: &Filter, channel: &Channel) -> Step {
    let listener =
        teu_sys::seccomp::install(filter.instructions(), filter.flags()).at(Stage::Seccomp, "")?;
    match listener {
        Some(listener) => {
            channel.report(&Report::Listener(listener)).at(Stage::Seccomp, "listener")
        }
        None => Ok(()),
    }
}

/// Hooks that run in the container once it is started.
pub fn start_hooks(init: &Init<'_>, pid: i32) -> Step {
    match init.hooks {
        Some(list) if !list.start_container.is_empty() => {
            let state = init.state.state(pid, "created");
            hooks::run_inside(hooks::Kind::StartContainer, &list.start_container, &state)
        }
        _ => Ok(()),
    }
}

/// Becomes the program.
pub fn exec(init: &mut Init<'_>, program: Program) -> Step<Infallible> {
    let plan = &init.plan.process;
    finish(
        &mut init.channel,
        init.descriptors,
        plan,
        &program.path,
        program.late,
        &program.environment,
    )
}

/// Descriptors, signals, the filter, exec: for the first process and for those added later.
pub fn finish(
    channel: &mut Channel,
    descriptors: &[OwnedFd],
    plan: &ProcessPlan,
    path: &CStr,
    late: Option<CapabilityPlan>,
    environment: &CStrings,
) -> Step<Infallible> {
    let end = FIRST + descriptors.len() as i32;
    if !descriptors.is_empty() {
        // Out of the way of the numbers that are about to be taken.
        channel.raise_above(end).at(Stage::Descriptors, "")?;
        let sources: rustix::io::Result<Vec<_>> = descriptors
            .iter()
            .map(|descriptor| rustix::io::fcntl_dupfd_cloexec(descriptor, end))
            .collect();
        let sources = sources.at(Stage::Descriptors, "")?;
        teu_sys::descriptors::place(&sources, FIRST).at(Stage::Descriptors, "")?;
    }
    teu_sys::descriptors::close_on_exec_from(end as u32).at(Stage::Descriptors, "")?;
    teu_sys::signal::restore_defaults().at(Stage::Exec, &plan.command)?;
    if let Some(filter) = plan.filter.as_ref().filter(|filter| !filter.notifies()) {
        install(filter, channel)?;
    }
    if let Some(late) = late {
        identity::give_up(&late)?;
    }
    let errno = run(path, plan, environment);
    Err(Failure { stage: Stage::Exec, subject: plan.command.clone(), errno })
}

/// Replaces this process. A program that has just been written may still be open for that in a
/// process that another thread of the writer has begun to start: it is over in a moment, so it is
/// waited for, by trying, as the filter may allow no other call.
fn run(path: &CStr, plan: &ProcessPlan, environment: &CStrings) -> Errno {
    let begun = Instant::now();
    loop {
        let errno = teu_sys::exec::exec(path, &plan.arguments, environment);
        if errno != Errno::TXTBSY || begun.elapsed() > BUSY_MAX {
            return errno;
        }
    }
}
