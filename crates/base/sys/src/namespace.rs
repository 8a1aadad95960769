//! Leaving namespaces by `unshare(2)`. Joining them is in `rustix` (`rustix::thread`).

use crate::checked;
use crate::process::CloneFlags;
use rustix::io::Result;

/// Moves the calling thread into new namespaces (`SIBLING` is ignored; `NEW_PID` is for children).
///
/// # Errors
/// The kernel's: `EPERM`, or `ENOSPC` when there are too many.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    // SAFETY: namespaces only. CLONE_FILES, which could take descriptors from other threads, cannot
    // be expressed by the type.
    checked(unsafe {
        libc::syscall(libc::SYS_unshare, flags.without(CloneFlags::SIBLING).bits())
    })?;
    Ok(())
}

/// Makes a new time namespace for the children of the calling thread; it may itself be joined
/// through `/proc/self/ns/time_for_children` once its offsets are written.
///
/// # Errors
/// As above.
pub fn unshare_time() -> Result<()> {
    const CLONE_NEWTIME: libc::c_int = 0x80;
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_unshare, CLONE_NEWTIME) })?;
    Ok(())
}
