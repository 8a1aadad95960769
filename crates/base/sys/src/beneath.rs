//! `openat2`, asked again where the kernel says so.
//!
//! With `..` in a path that must stay beneath a root, the kernel cannot tell a harmless path from
//! an escape when something is renamed or mounted anywhere meanwhile, and answers `EAGAIN`; asking
//! again is the documented way (openat2(2)). Every caller of ours comes through here, so that a busy
//! machine never turns into an error.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// Races lost one after another before the error is believed.
const TRIES: u32 = 1024;

/// Opens what is there (nothing is created), resolved as `resolve` says.
///
/// # Errors
/// The kernel's; `EAGAIN` after a thousand lost races.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may call it")]
pub fn openat2(
    root: impl AsFd,
    path: impl Arg,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    let root = root.as_fd();
    path.into_with_c_str(|path| {
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    })
}
