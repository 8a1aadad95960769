//! `exec`: a further process.

use super::arguments::Arguments;
use super::store::{Container, Status, write_whole};
use super::{Doing, Failed, Globals, Outcome, terminal, wait};
use crate::exec::{Exec, exec as launch};
use crate::launch::Stdio;
use std::path::Path;
use teu_oci::runtime::{Capabilities, Process, User};

const VALUES: [&str; 13] = [
    "console-socket",
    "pidfd-socket",
    "cwd",
    "env|e",
    "user|u",
    "additional-gids|g",
    "process|p",
    "pid-file",
    "process-label",
    "apparmor",
    "cap|c",
    "preserve-fds",
    "cgroup",
];
const SWITCHES: [&str; 5] = ["tty|t", "detach|d", "no-new-privs", "no-subreaper", "ignore-paused"];

/// `exec`
pub fn exec(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &VALUES, &SWITCHES)?;
    let container = globals.store.load(arguments.id()?)?;
    let count: i32 = arguments.number("preserve-fds")?.unwrap_or_default();
    let descriptors: Outcome<Vec<_>> = (3..3 + count.max(0))
        .map(|number| {
            teu_sys::descriptors::inherited(number).doing(format!("preserved descriptor {number}"))
        })
        .collect();
    let descriptors = descriptors?;
    match container.status() {
        Status::Stopped => return Err(Failed::new("cannot exec in a stopped container")),
        Status::Paused if !arguments.has("ignore-paused") => {
            return Err(Failed::new(
                "cannot exec in a paused container (use --ignore-paused to override)",
            ));
        }
        _ => {}
    }
    let spec = container.spec()?;
    let process = process(&arguments, spec.process.unwrap_or_default())?;
    let (detach, socket) = (arguments.has("detach"), arguments.value("console-socket"));
    if process.terminal && detach && socket.is_none() {
        return Err(Failed::new(
            "cannot allocate tty if runc will detach without setting console socket",
        ));
    }
    let cgroup = container.cgroup();
    let target = container.pid().ok_or_else(|| Failed::new("container not running"))?;
    let signals = if detach { None } else { Some(wait::Signals::take()?) };
    let running = launch(Exec {
        target,
        process: &process,
        seccomp: spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()),
        stdio: if process.terminal { Stdio::Terminal } else { Stdio::Inherit },
        cgroup: cgroup.as_ref(),
        descriptors,
        keep_keyring: false,
    });
    let mut running = running.map_err(|error| {
        // runc's own exit code of a process that could not be added is 255.
        let code = match error.exit_code() {
            crate::error::EXIT_OURS => 255,
            code => code,
        };
        Failed::with_code(format!("exec failed: {}", error.report()), code)
    })?;
    for warning in &running.warnings {
        // `create` has said the same; here standard error is the program's.
        globals.log.note(&warning.0);
    }
    if let Some(path) = arguments.value("pid-file") {
        let pid = running.pid.as_raw_nonzero().to_string();
        write_whole(Path::new(path), pid.as_bytes()).doing(path)?;
    }
    match (socket, running.terminal.take(), signals) {
        (Some(path), Some(master), signals) => {
            terminal::send(path, &master)?;
            signals.map_or(Ok(0), |signals| wait::until_end(&running.pidfd, &signals))
        }
        (_, _, None) => Ok(0),
        (None, Some(master), Some(signals)) => terminal::relay(master, &running.pidfd, &signals),
        (_, None, Some(signals)) => wait::until_end(&running.pidfd, &signals),
    }
}

/// What runs: a document, or the container's own process with what the flags change.
fn process(arguments: &Arguments, own: Process) -> Outcome<Process> {
    if let Some(path) = arguments.value("process") {
        let bytes = std::fs::read(path).doing(path)?;
        return serde_json::from_slice(&bytes).doing(path);
    }
    let [_, args @ ..] = arguments.words.as_slice() else {
        return Err(Failed::new("the container's id is missing"));
    };
    if args.is_empty() {
        return Err(Failed::new("process args cannot be empty"));
    }
    let mut process = own;
    process.args = args.to_vec();
    process.terminal = arguments.has("tty");
    process.env.extend_from_slice(arguments.all("env"));
    if let Some(cwd) = arguments.value("cwd") {
        cwd.clone_into(&mut process.cwd);
    }
    if let Some(text) = arguments.value("user") {
        process.user = User { umask: process.user.umask, ..user(text)? };
    }
    for gid in arguments.all("additional-gids") {
        let gid = gid.parse().doing(format!("additional gid {gid:?}"))?;
        process.user.additional_gids.push(gid);
    }
    let added = arguments.all("cap");
    if !added.is_empty() {
        let sets = process.capabilities.get_or_insert_with(Capabilities::default);
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend_from_slice(added);
        }
    }
    if arguments.has("no-new-privs") {
        process.no_new_privileges = true;
    }
    let text = |name: &str| arguments.value(name).map(str::to_owned);
    process.apparmor_profile = text("apparmor").or(process.apparmor_profile);
    process.selinux_label = text("process-label").or(process.selinux_label);
    Ok(process)
}

/// `uid[:gid]`
fn user(text: &str) -> Outcome<User> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, "0"));
    let number = |text: &str| text.parse::<u32>().doing(format!("user {text:?}"));
    Ok(User { uid: number(uid)?, gid: number(gid)?, ..User::default() })
}

/// The container of a command, running.
pub fn running(container: &Container) -> Outcome<&Container> {
    match container.status() {
        Status::Stopped => Err(Failed::new("container not running")),
        _ => Ok(container),
    }
}
