//! Running from a copy of oneself that nobody can write to (CVE-2019-5736).
//!
//! A process of ours that enters a container can be reached there as `/proc/<pid>/exe`. Opened for
//! writing once it has gone, that link would replace the program on the host. So whoever enters a
//! container runs from a detached, read-only mount of the program's file: writing through it fails
//! with `EROFS` for ever, whatever the caller's rights on the file are. Where mounts cannot be made,
//! a sealed copy in memory does the same at the price of a copy.

use crate::exec::{CStrings, exec_descriptor};
use crate::mount::{Change, MountAttributes, set_attributes};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, Result};
use rustix::mount::OpenTreeFlags;
use std::ffi::CStr;

const SELF: &CStr = c"/proc/self/exe";
const ALL_SEALS: SealFlags =
    SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Whether this process already runs from a file that cannot be written through `/proc/self/exe`.
///
/// # Errors
/// No `/proc`.
pub fn is_protected() -> Result<bool> {
    let status = rustix::fs::statvfs(SELF)?;
    if status.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Ok(true);
    }
    let file = rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::fs::fcntl_get_seals(file).is_ok_and(|seals| seals.contains(ALL_SEALS)))
}

/// A descriptor from which this very program can be executed, and not written: a detached read-only
/// mount, or a sealed copy in memory. Closed on exec.
///
/// # Errors
/// No `/proc`, or no memory for the copy.
pub fn protected_self() -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mounted = rustix::mount::open_tree(CWD, SELF, flags).and_then(|tree| {
        let change = Change { set: MountAttributes::RDONLY, ..Change::default() };
        set_attributes(tree.as_fd(), change).map(|()| tree)
    });
    match mounted {
        Ok(tree) => Ok(tree),
        Err(_) => sealed_copy(),
    }
}

/// A copy of this program in memory that can never change.
///
/// # Errors
/// No `/proc`, or no memory.
pub fn sealed_copy() -> Result<OwnedFd> {
    let source = rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC says that it is meant to be executed; kernels before 6.3 do not know it.
    let copy = rustix::fs::memfd_create(c"teu", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create(c"teu", flags))?;
    let mut left = rustix::fs::fstat(&source)?.st_size as usize;
    while left > 0 {
        match rustix::fs::sendfile(&copy, &source, None, left)? {
            0 => return Err(Errno::IO),
            sent => left -= sent,
        }
    }
    rustix::fs::fcntl_add_seals(&copy, ALL_SEALS)?;
    Ok(copy)
}

/// Makes sure that this process runs from a protected file: returns at once when it does, starts
/// itself again from one (same arguments and environment) when not. For the first line of `main`.
///
/// # Errors
/// When the copy could not be made or executed; the caller must not enter a container then.
pub fn ensure_protected(arguments: &CStrings, environment: &CStrings) -> Result<()> {
    if is_protected()? {
        return Ok(());
    }
    let copy = protected_self()?;
    Err(exec_descriptor(copy.as_fd(), arguments, environment))
}
