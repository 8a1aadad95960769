//! How a process is scheduled and what machine it believes to run on: `sched_setattr(2)`,
//! `ioprio_set(2)`, `personality(2)`. All act on the calling thread.

use crate::checked;
use rustix::io::Result;

/// What `sched_setattr` takes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Filled in by [`set_scheduling`].
    pub size: u32,
    /// `SCHED_…`
    pub policy: u32,
    /// `SCHED_FLAG_…`
    pub flags: u64,
    /// For the time-sharing policies.
    pub nice: i32,
    /// For the real-time policies.
    pub priority: u32,
    /// Nanoseconds, for deadline scheduling.
    pub runtime: u64,
    /// Nanoseconds, for deadline scheduling.
    pub deadline: u64,
    /// Nanoseconds, for deadline scheduling.
    pub period: u64,
}

/// Sets the scheduling policy of the calling thread.
///
/// # Errors
/// `EPERM`, `EINVAL`, and `EBUSY` where a deadline cannot be promised.
pub fn set_scheduling(scheduling: Scheduling) -> Result<()> {
    let scheduling = Scheduling { size: size_of::<Scheduling>() as u32, ..scheduling };
    // SAFETY: the structure is the kernel's first version, carries its size and is only read.
    checked(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0) })?;
    Ok(())
}

/// Sets the I/O priority of the calling thread: class 1 real-time, 2 best effort, 3 idle.
///
/// # Errors
/// `EPERM` for real-time without the right, `EINVAL`.
pub fn set_io_priority(class: u8, level: u16) -> Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let priority = (u32::from(class) << CLASS_SHIFT) | u32::from(level);
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority) })?;
    Ok(())
}

/// Sets the execution domain: 0 is Linux, 8 is Linux with a 32-bit `uname`.
///
/// # Errors
/// `EINVAL` for a domain the kernel does not have.
pub fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_personality, domain) })?;
    Ok(())
}
