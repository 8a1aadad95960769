//! Hooks: programs of the host's that the specification wants run at points of the lifecycle, with
//! the container's state on their standard input. Runtime-spec, "POSIX-platform Hooks".

use crate::channel::{Failure, Step};
use crate::error::{Error, Stage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use teu_oci::runtime::State;
use teu_oci::runtime::linux::Hook;

/// How much of what a hook writes to its standard error is kept for the message.
const STDERR_LIMIT_BYTES: u64 = 4096;

/// Points of the lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the specification's names")]
pub enum Kind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}

/// What stays the same in a container's state.
#[derive(Debug, Clone)]
pub struct StateSeed {
    /// The container.
    pub id: String,
    /// Absolute.
    pub bundle: PathBuf,
    /// Free text.
    pub annotations: BTreeMap<String, String>,
}

impl StateSeed {
    /// The state, as hooks and `state` show it.
    #[must_use]
    pub fn state(&self, pid: i32, status: &str) -> State {
        State {
            oci_version: crate::OCI_VERSION.to_owned(),
            id: self.id.clone(),
            status: status.to_owned(),
            pid: (pid > 0).then_some(pid),
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.annotations.clone(),
        }
    }
}

/// Runs hooks in order; the first that fails ends it.
///
/// # Errors
/// The hook that failed, with what it said.
pub fn run(kind: Kind, hooks: &[Hook], state: &State) -> Result<(), Error> {
    for hook in hooks {
        one(hook, state).map_err(|problem| Error::Hook {
            kind: kind.name(),
            path: PathBuf::from(&hook.path),
            problem,
        })?;
    }
    Ok(())
}

/// The same in the container's first process.
pub fn run_inside(kind: Kind, hooks: &[Hook], state: &State) -> Step {
    run(kind, hooks, state).map_err(|error| Failure {
        stage: Stage::Hook,
        subject: error.report(),
        errno: Errno::CANCELED,
    })
}

fn one(hook: &Hook, state: &State) -> Result<(), String> {
    if !Path::new(&hook.path).is_absolute() {
        return Err("its path is not absolute".to_owned());
    }
    let input = serde_json::to_vec(state).map_err(|error| error.to_string())?;
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    command.env_clear();
    command.envs(hook.env.iter().filter_map(|entry| entry.split_once('=')));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its state is no failure.
        let _ = stdin.write_all(&input);
    }
    if !ended_in_time(&child, hook.timeout) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("did not end within {} s", hook.timeout.unwrap_or_default()));
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(STDERR_LIMIT_BYTES).read_to_string(&mut text);
    }
    Err(format!("{status}: {}", text.trim()))
}

/// Waits for the end of a child, at most so many seconds.
fn ended_in_time(child: &Child, seconds: Option<i64>) -> bool {
    let Some(seconds) = seconds.filter(|seconds| *seconds > 0) else { return true };
    let Some(pid) = Pid::from_raw(child.id() as i32) else { return true };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let mut waited = [PollFd::new(&pidfd, PollFlags::IN)];
    loop {
        match poll(&mut waited, Some(&timeout)) {
            Err(Errno::INTR) => {}
            result => return result.is_ok_and(|ready| ready > 0),
        }
    }
}
