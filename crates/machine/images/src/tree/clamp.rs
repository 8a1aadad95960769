//! Modification times that are not later than a given one, in a whole tree.

use crate::error::{Error, Result};
use crate::tar::Mtime;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// Sets later times to `clamp`, so that an adopted directory is what its layer would unpack to.
pub(crate) fn clamp_times(dir: BorrowedFd<'_>, clamp: i64) -> Result<()> {
    clamp_in(dir, clamp)
        .map_err(|e| Error::stream("set modification times", std::io::Error::from(e)))
}

fn clamp_in(top: BorrowedFd<'_>, clamp: i64) -> rustix::io::Result<()> {
    let limit = Mtime { seconds: clamp, nanoseconds: 0 };
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: clamp, tv_nsec: 0 },
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Directories by what they are in, which is open as long as one of them waits.
    let top = Rc::new(rustix::fs::openat(top, ".", flags, Mode::empty())?);
    let mut pending = vec![(top, b".".to_vec())];
    while let Some((parent, name)) = pending.pop() {
        let dir = Rc::new(rustix::fs::openat(&*parent, name.as_slice(), flags, Mode::empty())?);
        drop(parent);
        for name in super::names(dir.as_fd())? {
            let stat = rustix::fs::statat(&*dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
            if crate::unpack::mtime(&stat) > limit {
                rustix::fs::utimensat(&*dir, name.as_slice(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                pending.push((dir.clone(), name));
            }
        }
    }
    Ok(())
}
