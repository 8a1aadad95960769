//! Paths beneath a descriptor: the only way this crate touches files of a context or an image.
//!
//! Links are followed as the container would see them: within the root, never out of it, never
//! through `/proc`'s magic ones (CVE-2024-23651 to -23653).

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::{Errno, Result};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Links to directories that do not exist yet, followed one after another.
const DANGLING_LIMIT: u32 = 40;
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Opens a path as the container would see it.
pub fn open(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let path = relative(path);
    teu_sys::beneath::openat2(root, path, flags | OFlags::CLOEXEC, INSIDE)
}

/// Opens a path of which no component is a link.
pub fn open_plain(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = relative(path);
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    teu_sys::beneath::openat2(root, path, flags, resolve)
}

/// Opens what an `O_PATH` descriptor stands for.
pub fn reopen(handle: impl AsFd, flags: OFlags) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    rustix::fs::openat(rustix::fs::CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

fn relative(path: &Path) -> PathBuf {
    let inner: PathBuf = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .collect();
    if inner.as_os_str().is_empty() { PathBuf::from(".") } else { inner }
}

/// Status of a path, its last component not followed.
pub fn stat(root: impl AsFd, path: &Path) -> Result<Stat> {
    let parent = open(
        &root,
        path.parent().unwrap_or_else(|| Path::new("")),
        OFlags::PATH | OFlags::DIRECTORY,
    )?;
    match path.file_name() {
        Some(name) => rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW),
        None => rustix::fs::fstat(&parent),
    }
}

/// How directories that are missing are made.
#[derive(Debug, Clone, Copy)]
pub struct NewDirectory {
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub owner: (u32, u32),
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
}

/// Opens a directory, making what is missing of its path; the times of directories that were there
/// stay as they were. Says whether anything was made.
pub fn make_directories(
    root: impl AsFd,
    path: &Path,
    new: NewDirectory,
) -> Result<(OwnedFd, bool)> {
    make_at_depth(root.as_fd(), path, new, 0)
}

fn make_at_depth(
    root: rustix::fd::BorrowedFd<'_>,
    path: &Path,
    new: NewDirectory,
    depth: u32,
) -> Result<(OwnedFd, bool)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open(root, path, flags) {
        Err(Errno::NOENT) if depth < DANGLING_LIMIT => {}
        other => return other.map(|fd| (fd, false)),
    }
    let (Some(parent_path), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::NOENT);
    };
    let (parent, _) = make_at_depth(root, parent_path, new, depth)?;
    match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => {
            // A link to nowhere: what it names is made, as the container would.
            let target = rustix::fs::readlinkat(&parent, name, Vec::new())?;
            let target = PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes()));
            let target = if target.is_absolute() { target } else { parent_path.join(target) };
            return make_at_depth(root, &target, new, depth + 1);
        }
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let before = rustix::fs::fstat(&parent)?;
    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(new.mode))?;
    let made = rustix::fs::openat(
        &parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    chown(&made, new.owner)?;
    rustix::fs::fchmod(&made, Mode::from_raw_mode(new.mode))?;
    rustix::fs::futimens(&made, &times(new.mtime, 0))?;
    restore_times(&parent, &before)?;
    Ok((made, true))
}

/// Gives a file to a user and group.
pub fn chown(file: impl AsFd, (uid, gid): (u32, u32)) -> Result<()> {
    let uid = rustix::process::Uid::from_raw_unchecked(uid);
    let gid = rustix::process::Gid::from_raw_unchecked(gid);
    rustix::fs::fchown(file, Some(uid), Some(gid))
}

/// Sets a directory's modification time to what it was.
pub fn restore_times(directory: impl AsFd, before: &Stat) -> Result<()> {
    let times = times(before.st_mtime, i64::try_from(before.st_mtime_nsec).unwrap_or(0));
    match reopen(directory, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(open) => rustix::fs::futimens(open, &times),
        Err(errno) => Err(errno),
    }
}

/// Both times at one instant.
pub fn times(seconds: i64, nanoseconds: i64) -> Timestamps {
    let at = Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    Timestamps { last_access: at, last_modification: at }
}
