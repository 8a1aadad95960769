//! `state`, `list`, `kill`, `delete`, `pause`, `resume`.

use super::arguments::Arguments;
use super::store::{Container, Status};
use super::{Doing, Failed, Globals, Outcome, exec::running, log};
use crate::cgroup::Cgroup;
use crate::hooks;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd as _;
use rustix::process::{Pid, PidfdFlags, Signal};
use teu_oci::runtime::Spec;

/// The signal that cannot be refused.
const KILL: i32 = Signal::KILL.as_raw();
/// How long a killed process may take to be gone.
const KILL_LIMIT_S: i64 = 10;

/// `state`
pub fn state(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &[])?;
    let container = globals.store.load(arguments.only_id()?)?;
    let mut value = serde_json::to_value(container.state()).doing("state")?;
    if let Some(object) = value.as_object_mut() {
        let saved = &container.saved;
        object.insert("rootfs".to_owned(), saved.rootfs.to_string_lossy().into());
        object.insert("created".to_owned(), saved.created.clone().into());
        object.insert("owner".to_owned(), owner(saved.owner).into());
    }
    log::print(&serde_json::to_string_pretty(&value).doing("state")?);
    Ok(0)
}

/// Root by name; others by number, as looking them up is the host's affair.
fn owner(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("#{uid}") }
}

/// `list`
pub fn list(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["format|f"], &["quiet|q"])?;
    let all = globals.store.all();
    if arguments.has("quiet") {
        for container in &all {
            log::print(&container.id);
        }
        return Ok(0);
    }
    match arguments.value("format") {
        None | Some("" | "table") => {
            let row =
                |id: &str, pid: &str, status: &str, bundle: &str, created: &str, who: &str| {
                    format!("{id:<12}  {pid:<8}  {status:<8}  {bundle:<32}  {created:<31}  {who}")
                };
            log::print(&row("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"));
            for container in &all {
                let state = container.state();
                let pid = state.pid.unwrap_or_default().to_string();
                let who = owner(container.saved.owner);
                let created = &container.saved.created;
                log::print(&row(&state.id, &pid, &state.status, &state.bundle, created, &who));
            }
        }
        Some("json") => {
            let list: Vec<_> = all
                .iter()
                .map(|container| {
                    let state = container.state();
                    serde_json::json!({
                        "ociVersion": state.oci_version,
                        "id": state.id,
                        "pid": state.pid,
                        "status": state.status,
                        "bundle": state.bundle,
                        "rootfs": container.saved.rootfs,
                        "created": container.saved.created,
                        "annotations": state.annotations,
                        "owner": owner(container.saved.owner),
                    })
                })
                .collect();
            log::print(&serde_json::to_string(&list).doing("list")?);
        }
        Some(other) => return Err(Failed::new(format!("invalid format option: {other:?}"))),
    }
    Ok(0)
}

/// `kill`
pub fn kill(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &["all|a"])?;
    let id = arguments.id()?;
    // Some callers put the flag last.
    let mut rest: Vec<&str> = arguments.words[1..].iter().map(String::as_str).collect();
    let before = rest.len();
    rest.retain(|word| *word != "--all" && *word != "-a");
    let all = arguments.has("all") || rest.len() < before;
    let container = globals.store.load(id)?;
    let number = signal(rest.first().copied().unwrap_or("SIGTERM"))?;
    if all {
        let cgroup = container.cgroup();
        if number == KILL {
            return match cgroup {
                Some(cgroup) => cgroup.kill_all().map(|()| 0).map_err(Failed::from),
                None => Ok(0),
            };
        }
        for pid in cgroup.map(|cgroup| cgroup.pids()).transpose()?.unwrap_or_default() {
            send(pid, number)?;
        }
        return Ok(0);
    }
    if container.status() == Status::Stopped {
        return Err(Failed::new("container not running"));
    }
    send(container.saved.pid, number)?;
    if number == KILL {
        hear(container.cgroup().as_ref())?;
    }
    Ok(0)
}

fn send(pid: i32, number: i32) -> Outcome<()> {
    let gone = |error| matches!(error, rustix::io::Errno::SRCH);
    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    let sent = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .and_then(|pidfd| teu_sys::signal::send(pidfd.as_fd(), number));
    match sent {
        Err(error) if gone(error) => Ok(()),
        result => result.doing(format!("signalling process {}", pid.as_raw_nonzero())),
    }
}

/// A signal by name, with or without `SIG`, or number.
fn signal(text: &str) -> Outcome<i32> {
    const NAMES: [(&str, i32); 36] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("IOT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("STKFLT", 16),
        ("CHLD", 17),
        ("CLD", 17),
        ("CONT", 18),
        ("STOP", 19),
        ("TSTP", 20),
        ("TTIN", 21),
        ("TTOU", 22),
        ("URG", 23),
        ("XCPU", 24),
        ("XFSZ", 25),
        ("VTALRM", 26),
        ("PROF", 27),
        ("WINCH", 28),
        ("IO", 29),
        ("POLL", 29),
        ("PWR", 30),
        ("SYS", 31),
        ("RTMIN", 34),
        ("RTMAX", 64),
    ];
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match text.parse::<i32>() {
        Ok(number @ 0..=64) => Some(number),
        Ok(_) => None,
        Err(_) => NAMES.iter().find(|(name, _)| *name == bare).map(|(_, number)| *number),
    };
    let real_time = || {
        if let Some(offset) = bare.strip_prefix("RTMIN+") {
            return offset.parse().ok().map(|offset: i32| 34 + offset);
        }
        let offset = bare.strip_prefix("RTMAX-")?;
        offset.parse().ok().map(|offset: i32| 64 - offset)
    };
    number
        .or_else(real_time)
        .filter(|number| (0..=64).contains(number))
        .ok_or_else(|| Failed::new(format!("unknown signal {text:?}")))
}

/// `delete`
pub fn delete(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &["force|f"])?;
    let id = arguments.id()?;
    let force = arguments.has("force") || arguments.words[1..].iter().any(|word| word == "--force");
    let container = match globals.store.load(id) {
        Ok(container) => container,
        Err(failed) => return remains(globals, id, force, failed),
    };
    match container.status() {
        Status::Stopped | Status::Created => {}
        _ if force => {}
        status => {
            return Err(Failed::new(format!(
                "cannot delete container {id} that is not stopped: {}",
                status.text()
            )));
        }
    }
    remove(globals, &container)?;
    Ok(0)
}

/// A container that is not there, or whose making was cut short.
fn remains(globals: &Globals, id: &str, force: bool, failed: Failed) -> Outcome {
    match globals.store.remains(id)? {
        None if force => Ok(0),
        Some(directory) if force => {
            let spec: Option<Spec> = std::fs::read(directory.join("config.json"))
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let path = spec.and_then(|spec| spec.linux?.cgroups_path);
            let path = path.unwrap_or_else(|| format!("/teu-{id}"));
            if let Ok(cgroup) = Cgroup::open(&path) {
                cgroup.kill_all()?;
                cgroup.delete()?;
            }
            std::fs::remove_dir_all(&directory).doing(directory.display())?;
            Ok(0)
        }
        _ => Err(failed),
    }
}

/// Ends what is left of a container and removes all it holds; poststop hooks are run.
pub fn remove(globals: &Globals, container: &Container) -> Outcome<()> {
    let cgroup = container.cgroup();
    if let Some(pid) = container.pid() {
        end(pid, cgroup.as_ref())?;
    }
    if let Some(cgroup) = &cgroup {
        cgroup.kill_all()?;
        cgroup.delete()?;
    }
    let spec = container.spec();
    std::fs::remove_dir_all(&container.directory).doing(container.directory.display())?;
    let hooks = spec.ok().and_then(|spec| spec.hooks);
    if let Some(hooks) = hooks.filter(|hooks| !hooks.poststop.is_empty()) {
        let mut state = container.state();
        state.status = Status::Stopped.text().to_owned();
        // The container is gone; a hook that fails is told and no more.
        for hook in &hooks.poststop {
            let one = std::slice::from_ref(hook);
            if let Err(error) = hooks::run(hooks::Kind::Poststop, one, &state) {
                globals.log.warning(&error.report());
            }
        }
    }
    Ok(())
}

fn end(pid: Pid, cgroup: Option<&Cgroup>) -> Outcome<()> {
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    hear(cgroup)?;
    let limit = Timespec { tv_sec: KILL_LIMIT_S, tv_nsec: 0 };
    match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)) {
        Ok(0) => Err(Failed::new(format!(
            "process {} does not end although it was killed",
            pid.as_raw_nonzero()
        ))),
        _ => Ok(()),
    }
}

/// Lets frozen processes hear that they are killed: version 1 delivers nothing until they are thawed.
fn hear(cgroup: Option<&Cgroup>) -> Outcome<()> {
    match cgroup {
        Some(cgroup) if cgroup.is_frozen().unwrap_or(false) => Ok(cgroup.thaw()?),
        _ => Ok(()),
    }
}

/// `pause`
pub fn pause(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &[])?;
    let container = globals.store.load(arguments.only_id()?)?;
    match container.status() {
        Status::Running | Status::Created => {}
        _ => return Err(Failed::new("container not running")),
    }
    let cgroup = container.cgroup().ok_or_else(|| Failed::new("the container has no cgroup"))?;
    cgroup.freeze()?;
    Ok(0)
}

/// `resume`
pub fn resume(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &[])?;
    let container = globals.store.load(arguments.only_id()?)?;
    if container.status() != Status::Paused {
        running(&container)?;
        return Err(Failed::new("container not paused"));
    }
    let cgroup = container.cgroup().ok_or_else(|| Failed::new("the container has no cgroup"))?;
    cgroup.thaw()?;
    Ok(0)
}
