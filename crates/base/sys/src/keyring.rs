//! Session keyrings, `keyctl(2)`.

use crate::checked;
use rustix::io::Result;
use std::ffi::CStr;

/// Joins the session keyring of that name, made when there is none: the caller's keys are out of
/// reach afterwards. Returns its serial number.
///
/// # Errors
/// `ENOSYS` where the kernel has no keyrings, `EDQUOT` when the user has too many.
pub fn join_session(name: &CStr) -> Result<i32> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is ended by zero and only read.
    let serial =
        checked(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    Ok(serial as i32)
}
