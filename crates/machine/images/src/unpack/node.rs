//! Making one entry: exclusively, with as few calls as its metadata needs.

use crate::error::{EntryFault, Error, Result};
use crate::tar::{Entry, Kind, Mtime, Reader};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::io::BufRead;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What all entries of one archive are made with.
#[derive(Debug)]
pub(super) struct Creation {
    /// The tree is ours alone and new: what is made belongs to us, without inheriting.
    is_fresh: bool,
    owner: Option<(u32, u32)>,
    own: (u32, u32),
    umask: u32,
    in_user_namespace: bool,
}

impl Creation {
    pub(super) fn new(is_fresh: bool, owner: Option<(u32, u32)>) -> Self {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self {
            is_fresh,
            owner,
            own,
            umask: umask(),
            in_user_namespace: teu_sys::namespace::is_own_user_namespace(),
        }
    }

    /// Makes a file, link, device or pipe with its content and metadata. `EEXIST` comes back as
    /// such, with nothing done.
    pub(super) fn create(
        &self,
        reader: &mut Reader<&mut dyn BufRead>,
        dir: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        match entry.kind {
            Kind::File => return self.file(reader, dir, name, entry),
            Kind::Symlink => {
                if entry.link.is_empty() || entry.link.contains(&0) {
                    return Err(Error::entry(name, EntryFault::Name));
                }
                rustix::fs::symlinkat(entry.link.as_slice(), dir, name)
                    .map_err(|e| Error::entry_io("create symbolic link", name, e))?;
            }
            Kind::Char => self.device(dir, name, entry, FileType::CharacterDevice)?,
            Kind::Block => self.device(dir, name, entry, FileType::BlockDevice)?,
            Kind::Fifo => {
                rustix::fs::mknodat(dir, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .map_err(|e| Error::entry_io("create pipe", name, e))?;
            }
            Kind::Directory | Kind::HardLink => return Err(Error::entry(name, EntryFault::Kind)),
        }
        self.metadata_at(dir, name, entry)
    }

    fn file(
        &self,
        reader: &mut Reader<&mut dyn BufRead>,
        dir: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let plain = entry.mode & 0o777;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(plain))
            .map_err(|e| Error::entry_io("create", name, e))?;
        match &entry.sparse {
            None => copy(reader, &file, name)?,
            Some(map) => {
                for &(offset, length) in &map.fragments {
                    copy_piece(reader, &file, name, offset, length)?;
                }
                rustix::fs::ftruncate(&file, map.real_bytes)
                    .map_err(|e| Error::entry_io("extend", name, e))?;
            }
        }
        if let Some((uid, gid)) = self.owner_to_set(entry) {
            chown(file.as_fd(), uid, gid)
                .map_err(|e| Error::entry_io("set the owner of", name, e))?;
        }
        if !self.is_fresh || entry.mode != plain || plain & self.umask != 0 {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))
                .map_err(|e| Error::entry_io("set the mode of", name, e))?;
        }
        set_xattrs(&entry.xattrs, name, |key, value| {
            rustix::fs::fsetxattr(&file, key, value, XattrFlags::empty())
        })?;
        rustix::fs::futimens(&file, &times(entry.mtime))
            .map_err(|e| Error::entry_io("set the time of", name, e))
    }

    fn device(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        kind: FileType,
    ) -> Result<()> {
        let device = rustix::fs::makedev(entry.device.0, entry.device.1);
        match rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(0o600), device) {
            // A user namespace cannot have devices; images that carry some still work.
            Err(Errno::PERM) if self.in_user_namespace => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(dir, name, flags, Mode::empty())
                    .map_err(|e| Error::entry_io("create", name, e))?;
                Ok(())
            }
            other => other.map_err(|e| Error::entry_io("create device", name, e)),
        }
    }

    /// Owner, mode, attributes and times of what cannot be opened.
    fn metadata_at(&self, dir: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        if let Some((uid, gid)) = self.owner_to_set(entry) {
            let (uid, gid) = ids(uid, gid);
            rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| Error::entry_io("set the owner of", name, e))?;
        }
        if entry.kind != Kind::Symlink {
            // Made by us a moment ago, and not a link: there is nothing to follow.
            rustix::fs::chmodat(dir, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(|e| Error::entry_io("set the mode of", name, e))?;
        }
        if !entry.xattrs.is_empty() {
            let path = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
            set_xattrs(&entry.xattrs, name, |key, value| {
                rustix::fs::lsetxattr(path.as_slice(), key, value, XattrFlags::empty())
            })?;
        }
        rustix::fs::utimensat(dir, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::entry_io("set the time of", name, e))
    }

    fn owner_to_set(&self, entry: &Entry) -> Option<(u32, u32)> {
        let owner = self.owner.unwrap_or((entry.uid, entry.gid));
        (!self.is_fresh || owner != self.own).then_some(owner)
    }
}

/// Overlay's mark that a name is gone.
pub(crate) fn is_whiteout(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice && found.st_rdev == 0
}

pub(super) fn ids(uid: u32, gid: u32) -> (rustix::fs::Uid, rustix::fs::Gid) {
    (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid))
}

pub(super) fn chown(file: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<(), Errno> {
    // -1 would mean "leave as it is".
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    let (uid, gid) = ids(uid, gid);
    rustix::fs::fchown(file, Some(uid), Some(gid))
}

pub(super) fn times(mtime: Mtime) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

/// Sets attributes, but never the overlay's own: those are control input to the kernel.
pub(super) fn set_xattrs(
    xattrs: &[(Vec<u8>, Vec<u8>)],
    name: &[u8],
    mut set: impl FnMut(&[u8], &[u8]) -> Result<(), Errno>,
) -> Result<()> {
    for (key, value) in xattrs {
        if is_overlay_xattr(key) {
            continue;
        }
        match set(key, value) {
            Ok(()) => {}
            // The file system has no such attributes, or (user.* on links and devices, foreign
            // namespaces without privilege) the kernel never allows them here.
            Err(Errno::NOTSUP | Errno::PERM) if !key.starts_with(b"security.capability") => {}
            Err(source) => return Err(Error::entry_io("set an attribute of", name, source)),
        }
    }
    Ok(())
}

/// Says whether an attribute belongs to overlayfs itself.
pub(crate) fn is_overlay_xattr(key: &[u8]) -> bool {
    key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.")
}

fn copy(reader: &mut Reader<&mut dyn BufRead>, file: &OwnedFd, name: &[u8]) -> Result<()> {
    loop {
        let piece = reader.piece()?;
        if piece.is_empty() {
            return Ok(());
        }
        let written =
            rustix::io::write(file, piece).map_err(|e| Error::entry_io("write", name, e))?;
        reader.consume(written);
    }
}

fn copy_piece(
    reader: &mut Reader<&mut dyn BufRead>,
    file: &OwnedFd,
    name: &[u8],
    mut offset: u64,
    mut left: u64,
) -> Result<()> {
    while left > 0 {
        let piece = reader.piece()?;
        if piece.is_empty() {
            return Err(Error::entry(name, EntryFault::Sparse));
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let written = rustix::io::pwrite(file, &piece[..length], offset)
            .map_err(|e| Error::entry_io("write", name, e))?;
        reader.consume(written);
        offset += written as u64;
        left -= written as u64;
    }
    Ok(())
}

/// The bits that `open` takes away; all of them where that cannot be told, so that modes are set
/// explicitly.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o777)
}
