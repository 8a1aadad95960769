//! Session keyrings, `keyctl(2)`.

use crate::checked;
use rustix::io::Result;
use std::ffi::CStr;

/// Joins the session keyring of that name (a new one of its own without), made when there is none:
/// the caller's keys are out of reach afterwards. Returns its serial number.
///
/// # Errors
/// `ENOSYS` where the kernel has no keyrings, `EDQUOT` when the user has too many.
pub fn join_session(name: Option<&CStr>) -> Result<i32> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    let name = name.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the name is null or ended by zero, and only read.
    let serial = checked(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name) })?;
    Ok(serial as i32)
}
