//! Paths in a container, as descriptors: opened beneath its root, never by name from the host's.
//!
//! `openat2` resolves every path with the container's root as `/`: absolute links, `..` and links in
//! the middle stay inside, and magic links (`/proc/<pid>/fd/…`) are refused. What is missing is made
//! one component at a time, each step again beneath the root. Once a path is a descriptor it is not
//! looked up a second time: what was checked is what is used.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

/// Links followed and components made, at most, while a path is made.
const STEP_LIMIT: usize = 255;

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What is made where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A directory, mode 0755.
    Directory,
    /// An empty file, mode 0644.
    File,
}

/// Opens a path beneath `root` as a handle (`O_PATH`), following links inside.
///
/// # Errors
/// `ELOOP` for magic links and too many links, `ENOENT`, …
pub fn handle(root: impl AsFd, path: impl AsRef<Path>) -> Result<OwnedFd> {
    open(root, path.as_ref(), HANDLE)
}

/// Opens a path beneath `root` with flags of one's own.
///
/// # Errors
/// As above.
pub fn open(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    teu_sys::beneath::openat2(root.as_fd(), inner(path).as_os_str(), flags, INSIDE)
}

/// Like [`handle`], and no component may be a link.
///
/// # Errors
/// `ELOOP` where a link is.
pub fn handle_without_links(root: impl AsFd, path: impl AsRef<Path>) -> Result<OwnedFd> {
    let path = inner(path.as_ref());
    teu_sys::beneath::openat2(
        root.as_fd(),
        path.as_os_str(),
        HANDLE,
        INSIDE | ResolveFlags::NO_SYMLINKS,
    )
}

/// Opens a file beneath a mount's root that is neither a link nor on another mount.
///
/// # Errors
/// `ELOOP`, `EXDEV`, `ENOENT`, …
pub fn open_on_mount(mount: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    teu_sys::beneath::openat2(mount.as_fd(), path.as_os_str(), flags | OFlags::CLOEXEC, resolve)
}

/// The path without its leading slash, `.` for the root.
fn inner(path: &Path) -> &Path {
    let inner = path.strip_prefix("/").unwrap_or(path);
    if inner.as_os_str().is_empty() { Path::new(".") } else { inner }
}

/// What kind of file a handle is of.
///
/// # Errors
/// None in practice.
pub fn kind(file: impl AsFd) -> Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

/// Opens a path beneath `root`, and makes it and the directories above where they are missing.
/// Dangling links are followed inside the root, as container images rely on.
///
/// # Errors
/// The kernel's, `ELOOP` after too many links.
pub fn make(root: impl AsFd, path: impl AsRef<Path>, what: Make) -> Result<OwnedFd> {
    let root = root.as_fd();
    match handle(root, path.as_ref()) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    // Most often only the last component is missing.
    if let Some((directory, name)) = split(path.as_ref())
        && let Ok(directory) = handle(root, directory)
        && make_one(&directory, name.to_bytes(), true, what).is_ok()
    {
        return handle(root, path);
    }
    make_missing(root, path.as_ref(), what)
}

fn make_missing(root: BorrowedFd<'_>, path: &Path, what: Make) -> Result<OwnedFd> {
    let mut ahead: VecDeque<Vec<u8>> = VecDeque::new();
    push_front(&mut ahead, path);
    let mut done = Vec::from(b".");
    let mut current = handle(root, ".")?;
    for _ in 0..STEP_LIMIT {
        let Some(name) = ahead.pop_front() else { return Ok(current) };
        let mut next = done.clone();
        next.push(b'/');
        next.extend_from_slice(&name);
        match handle(root, OsStr::from_bytes(&next)) {
            Ok(file) => (current, done) = (file, next),
            Err(Errno::NOENT) => match make_one(&current, &name, ahead.is_empty(), what) {
                Ok(()) => {
                    current = handle(root, OsStr::from_bytes(&next))?;
                    done = next;
                }
                Err(Errno::EXIST) => {
                    // A dangling link: its target takes its place in what is ahead.
                    let target = rustix::fs::readlinkat(&current, name.as_slice(), Vec::new())?;
                    let target = std::ffi::OsString::from_vec(target.into_bytes());
                    if Path::new(&target).is_absolute() {
                        done = Vec::from(b".");
                        current = handle(root, ".")?;
                    }
                    push_front(&mut ahead, Path::new(&target));
                }
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Err(Errno::LOOP)
}

fn make_one(parent: &OwnedFd, name: &[u8], last: bool, what: Make) -> Result<()> {
    if last && what == Make::File {
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(parent, name, FileType::RegularFile, mode, 0)
    } else {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))
    }
}

fn push_front(ahead: &mut VecDeque<Vec<u8>>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.as_bytes().to_vec()),
            Component::ParentDir => ahead.push_front(b"..".to_vec()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// Splits a path in the container into its directory and last name; `None` for the root itself.
#[must_use]
pub fn split(path: &Path) -> Option<(&Path, CString)> {
    let name = CString::new(path.file_name()?.as_bytes()).ok()?;
    Some((path.parent().unwrap_or_else(|| Path::new("/")), name))
}

#[cfg(test)]
mod tests;
