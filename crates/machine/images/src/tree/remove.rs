//! Removing a tree of any depth, never leaving it.

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Levels held open at once; what lies deeper is moved up and removed from there.
const LEVELS: usize = 64;
/// Names tried for a directory that is moved; somebody may have left such names on purpose.
const ATTEMPTS: usize = 10_000;

/// Removes an entry with all beneath it. Absent is as good as removed. Mount points are refused by
/// the kernel, links are removed as links.
pub fn remove_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(source) => return Err(source),
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(source) => return Err(source),
    }
    let top = open(dir, name)?;
    remove_all_in(top.as_fd())?;
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// As [`remove_at`], by a path of ours.
pub fn remove(path: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(()),
        parent => remove_at(parent?.as_fd(), name.as_bytes()),
    }
}

/// Removes all that is in a directory.
pub fn remove_all_in(top: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut moved = 0;
    loop {
        let before = moved;
        level(top, top, 0, &mut moved)?;
        if moved == before {
            return Ok(());
        }
    }
}

fn level(
    top: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> Result<(), Errno> {
    for name in super::names(dir)? {
        match rustix::fs::unlinkat(dir, name.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(source) => return Err(source),
        }
        match rustix::fs::unlinkat(dir, name.as_slice(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(source) => return Err(source),
        }
        if depth >= LEVELS {
            move_aside(dir, &name, top, moved)?;
            continue;
        }
        let inner = open(dir, &name)?;
        level(top, inner.as_fd(), depth + 1, moved)?;
        match rustix::fs::unlinkat(dir, name.as_slice(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(source) => return Err(source),
        }
    }
    Ok(())
}

/// Moves a deep directory to the top under a name that nobody has there.
fn move_aside(
    dir: BorrowedFd<'_>,
    name: &[u8],
    top: BorrowedFd<'_>,
    moved: &mut u64,
) -> Result<(), Errno> {
    for _ in 0..ATTEMPTS {
        *moved += 1;
        let aside = format!(".teu-removed-{moved}");
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(dir, name, top, aside.as_str(), flags) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
    Err(Errno::EXIST)
}

/// Opens a directory; one whose mode locks its owner out is unlocked first.
fn open(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(dir, name, flags, Mode::empty())
        }
        other => other,
    }
}
