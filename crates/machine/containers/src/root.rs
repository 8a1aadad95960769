//! A container's root as a descriptor beneath which paths are looked up, and nowhere else.
//!
//! Everything that touches files of a container from outside (`cp`, `export`, `commit`, volumes at
//! first use) gets a directory descriptor and walks with `openat2(RESOLVE_IN_ROOT |
//! RESOLVE_NO_MAGICLINKS)`: the kernel itself takes the descriptor for `/`, for absolute links and
//! `..` too, at the moment of each look-up. There is no path that is checked first and used later, so
//! there is nothing to race with (CVE-2018-15664).
//!
//! * A running container is looked at through its first process, in its own mount namespace.
//! * A stopped one is an overlay that is mounted nowhere: the descriptor of `fsmount` is all there is
//!   of it, and it goes with the descriptor.

use crate::state::Status;
use crate::{Containers, Error, Found, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use teu_images::Chain;
use teu_sys::mount::MountAttributes;
use teu_sys::overlay::{Namespace, Overlay};

/// Whether an overlay may be written to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    /// Not.
    Read,
    /// With this upper and work directory.
    Write { upper: &'a Path, work: &'a Path },
}

/// Mounts layers, topmost first, where nobody sees it.
pub(crate) fn overlay(lower: &[PathBuf], access: Access<'_>) -> Result<OwnedFd> {
    if let (Access::Read, [only]) = (access, lower) {
        // overlayfs wants two layers, or an upper one.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        return rustix::fs::open(only, flags, Mode::empty()).map_err(Error::sys("open", only));
    }
    let readonly = matches!(access, Access::Read);
    mount_overlay(lower, access, readonly).map_err(Error::sys("assemble", Path::new("overlay")))
}

/// Likewise, the mount perhaps read-only although there is an upper layer.
pub(crate) fn mount_overlay(
    lower: &[PathBuf],
    access: Access<'_>,
    readonly: bool,
) -> Result<OwnedFd, Errno> {
    let lower: Vec<&Path> = lower.iter().map(PathBuf::as_path).collect();
    let mut attributes = MountAttributes::NODEV | MountAttributes::NOSUID | MountAttributes::NOEXEC;
    if readonly {
        attributes |= MountAttributes::RDONLY;
    }
    let mut options = vec![("metacopy", "off"), ("index", "off")];
    match teu_sys::namespace::is_own_user_namespace() {
        // As good as "off", which the kernel does not take together with `userxattr`.
        true => options.extend([("redirect_dir", "nofollow"), ("userxattr", "")]),
        false => options.push(("redirect_dir", "off")),
    }
    let upper = match access {
        Access::Read => None,
        Access::Write { upper, work } => Some((upper, work)),
    };
    let overlay = Overlay { lower: &lower, upper, options: &options, attributes };
    overlay.mount(Namespace::Shared).map_err(|failure| failure.errno)
}

/// Opens a path beneath a root, following links within the root.
pub(crate) fn open_in(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let relative = path.trim_start_matches('/');
    let relative = if relative.is_empty() { "." } else { relative };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    teu_sys::beneath::openat2(root, relative, flags | OFlags::CLOEXEC, resolve)
}

impl Containers {
    /// The layers of a container's image, topmost first.
    pub(crate) fn chain(&self, found: &Found) -> Result<Chain> {
        Ok(self.images.chain_of(&found.record.diff_ids)?)
    }

    /// The root of a container that runs, in its own mount namespace; `None` when it does not.
    pub(crate) fn running_root(&self, found: &Found) -> Result<Option<OwnedFd>> {
        let state = &found.state;
        if !matches!(state.status, Status::Running | Status::Paused) {
            return Ok(None);
        }
        let Some(pid) = Pid::from_raw(state.pid) else { return Ok(None) };
        let proc = PathBuf::from(format!("/proc/{}", state.pid));
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(None);
        };
        if state.pid_start_ticks != 0 && start_ticks(&proc) != Some(state.pid_start_ticks) {
            return Ok(None);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(root) = rustix::fs::open(proc.join("root"), flags, Mode::empty()) else {
            return Ok(None);
        };
        // Still the same process: what was opened was its own.
        match has_ended(&pidfd) {
            true => Ok(None),
            false => Ok(Some(root)),
        }
    }

    /// The root of a container that does not run, read-only: its own layer over the image's.
    pub(crate) fn stopped_root(&self, found: &Found) -> Result<OwnedFd> {
        let mut lower = vec![self.upper(found)];
        let chain = self.chain(found)?;
        lower.extend(chain.lower.iter().cloned());
        overlay(&lower, Access::Read)
    }

    /// The container's own layer.
    pub(crate) fn upper(&self, found: &Found) -> PathBuf {
        self.home.container(&found.pod.id, &found.record.id).join("upper")
    }
}

/// Field 22 of `/proc/<pid>/stat`, behind the name that may hold anything.
pub(crate) fn start_ticks(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut wanted = [PollFd::new(pidfd, PollFlags::IN)];
    !matches!(poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}
