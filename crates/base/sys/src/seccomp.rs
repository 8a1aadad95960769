//! Installing a filter of system calls, `seccomp(2)`.

use crate::checked;
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};

/// One instruction of the filter, as the kernel takes it (`struct sock_filter`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump when true.
    pub jt: u8,
    /// Jump when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Tell the log about what is not allowed.
pub const FLAG_LOG: u64 = 2;
/// Do not lower the processor's speed to guard against Spectre.
pub const FLAG_SPEC_ALLOW: u64 = 4;
/// Return a descriptor through which calls are reported.
pub const FLAG_NEW_LISTENER: u64 = 8;
/// A reported call waits in a way only a fatal signal ends.
pub const FLAG_WAIT_KILLABLE_RECV: u64 = 32;

/// Longest filter the kernel takes, in instructions.
pub const INSTRUCTION_LIMIT: usize = 4096;

/// Installs a filter on the calling thread. Needs `no_new_privs` or `CAP_SYS_ADMIN`.
/// With [`FLAG_NEW_LISTENER`] the reporting descriptor is returned.
///
/// # Errors
/// `EACCES` without the right, `EINVAL` for a program the kernel does not accept.
pub fn install(filter: &[Instruction], flags: u64) -> Result<Option<OwnedFd>> {
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        filter: *const Instruction,
    }
    const SET_MODE_FILTER: libc::c_uint = 1;
    if filter.is_empty() || filter.len() > INSTRUCTION_LIMIT {
        return Err(Errno::INVAL);
    }
    let program = Program { length: filter.len() as libc::c_ushort, filter: filter.as_ptr() };
    // SAFETY: the program points at a slice that lives through the call, with its length; the
    // kernel copies and checks it.
    let returned = checked(unsafe {
        libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program)
    })?;
    if flags & FLAG_NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: with this flag the kernel returns a new descriptor.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(returned as libc::c_int) }))
}
