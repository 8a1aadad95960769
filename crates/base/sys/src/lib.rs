//! The floor of the house: what the kernel offers and `rustix` does not offer safely, as safe verbs.
//!
//! This is the only crate with `unsafe`. Each verb is small, does one thing, and says why it is
//! sound. What `rustix` already does safely is used from there directly. Nothing here knows what a
//! container is.
//!
//! Most verbs below act on the calling *thread* or copy the calling *process*; they are made for
//! programs that have one thread where they fork. [`process::clone3`] says what a child may do.

pub mod beneath;
pub mod bpf;
pub mod descriptors;
pub mod exec;
pub mod heap;
pub mod keyring;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod overlay;
pub mod process;
pub mod reexec;
pub mod scheduling;
pub mod seccomp;
pub mod signal;

use rustix::io::Errno;

/// The result of a raw system call through libc: -1 and `errno`, or a value.
pub(crate) fn checked(returned: libc::c_long) -> rustix::io::Result<libc::c_long> {
    if returned == -1 {
        Err(std::io::Error::last_os_error()
            .raw_os_error()
            .map_or(Errno::INVAL, Errno::from_raw_os_error))
    } else {
        Ok(returned)
    }
}
