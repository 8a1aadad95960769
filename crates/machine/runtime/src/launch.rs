//! The first process of a container: made, held before its program, released.

use crate::Cgroup;
use crate::error::{Error, Warning};
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use teu_oci::runtime::Spec;

/// Where a container's root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// A directory on the host.
    Directory(PathBuf),
    /// Layers joined by overlayfs, inside the container's mount namespace only: nothing is ever
    /// mounted on the host.
    Overlay {
        /// Read-only layers, topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// Overlayfs's own, on the same file system as `upper`.
        work: PathBuf,
    },
}

/// The standard streams of a process.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's own.
    Inherit,
    /// `/dev/null`, all three.
    Null,
    /// Given: input, output, error.
    Descriptors([OwnedFd; 3]),
    /// A new terminal of the container's; its master is in [`Created::terminal`].
    Terminal,
}

/// When a created process goes on to its program.
#[derive(Debug)]
pub enum Gate {
    /// When [`Created::start`] is called; when [`Created`] is dropped instead, it ends.
    Caller,
    /// When a byte can be read from this descriptor (a FIFO opened for reading and writing): the
    /// process outlives its creator, and another command starts it.
    Fifo(OwnedFd),
}

/// What is asked for.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Names the container in hooks and in its keyring.
    pub id: &'a str,
    /// Everything else about it. Namespace paths and bind sources may be `/proc/self/fd/N` for
    /// descriptors the caller holds.
    pub spec: &'a Spec,
    /// Relative paths in the specification start here.
    pub bundle: &'a Path,
    /// Takes the place of `spec.root.path`.
    pub rootfs: Rootfs,
    /// Standard streams. `spec.process.terminal` is not looked at.
    pub stdio: Stdio,
    /// Made by the caller, with its limits; the process is born or moved into it. None: the
    /// caller's own.
    pub cgroup: Option<&'a Cgroup>,
    /// Given to the program as descriptors 3, 4, …
    pub descriptors: Vec<OwnedFd>,
    /// What releases it.
    pub gate: Gate,
    /// Rarely wanted choices.
    pub choices: Choices,
}

/// Rarely wanted choices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choices {
    /// The root is moved instead of pivoted, for roots on a RAM disk.
    pub no_pivot: bool,
    /// The program shares the caller's session keyring.
    pub keep_keyring: bool,
}

/// A container whose first process is complete but for its program.
#[derive(Debug)]
pub struct Created {
    /// First process, as seen by the caller.
    pub pid: Pid,
    /// The same, safe against the reuse of numbers.
    pub pidfd: OwnedFd,
    /// Master of its terminal, for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Running {
    /// As seen by the caller, who is its parent and must wait for it.
    pub pid: Pid,
    /// The same, safe against the reuse of numbers.
    pub pidfd: OwnedFd,
    /// Master of its terminal, for [`Stdio::Terminal`].
    pub terminal: Option<OwnedFd>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Makes the container: namespaces, mounts, limits and everything else but the program itself,
/// which waits for the [`Gate`]. On an error nothing is left: the process has been killed and
/// reaped. The cgroup stays the caller's.
///
/// The caller should have one thread (see [`teu_sys::process::clone3`]) and run from a protected
/// copy of itself ([`teu_sys::reexec::ensure_protected`]).
///
/// # Errors
/// With the step that failed; [`Error::exit_code`] tells a missing program from the rest.
pub fn create(launch: Launch<'_>) -> Result<Created, Error> {
    let _ = launch;
    Err(Error::Invalid { field: "process".to_owned(), problem: "not yet".to_owned() })
}

impl Created {
    /// Lets the program run, and waits until it does (or cannot: 126, 127). Poststart hooks are run.
    ///
    /// # Errors
    /// The program could not be executed; the process has been reaped.
    pub fn start(self) -> Result<Running, Error> {
        Ok(Running {
            pid: self.pid,
            pidfd: self.pidfd,
            terminal: self.terminal,
            warnings: self.warnings,
        })
    }
}
