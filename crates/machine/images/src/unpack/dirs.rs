//! Directories on the way to an entry, opened once: archives are written depth first, so the way to
//! an entry is nearly always the way to the one before.

use super::{Whiteouts, is_whiteout, whiteout};
use crate::error::{EntryFault, Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Descriptors kept; deeper directories are opened anew each time (a hostile archive only).
const CACHED_LEVELS: usize = 64;

/// Without `O_NOFOLLOW`, which would make a link at the end look like a file (`ENOTDIR`); links are
/// refused by `RESOLVE_NO_SYMLINKS`.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Open directories from the root down.
#[derive(Debug)]
pub(super) struct Dirs {
    root: OwnedFd,
    whiteouts: Whiteouts,
    stack: Vec<(Vec<u8>, OwnedFd)>,
    /// The last directory, where it is deeper than what is kept.
    deep: Option<OwnedFd>,
}

impl Dirs {
    pub(super) fn new(root: OwnedFd, whiteouts: Whiteouts) -> Self {
        Self { root, whiteouts, stack: Vec::new(), deep: None }
    }

    /// The directory at `parents`, made where it is missing; and the paths that were made.
    /// `path` is for messages.
    pub(super) fn parent(
        &mut self,
        parents: &[u8],
        path: &[u8],
    ) -> Result<(BorrowedFd<'_>, Vec<Vec<u8>>)> {
        let mut made = Vec::new();
        self.walk(parents, |dirs, done, name| {
            let dir = dirs.last();
            match open_beneath(dir, name) {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
                        Ok(()) => made.push(done.to_vec()),
                        // A whiteout or link of nothing stands there.
                        Err(Errno::EXIST) => return Err(Error::entry(path, EntryFault::Link)),
                        Err(source) => {
                            return Err(Error::entry_io("create the parent of", path, source));
                        }
                    }
                    open_beneath(dir, name)
                        .map_err(|e| Error::entry_io("open the parent of", path, e))
                }
                Err(Errno::LOOP) => open_in_root(dirs.root.as_fd(), done)
                    .map_err(|_| Error::entry(path, EntryFault::Link)),
                Err(Errno::NOTDIR) if dirs.whiteouts == Whiteouts::Overlay => {
                    made.push(done.to_vec());
                    over_whiteout(dir, name, path)
                }
                Err(Errno::NOTDIR) => Err(Error::entry(path, EntryFault::NotADirectory)),
                Err(source) => Err(Error::entry_io("open the parent of", path, source)),
                Ok(opened) => Ok(opened),
            }
        })?;
        Ok((self.last(), made))
    }

    /// The directory at `parents` if it exists.
    pub(super) fn existing(&mut self, parents: &[u8]) -> Option<BorrowedFd<'_>> {
        self.walk(parents, |dirs, done, name| match open_beneath(dirs.last(), name) {
            Err(Errno::LOOP) => open_in_root(dirs.root.as_fd(), done),
            other => other,
        })
        .ok()?;
        Some(self.last())
    }

    /// The directory the last call gave.
    pub(super) fn last(&self) -> BorrowedFd<'_> {
        match (&self.deep, self.stack.last()) {
            (Some(deep), _) => deep.as_fd(),
            (None, Some((_, top))) => top.as_fd(),
            (None, None) => self.root.as_fd(),
        }
    }

    /// Drops what is kept, because something was removed.
    pub(super) fn forget(&mut self) {
        self.stack.clear();
        self.deep = None;
    }

    /// Goes down to `parents`; `open` is given the path including the name it has to open.
    fn walk<E>(
        &mut self,
        parents: &[u8],
        mut open: impl FnMut(&Self, &[u8], &[u8]) -> Result<OwnedFd, E>,
    ) -> Result<(), E> {
        self.deep = None;
        let (mut level, mut at) = (0, 0);
        while at < parents.len() {
            let end =
                parents[at..].iter().position(|&b| b == b'/').map_or(parents.len(), |n| at + n);
            let name = &parents[at..end];
            at = end + 1;
            level += 1;
            if self.stack.get(level - 1).is_some_and(|(known, _)| known == name) {
                continue;
            }
            self.stack.truncate(level - 1);
            let opened = open(self, &parents[..end], name)?;
            if level <= CACHED_LEVELS {
                self.stack.push((name.to_vec(), opened));
            } else {
                self.deep = Some(opened);
            }
        }
        self.stack.truncate(level);
        Ok(())
    }
}

/// A directory in the place of a whiteout of the same layer: it hides what is below.
fn over_whiteout(dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<OwnedFd> {
    let failed = |e| Error::entry_io("create the parent of", path, e);
    let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    if !is_whiteout(&found) {
        return Err(Error::entry(path, EntryFault::NotADirectory));
    }
    rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(failed)?;
    rustix::fs::mkdirat(dir, name, Mode::RWXU).map_err(failed)?;
    let opened = open_beneath(dir, name).map_err(failed)?;
    whiteout::set_opaque(opened.as_fd()).map_err(failed)?;
    Ok(opened)
}

/// Opens one name as a directory, following nothing.
pub(super) fn open_beneath(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    teu_sys::beneath::openat2(dir, name, FLAGS, resolve)
}

/// Opens a path as a directory, following links as if `root` were `/`.
pub(super) fn open_in_root(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    teu_sys::beneath::openat2(root, path, FLAGS, resolve)
}
