//! One engine on one home.

use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Held as long as the engine lives; the kernel gives it back when it dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "its being open is what counts")] OwnedFd);

impl Lock {
    /// Takes it, or says who has it.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let failed = "lock the home";
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| Error::io(failed)(errno.into()))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = std::fs::read_to_string(&path).unwrap_or_default();
                return Err(Error::conflict(format!(
                    "another engine (process {}) serves {} already: stop it, or give this one another --root",
                    holder.trim(),
                    folder.parent().unwrap_or(folder).display()
                )));
            }
            Err(errno) => return Err(Error::io(failed)(errno.into())),
        }
        // For a person only: who holds the lock is the kernel's to know.
        let _ = rustix::fs::ftruncate(&file, 0);
        let _ = rustix::io::write(&file, format!("{}\n", std::process::id()).as_bytes());
        Ok(Self(file))
    }
}
