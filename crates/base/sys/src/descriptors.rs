//! Descriptors by number: closing ranges of them, and taking over what a parent handed down.

use crate::checked;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

/// Marks every descriptor from `first` on as closed by the next exec.
///
/// # Errors
/// `ENOSYS` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: nothing is closed now; a flag is set on whatever is open.
    checked(unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// Takes ownership of a descriptor this process was started with (`LISTEN_FDS`, a number on the
/// command line, …), and marks it closed on exec.
///
/// To be called once for a number, early in `main`, before the program has opened anything that
/// could have got the same number.
///
/// # Errors
/// `EBADF` when nothing is open there; standard streams (0 to 2) are refused with `EINVAL`.
pub fn inherited(number: RawFd) -> Result<OwnedFd> {
    if number <= 2 {
        return Err(Errno::INVAL);
    }
    // SAFETY: F_SETFD on a number that may or may not be open changes nothing else.
    checked(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, and by the contract above it came from our parent and has no owner yet.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from `first` on, for a forked child that will never look at its parent's
/// copies of their owners again: it must leave by exec or [`crate::process::exit_now`].
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_inherited_from(first: u32) -> Result<()> {
    // SAFETY: the caller is a forked child that touches no owner of these numbers any more, so none
    // of them is closed twice or used after it was closed.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) })?;
    Ok(())
}

/// Puts copies of `sources` at the numbers `first`, `first + 1`, …, open across exec, in place of
/// whatever was there. For a child about to exec: descriptors it still needs must have been moved
/// out of the way, and the sources must lie outside the range (`fcntl_dupfd_cloexec` does both).
///
/// # Errors
/// `EBADF`, `EMFILE`; `EINVAL` for a source inside the range.
pub fn place(sources: &[OwnedFd], first: RawFd) -> Result<()> {
    let end = first + sources.len() as RawFd;
    if sources.iter().any(|source| (first..end).contains(&source.as_raw_fd())) {
        return Err(Errno::INVAL);
    }
    for (target, source) in (first..).zip(sources) {
        // SAFETY: numbers only. What had the number is closed; by the contract above nobody in this
        // process uses it any more.
        checked(unsafe { libc::dup3(source.as_raw_fd(), target, 0) }.into())?;
    }
    Ok(())
}

/// Bytes written to a unix stream socket that its peer has not read yet. (Of a TCP socket: that the
/// peer's kernel has not acknowledged.)
///
/// # Errors
/// `ENOTTY` for what is no socket.
pub fn unread_bytes(socket: BorrowedFd<'_>) -> Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one int, which `count` is.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) }.into())?;
    Ok(usize::try_from(count).unwrap_or(0))
}
