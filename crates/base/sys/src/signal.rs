//! Signals as events: blocked in the mask, read from a descriptor that epoll can wait for.

use crate::checked;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;
use rustix::process::Signal;
use std::mem::MaybeUninit;

/// A set of signals. The kernel's `sigset_t`: bit n-1 is signal n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// All that can be blocked.
    pub const ALL: Self = Self(!0);

    /// These.
    #[must_use]
    pub fn of(signals: &[Signal]) -> Self {
        Self(signals.iter().fold(0, |bits, signal| bits | 1 << (signal.as_raw() - 1)))
    }

    /// All but these.
    #[must_use]
    pub fn all_but(signals: &[Signal]) -> Self {
        Self(!Self::of(signals).0)
    }
}

/// Replaces the mask of blocked signals of the calling thread, and returns what it was.
///
/// # Errors
/// None in practice.
pub fn set_mask(mask: SignalSet) -> Result<SignalSet> {
    let mut before = SignalSet::EMPTY;
    // SAFETY: both sets are eight bytes, as said, and live through the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<u64>(),
        )
    })?;
    Ok(before)
}

/// What a new program expects: nothing blocked, and the signals that our runtime or a `nohup` above
/// us may have ignored at their defaults. For a child before exec.
///
/// # Errors
/// None in practice.
pub fn restore_defaults() -> Result<()> {
    const OFTEN_IGNORED: [libc::c_int; 7] = [
        libc::SIGPIPE,
        libc::SIGCHLD,
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGTSTP,
    ];
    for signal in OFTEN_IGNORED {
        // SAFETY: the default action is always a valid handler, and no state of ours depends on
        // these signals being ignored or handled once this process is about to exec.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    set_mask(SignalSet::EMPTY)?;
    Ok(())
}

/// Writes to a closed pipe return an error instead of ending the process, as in any Rust program;
/// for those started without the standard library's start-up.
pub fn ignore_broken_pipes() {
    // SAFETY: ignoring is always a valid action.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// A descriptor that becomes readable when a signal of its set is pending. The signals must be
/// blocked ([`set_mask`]), or they act as usual.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

/// A signal that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Number.
    pub signal: i32,
    /// Sender, or the child that changed.
    pub pid: u32,
}

impl SignalFd {
    /// Non-blocking, closed on exec.
    ///
    /// # Errors
    /// Too many descriptors.
    pub fn new(set: SignalSet) -> Result<Self> {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the set is eight bytes, as said; -1 asks for a new descriptor.
        let number = checked(unsafe {
            libc::syscall(libc::SYS_signalfd4, -1, &raw const set, size_of::<u64>(), flags)
        })?;
        // SAFETY: it has just been made for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(number as libc::c_int) }))
    }

    /// The next pending signal; `None` when there is none.
    ///
    /// # Errors
    /// None in practice.
    pub fn read(&self) -> Result<Option<Received>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is as long as said, and lives through the call.
        let result = checked(unsafe {
            libc::syscall(libc::SYS_read, self.0.as_raw_fd(), info.as_mut_ptr(), size)
        });
        match result {
            Ok(length) if length as usize == size => {
                // SAFETY: plain numbers, all written by the kernel (and zero before).
                let info = unsafe { info.assume_init() };
                Ok(Some(Received { signal: info.ssi_signo as i32, pid: info.ssi_pid }))
            }
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal by number to the process behind a descriptor; real-time signals have no name.
///
/// # Errors
/// `ESRCH` when it has ended, `EINVAL` for a number that is no signal.
pub fn send(process: BorrowedFd<'_>, number: i32) -> Result<()> {
    // SAFETY: no memory is passed; the descriptor is open as long as it is borrowed.
    checked(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            number,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}
