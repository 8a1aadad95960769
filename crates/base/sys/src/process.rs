//! New processes by `clone3(2)`: namespaces, cgroup and pidfd in one call, without the threads'
//! bookkeeping of `fork(3)`.
//!
//! It refuses by type everything that would share memory, threads or signal handlers with the child.

use crate::checked;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;
use rustix::process::Pid;

/// Which namespaces a child gets anew, and whose child it becomes. Constants may be joined by `|`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CloneFlags(u64);

impl CloneFlags {
    /// A plain copy of the process.
    pub const NONE: Self = Self(0);
    /// A new pid namespace.
    pub const NEW_PID: Self = Self(libc::CLONE_NEWPID as u64);
    /// A new network namespace.
    pub const NEW_NET: Self = Self(libc::CLONE_NEWNET as u64);
    /// A new mount namespace.
    pub const NEW_MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    /// A new IPC namespace.
    pub const NEW_IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// A new UTS namespace.
    pub const NEW_UTS: Self = Self(libc::CLONE_NEWUTS as u64);
    /// A new user namespace, owner of the others made by the same call.
    pub const NEW_USER: Self = Self(libc::CLONE_NEWUSER as u64);
    /// A new cgroup namespace.
    pub const NEW_CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    /// The child becomes a sibling: its parent is the caller's parent.
    pub const SIBLING: Self = Self(libc::CLONE_PARENT as u64);

    /// Whether all of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `self` without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// As the kernel takes them.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for CloneFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for CloneFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// On which side of [`clone3`] one is.
#[derive(Debug)]
pub enum Forked {
    /// In the new process.
    Child,
    /// In the caller.
    Parent {
        /// The child, as seen from the caller's pid namespace.
        pid: Pid,
        /// The same, safe against the reuse of numbers; closed on exec.
        pidfd: OwnedFd,
    },
}

/// Copies the calling process.
///
/// The child has the caller's memory (copy on write) and descriptors, and one thread. The caller
/// should have one thread too: locks that another thread held (the allocator's among them) stay
/// locked in the child for ever. A child that exits does so by [`exit_now`], so that nothing of the
/// caller's (buffers, exit handlers) is done twice. Signal handlers of the caller are taken from the
/// child; signals it ignores stay ignored (see [`crate::signal::restore_defaults`]).
///
/// `cgroup` is a directory of a cgroup v2 hierarchy into which the child is born.
///
/// # Errors
/// The kernel's, `EPERM` and `ENOSPC` (too many namespaces) being the usual ones.
pub fn clone3(flags: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<Forked> {
    const CLEAR_SIGNAL_HANDLERS: u64 = 1 << 32;
    const INTO_CGROUP: u64 = 1 << 33;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: the structure is plain numbers; zero is "not used" for each.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags.0 | libc::CLONE_PIDFD as u64 | CLEAR_SIGNAL_HANDLERS;
    arguments.pidfd = (&raw mut pidfd) as u64;
    // With CLONE_PARENT the kernel takes the caller's own signal and refuses another.
    if !flags.contains(CloneFlags::SIBLING) {
        arguments.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the structure lives through the call and its size is given. Neither CLONE_VM nor a
    // stack is asked for, so the child runs on its own copy of this very stack; CLONE_THREAD,
    // CLONE_SIGHAND and CLONE_FILES cannot be expressed by `CloneFlags`.
    let pid = checked(unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    })?;
    match Pid::from_raw(pid as i32) {
        None => Ok(Forked::Child),
        Some(pid) => {
            // SAFETY: the kernel has just put a new descriptor here, which nobody else knows.
            Ok(Forked::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
        }
    }
}

/// Ends the process at once: no exit handlers, no flushing.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Makes the calling thread act on files as another user and group, its capabilities untouched by
/// the change; returns those it acted as before.
///
/// # Errors
/// The kernel's, when the capabilities could not be kept.
pub fn act_on_files_as(uid: u32, gid: u32) -> Result<(u32, u32)> {
    let before = rustix::thread::capabilities(None)?;
    // SAFETY: numbers only; the calls cannot fail, they return the previous ids.
    let previous =
        unsafe { (libc::syscall(libc::SYS_setfsuid, uid), libc::syscall(libc::SYS_setfsgid, gid)) };
    // Leaving or becoming user 0 changes the effective set.
    rustix::thread::set_capabilities(None, before)?;
    Ok((previous.0 as u32, previous.1 as u32))
}
