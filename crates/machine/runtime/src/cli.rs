//! `teu runtime …`: runc's command line on top of the library, for podman, dockerd, containerd and
//! people. The one module here that prints, reads the environment, and decides exit codes.
//!
//! State lives in `<root>/<id>/`: `config.json` (the bundle's, as it was), `state.json`, and the
//! FIFO `exec.fifo` that holds a created container back. The directory is made with one `mkdir`,
//! which is what makes ids unique; a directory without `state.json` is a `create` that died, and
//! `delete --force` removes it with its cgroup.

use std::ffi::OsString;
use std::process::ExitCode;

pub mod arguments;
mod control;
mod create;
mod describe;
mod events;
mod exec;
mod log;
mod processes;
mod store;
mod terminal;
mod update;
mod wait;

use arguments::Arguments;
use log::Log;
use store::Store;

/// What went wrong, for a person.
#[derive(Debug)]
pub struct Failed {
    message: String,
    code: u8,
}

impl Failed {
    /// A message; the exit code is runc's 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The same with another exit code.
    pub fn with_code(message: impl Into<String>, code: i32) -> Self {
        Self { message: message.into(), code: u8::try_from(code).unwrap_or(1) }
    }
}

impl From<crate::Error> for Failed {
    fn from(error: crate::Error) -> Self {
        Self::new(error.report())
    }
}

impl From<crate::cgroup::Error> for Failed {
    fn from(error: crate::cgroup::Error) -> Self {
        crate::Error::from(error).into()
    }
}

impl From<rustix::io::Errno> for Failed {
    fn from(error: rustix::io::Errno) -> Self {
        Self::new(std::io::Error::from(error).to_string())
    }
}

/// The result of a command.
pub type Outcome<T = u8> = Result<T, Failed>;

/// What the flags before the command say.
#[derive(Debug)]
pub struct Globals {
    store: Store,
    log: Log,
    systemd_cgroup: bool,
}

/// Adds to a failure what was being done.
pub trait Doing<T> {
    /// `what: cause`
    fn doing(self, what: impl std::fmt::Display) -> Outcome<T>;
}

impl<T, E: std::fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl std::fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failed::new(format!("{what}: {error}")))
    }
}

const USAGE: &str = "\
Usage: teu runtime [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]

An OCI runtime with runc's command line.

Commands:
  create    create a container from a bundle; its program waits for start
  start     run the program of a created container
  run       create, start, wait and delete
  exec      run a further process in a running container
  state     print a container's state as JSON
  list      list containers
  ps        list a container's processes
  kill      send a signal
  pause     freeze all processes
  resume    let them go on
  update    change limits
  events    print usage and OOM events
  delete    remove what a container holds
  spec      write a default config.json
  features  print what this runtime supports, as JSON

Global options:
  --root DIR          where the state of containers is kept
  --log FILE          append messages to a file
  --log-format FORMAT text or json
  --debug             accepted
  --systemd-cgroup    accepted; cgroups are made without systemd
  --rootless VALUE    accepted
  --help, --version";

/// Runs one command. `arguments` begin with the name the program was called by.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    let mut words = Vec::with_capacity(arguments.len());
    for argument in arguments.iter().skip(1) {
        match argument.to_str() {
            Some(word) => words.push(word.to_owned()),
            None => {
                log::complain(&format!("argument {} is not UTF-8", argument.to_string_lossy()));
                return ExitCode::FAILURE;
            }
        }
    }
    let mut globals = match globals(&words) {
        Ok(Some(found)) => found,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failed) => {
            log::complain(&failed.message);
            return ExitCode::from(failed.code);
        }
    };
    let (command, rest) = std::mem::take(&mut globals.1);
    let globals = globals.0;
    match dispatch(&globals, &command, rest) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            globals.log.error(&failed.message);
            ExitCode::from(failed.code)
        }
    }
}

type Parsed = (Globals, (String, Vec<String>));

fn globals(words: &[String]) -> Outcome<Option<Parsed>> {
    let mut parsed = Arguments::parse(
        words,
        &["root", "log", "log-format", "log-level", "rootless", "criu"],
        &["systemd-cgroup", "debug", "help|h", "version|v"],
    )?;
    if parsed.has("version") {
        log::print(&describe::version());
        return Ok(None);
    }
    if parsed.has("help") || parsed.words.is_empty() {
        log::print(USAGE);
        return Ok(None);
    }
    let store = Store::new(parsed.value("root"))?;
    let log = Log::open(parsed.value("log"), parsed.value("log-format"))?;
    let systemd_cgroup = parsed.has("systemd-cgroup");
    let command = parsed.words.remove(0);
    Ok(Some((Globals { store, log, systemd_cgroup }, (command, parsed.words))))
}

fn dispatch(globals: &Globals, command: &str, words: Vec<String>) -> Outcome {
    if matches!(command, "create" | "run" | "exec") {
        protect()?;
    }
    match command {
        "create" => create::create(globals, &words),
        "run" => create::run(globals, &words),
        "start" => create::start(globals, &words),
        "exec" => exec::exec(globals, &words),
        "state" => control::state(globals, &words),
        "list" => control::list(globals, &words),
        "kill" => control::kill(globals, &words),
        "delete" => control::delete(globals, &words),
        "pause" => control::pause(globals, &words),
        "resume" => control::resume(globals, &words),
        "ps" => processes::ps(globals, &words),
        "update" => update::update(globals, &words),
        "events" => events::events(globals, &words),
        "spec" => describe::spec(&words),
        "features" => describe::features(&words),
        "help" => {
            log::print(USAGE);
            Ok(0)
        }
        "checkpoint" | "restore" => {
            Err(Failed::new(format!("{command} is not supported by this runtime")))
        }
        other => Err(Failed::new(format!(
            "unknown command {other:?}; `teu runtime --help` lists the commands"
        ))),
    }
}

/// Whoever enters a container runs from a file nobody can write to (CVE-2019-5736).
fn protect() -> Outcome<()> {
    use rustix::fd::AsFd as _;
    use std::os::unix::ffi::OsStrExt;
    let text = |list: &[OsString]| {
        teu_sys::exec::CStrings::from_text(list.iter().map(|entry| entry.as_bytes()))
            .doing("copying the arguments")
    };
    if teu_sys::reexec::is_protected().doing("looking at the own program")? {
        return Ok(());
    }
    let environment: Vec<OsString> = std::env::vars_os()
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect();
    let copy = teu_sys::reexec::protected_self();
    let copy = copy.doing("making a protected copy of this program")?;
    // All of them, not only what this command was handed: whoever dispatched it does so again.
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (arguments, environment) = (text(&arguments)?, text(&environment)?);
    let error = teu_sys::exec::exec_descriptor(copy.as_fd(), &arguments, &environment);
    Err(Failed::new(format!("starting from a protected copy of this program: {error}")))
}
