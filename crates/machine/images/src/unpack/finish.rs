//! The end of an unpacking: what needs the layers below, then the directories' own metadata.

use super::dirs::open_beneath;
use super::lower::{self, Found};
use super::node::{chown, set_xattrs, times};
use super::{DirectoryMeta, Unpacked, Unpacker, path};
use crate::error::{EntryFault, Error, Result};
use crate::tar::Mtime;
use crate::tree::read_xattrs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

impl Unpacker {
    /// Says whether [`Unpacker::finish`] will look at the layers below.
    pub(crate) fn needs_layers(&self) -> bool {
        !self.has_root || !self.links.is_empty() || !self.implicit.is_empty()
    }

    /// Completes the tree over the layers below (topmost first).
    pub(crate) fn finish(mut self, layers: &[OwnedFd]) -> Result<Unpacked> {
        for (link, target) in std::mem::take(&mut self.links) {
            self.link_from_below(&link, &target, layers)?;
        }
        self.describe_implicit(layers)?;
        let directories = std::mem::take(&mut self.directories);
        // Backwards, so that a closed directory is reached before its parent is closed.
        for directory in directories.iter().rev() {
            self.directory_metadata(directory)?;
        }
        Ok(self.done)
    }

    /// A hard link whose target may have come later in this layer, or is below: an overlay cannot
    /// link across layers, so the file is copied up, as the overlay itself would do.
    fn link_from_below(&mut self, link: &[u8], target: &[u8], layers: &[OwnedFd]) -> Result<()> {
        let Some((name, parents)) = path::split(link) else {
            return Err(Error::entry(link, EntryFault::HardLink));
        };
        self.dirs.parent(parents, link)?;
        match self.link_within(link, name, target)? {
            super::LinkOutcome::NoTarget => {}
            // What stands there came after the link, and so replaces it.
            super::LinkOutcome::Made | super::LinkOutcome::InTheWay => return Ok(()),
        }
        let found = lower::lookup(layers, target)
            .filter(|found| !found.is(FileType::Directory))
            .ok_or_else(|| Error::entry(link, EntryFault::HardLink))?;
        let (dir, _) = self.dirs.parent(parents, link)?;
        copy_node(&found, dir, name).map_err(|e| Error::entry_io("copy the target of", link, e))
    }

    /// Directories that no entry describes look like those below, or like nobody cared.
    fn describe_implicit(&mut self, layers: &[OwnedFd]) -> Result<()> {
        let mut implicit = std::mem::take(&mut self.implicit);
        if !self.has_root && self.options.whiteouts == super::Whiteouts::Overlay {
            implicit.push(Vec::new());
        }
        let described: std::collections::HashSet<Vec<u8>> =
            self.directories.iter().map(|meta| meta.path.clone()).collect();
        for path in implicit {
            if described.contains(&path) {
                continue;
            }
            let below = lower::lookup(layers, &path).filter(|found| found.is(FileType::Directory));
            let meta = match below {
                Some(found) => like(&found, path)?,
                None => DirectoryMeta {
                    path,
                    mode: 0o755,
                    owner: self.options.owner.unwrap_or((0, 0)),
                    mtime: Mtime::default(),
                    xattrs: Vec::new(),
                },
            };
            self.directories.push(meta);
        }
        Ok(())
    }

    fn directory_metadata(&mut self, meta: &DirectoryMeta) -> Result<()> {
        let Some(dir) = self.open_directory(&meta.path) else {
            // A later entry took its place.
            return Ok(());
        };
        let name = &meta.path;
        let (uid, gid) = meta.owner;
        chown(dir.as_fd(), uid, gid).map_err(|e| Error::entry_io("set the owner of", name, e))?;
        rustix::fs::fchmod(&dir, Mode::from_raw_mode(meta.mode & 0o7777))
            .map_err(|e| Error::entry_io("set the mode of", name, e))?;
        set_xattrs(&meta.xattrs, name, |key, value| {
            rustix::fs::fsetxattr(&dir, key, value, XattrFlags::empty())
        })?;
        rustix::fs::futimens(&dir, &times(meta.mtime))
            .map_err(|e| Error::entry_io("set the time of", name, e))
    }

    fn open_directory(&mut self, directory: &[u8]) -> Option<OwnedFd> {
        match path::split(directory) {
            None => self.dirs.existing(b"")?.try_clone_to_owned().ok(),
            Some((name, parents)) => open_beneath(self.dirs.existing(parents)?, name).ok(),
        }
    }
}

fn like(found: &Found, path: Vec<u8>) -> Result<DirectoryMeta> {
    let dir = found.open().map_err(|e| Error::entry_io("open below", &path, e))?;
    let xattrs = read_xattrs(dir.as_fd()).map_err(|e| Error::entry_io("read below", &path, e))?;
    let stat = &found.stat;
    Ok(DirectoryMeta {
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        mtime: mtime(stat),
        xattrs,
        path,
    })
}

pub(crate) fn mtime(stat: &rustix::fs::Stat) -> Mtime {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Mtime { seconds: stat.st_mtime, nanoseconds }
}

/// Copies one file, link, device or pipe with all its metadata.
fn copy_node(found: &Found, dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let (stat, from) = (&found.stat, found.name.as_slice());
    let kind = FileType::from_raw_mode(stat.st_mode);
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    let times = times(mtime(stat));
    match kind {
        FileType::RegularFile => {
            let source = found.open()?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let copy = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
            copy_content(&source, &copy)?;
            chown(copy.as_fd(), stat.st_uid, stat.st_gid)?;
            rustix::fs::fchmod(&copy, mode)?;
            for (key, value) in read_xattrs(source.as_fd())? {
                rustix::fs::fsetxattr(&copy, key.as_slice(), &value, XattrFlags::empty())?;
            }
            return rustix::fs::futimens(&copy, &times);
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&found.dir, from, Vec::new())?;
            rustix::fs::symlinkat(target, dir, name)?;
        }
        _ => rustix::fs::mknodat(dir, name, kind, mode, stat.st_rdev)?,
    }
    let (uid, gid) = super::node::ids(stat.st_uid, stat.st_gid);
    rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != FileType::Symlink {
        rustix::fs::chmodat(dir, name, mode, AtFlags::empty())?;
    }
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

fn copy_content(source: &OwnedFd, copy: &OwnedFd) -> rustix::io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = rustix::io::read(source, &mut buffer[..])?;
        let mut rest = &buffer[..length];
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(copy, rest)?..];
        }
    }
}
