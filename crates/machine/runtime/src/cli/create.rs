//! `create`, `start` and `run`.

use super::arguments::Arguments;
use super::store::{Container, FIFO, Saved, Status, process, write_whole};
use super::{Doing, Failed, Globals, Outcome, control, log, terminal, wait};
use crate::cgroup::{Cgroup, Extent};
use crate::launch::{Choices, Created, Gate, Launch, Rootfs, Stdio, create as launch};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use teu_oci::runtime::Spec;

const VALUES: [&str; 5] =
    ["bundle|b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds"];
const SWITCHES: [&str; 5] = ["no-pivot", "no-new-keyring", "detach|d", "keep", "no-subreaper"];

/// What was asked for, read and claimed.
struct Request<'a> {
    globals: &'a Globals,
    arguments: Arguments,
    spec: Spec,
    raw: Vec<u8>,
    bundle: PathBuf,
    descriptors: Vec<OwnedFd>,
}

/// A container made, and what has to be undone when the rest fails.
pub struct Made {
    /// On disk.
    pub container: Container,
    /// Its first process.
    pub created: Created,
}

impl<'a> Request<'a> {
    fn read(globals: &'a Globals, words: &[String]) -> Outcome<Self> {
        let arguments = Arguments::parse(words, &VALUES, &SWITCHES)?;
        arguments.only_id()?;
        let descriptors = inherited(&arguments)?;
        let bundle = std::path::absolute(arguments.value("bundle").unwrap_or("."))
            .and_then(std::fs::canonicalize)
            .doing("bundle")?;
        let path = bundle.join("config.json");
        let raw =
            std::fs::read(&path).doing(format!("JSON specification file {}", path.display()))?;
        let mut spec: Spec = serde_json::from_slice(&raw).doing(path.display())?;
        crate::check(&spec)?;
        if let Some(process) = &mut spec.process {
            pass_listen_fds(&mut process.env);
        }
        Ok(Self { globals, arguments, spec, raw, bundle, descriptors })
    }

    fn terminal(&self) -> bool {
        self.spec.process.as_ref().is_some_and(|process| process.terminal)
    }

    /// Makes the container with everything but its program.
    fn make(&mut self, gate: Waiting, stdio: Stdio) -> Outcome<Made> {
        let id = self.arguments.id()?.to_owned();
        let directory = self.globals.store.claim(&id)?;
        let result = self.make_in(&id, &directory, gate, stdio);
        if result.is_err() {
            let _ = std::fs::remove_dir_all(&directory);
        }
        result
    }

    fn make_in(
        &mut self,
        id: &str,
        directory: &Path,
        gate: Waiting,
        stdio: Stdio,
    ) -> Outcome<Made> {
        std::fs::write(directory.join("config.json"), &self.raw).doing("config.json")?;
        let cgroup = self.cgroup(id)?;
        let created = self.launch(id, directory, gate, stdio, cgroup.as_ref());
        let created = match created {
            Ok(created) => created,
            Err(failed) => {
                if let Some(cgroup) = &cgroup {
                    let _ = cgroup.kill_all();
                    let _ = cgroup.delete();
                }
                return Err(failed);
            }
        };
        for warning in &created.warnings {
            self.globals.log.warning(&warning.0);
        }
        let pid = created.pid.as_raw_nonzero().get();
        let root = self.spec.root.as_ref().map(|root| root.path.as_str()).unwrap_or_default();
        let saved = Saved {
            rootfs: self.bundle.join(root),
            bundle: self.bundle.clone(),
            pid,
            start_ticks: process(pid).map(|(ticks, _)| ticks).unwrap_or_default(),
            created: log::rfc3339(SystemTime::now()),
            cgroup: cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
            owner: rustix::process::getuid().as_raw(),
            annotations: self.spec.annotations.clone(),
        };
        let container = Container { id: id.to_owned(), directory: directory.to_owned(), saved };
        container.save()?;
        if let Some(path) = self.arguments.value("pid-file") {
            write_whole(Path::new(path), pid.to_string().as_bytes()).doing(path)?;
        }
        Ok(Made { container, created })
    }

    fn launch(
        &mut self,
        id: &str,
        directory: &Path,
        gate: Waiting,
        stdio: Stdio,
        cgroup: Option<&Cgroup>,
    ) -> Outcome<Created> {
        let gate = match gate {
            Waiting::ForUs => Gate::Caller,
            Waiting::AtFifo => Gate::Fifo(fifo(directory)?),
        };
        let root = self.spec.root.as_ref().map(|root| PathBuf::from(&root.path));
        let root = root.ok_or_else(|| Failed::new("config.json: root: is missing"))?;
        let launched = launch(Launch {
            id,
            spec: &self.spec,
            bundle: &self.bundle,
            rootfs: Rootfs::Directory(root),
            stdio,
            cgroup,
            descriptors: std::mem::take(&mut self.descriptors),
            gate,
            choices: Choices {
                no_pivot: self.arguments.has("no-pivot"),
                keep_keyring: self.arguments.has("no-new-keyring"),
            },
        });
        launched.map_err(|error| {
            let text = format!("unable to start container process: {}", error.report());
            Failed::with_code(text, 1)
        })
    }

    /// The container's cgroup, made with its limits. Without the right to make one (not root) the
    /// container stays in the caller's.
    fn cgroup(&self, id: &str) -> Outcome<Option<Cgroup>> {
        let linux = self.spec.linux.as_ref();
        let resources = linux.and_then(|linux| linux.resources.clone()).unwrap_or_default();
        let path = linux.and_then(|linux| linux.cgroups_path.clone());
        if self.globals.systemd_cgroup && path.as_deref().is_some_and(|path| path.contains(':')) {
            let text = "--systemd-cgroup: the cgroup is made without systemd, at the same place";
            self.globals.log.warning(text);
        }
        // Who names a path may look at the files of every hierarchy himself.
        let extent = if path.is_some() { Extent::All } else { Extent::Needed };
        let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| format!("/teu-{id}"));
        match Cgroup::create_in(&path, &resources, extent) {
            Ok(cgroup) => {
                for warning in cgroup.warnings() {
                    self.globals.log.warning(&warning.0);
                }
                Ok(Some(cgroup))
            }
            Err(error) if !rustix::process::geteuid().is_root() => {
                self.globals.log.warning(&format!("no cgroup: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Hands the terminal's master to who asked for it.
    fn hand_over_terminal(&self, created: &mut Created) -> Outcome<()> {
        match (self.arguments.value("console-socket"), created.terminal.take()) {
            (Some(path), Some(master)) => terminal::send(path, &master),
            (_, terminal) => {
                created.terminal = terminal;
                Ok(())
            }
        }
    }
}

/// Who lets the program go on.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    ForUs,
    AtFifo,
}

/// Descriptors 3, 4, … that the program gets too: `--preserve-fds` and socket activation.
fn inherited(arguments: &Arguments) -> Outcome<Vec<OwnedFd>> {
    /// Most descriptors that are handed down.
    const LIMIT: i32 = 1024;
    let asked: i32 = arguments.number("preserve-fds")?.unwrap_or_default();
    let activated = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse::<i32>().ok());
    let count = asked.saturating_add(activated.unwrap_or_default()).clamp(0, LIMIT);
    (3..3 + count)
        .map(|number| {
            teu_sys::descriptors::inherited(number).doing(format!("preserved descriptor {number}"))
        })
        .collect()
}

/// A program that is given sockets finds them as number 1 of its pid namespace.
fn pass_listen_fds(environment: &mut Vec<String>) {
    if let Ok(count) = std::env::var("LISTEN_FDS") {
        environment.push(format!("LISTEN_FDS={count}"));
        environment.push("LISTEN_PID=1".to_owned());
        if let Ok(names) = std::env::var("LISTEN_FDNAMES") {
            environment.push(format!("LISTEN_FDNAMES={names}"));
        }
    }
}

fn fifo(directory: &Path) -> Outcome<OwnedFd> {
    let path = directory.join(FIFO);
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
        .and_then(|()| rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()))
        .doing(path.display())
}

/// `create`
pub fn create(globals: &Globals, words: &[String]) -> Outcome {
    let mut request = Request::read(globals, words)?;
    let stdio = match (request.terminal(), request.arguments.has("console-socket")) {
        (true, true) => Stdio::Terminal,
        (true, false) => {
            return Err(Failed::new(
                "cannot allocate tty if runc will detach without setting console socket",
            ));
        }
        (false, true) => {
            return Err(Failed::new(
                "cannot use console socket if runc will not detach or allocate tty",
            ));
        }
        (false, false) => Stdio::Inherit,
    };
    let mut made = request.make(Waiting::AtFifo, stdio)?;
    if let Err(failed) = request.hand_over_terminal(&mut made.created) {
        control::remove(globals, &made.container)?;
        return Err(failed);
    }
    Ok(0)
}

/// `start`
pub fn start(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &[], &[])?;
    let container = globals.store.load(arguments.only_id()?)?;
    match container.status() {
        Status::Created => {}
        Status::Stopped => return Err(Failed::new("cannot start a container that has stopped")),
        Status::Running | Status::Paused => {
            return Err(Failed::new("cannot start an already running container"));
        }
    }
    let path = container.directory.join(FIFO);
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fifo = rustix::fs::open(&path, flags, Mode::empty()).doing("the created container")?;
    // Only one `start` can remove it, and so only one goes on.
    std::fs::remove_file(&path).doing("cannot start an already running container")?;
    rustix::io::write(&fifo, b"0").doing("the created container")?;
    poststart(&container)?;
    Ok(0)
}

fn poststart(container: &Container) -> Outcome<()> {
    let spec = container.spec()?;
    if let Some(hooks) = spec.hooks.as_ref().filter(|hooks| !hooks.poststart.is_empty()) {
        let state = container.state();
        crate::hooks::run(crate::hooks::Kind::Poststart, &hooks.poststart, &state)?;
    }
    Ok(())
}

/// `run`
pub fn run(globals: &Globals, words: &[String]) -> Outcome {
    let mut request = Request::read(globals, words)?;
    let detach = request.arguments.has("detach");
    let has_socket = request.arguments.has("console-socket");
    if request.terminal() && detach && !has_socket {
        return Err(Failed::new(
            "cannot allocate tty if runc will detach without setting console socket",
        ));
    }
    let stdio = if request.terminal() { Stdio::Terminal } else { Stdio::Inherit };
    // Signals are ours to pass on from before the process exists, so that none is lost.
    let signals = if detach { None } else { Some(wait::Signals::take()?) };
    let mut made = request.make(Waiting::ForUs, stdio)?;
    let started =
        request.hand_over_terminal(&mut made.created).and_then(|()| Ok(made.created.start()?));
    let mut running = match started {
        Ok(running) => running,
        Err(failed) => {
            control::remove(globals, &made.container)?;
            return Err(failed);
        }
    };
    let Some(signals) = signals else { return Ok(0) };
    let code = match running.terminal.take() {
        Some(master) => terminal::relay(master, &running.pidfd, &signals),
        None => wait::until_end(&running.pidfd, &signals),
    };
    if !request.arguments.has("keep") {
        control::remove(globals, &made.container)?;
    }
    code
}
