//! The first use of a volume: what the image has at the mount point is copied into it.
//!
//! Source and target are both strangers' trees. Every step is one name beneath a descriptor that is
//! already open, links are copied and never followed, special files are made anew rather than
//! opened. Ownership, modes, times, extended attributes and hard links are kept. The copy is made
//! beside `_data` and renamed over it, so an interrupted first use leaves a volume that is still new.

use crate::store::{Volume, mark_initialised};
use crate::{Error, Result};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most files, directories and links copied into one volume.
pub const ENTRY_LIMIT: u64 = 4_000_000;
/// Deepest directory.
const DEPTH_LIMIT: usize = 1024;
/// Largest list of names, or value, of extended attributes (the kernel's own bound).
const XATTR_LIMIT_BYTES: usize = 64 << 10;
const INCOMING: &str = "_incoming";

/// What a first use has copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Files, directories, links.
    pub entries: u64,
    /// Content of files.
    pub bytes: u64,
}

impl Volume {
    /// Fills a volume that is new from `path` beneath `root`, the image's root. Does nothing for a
    /// volume that has been used, that has content, or that is a mount of its own. Concurrent first
    /// uses wait for each other.
    pub fn fill(&self, root: BorrowedFd<'_>, path: &str) -> Result<CopyReport> {
        if self.record.initialised || !self.record.options.is_empty() {
            return Ok(CopyReport::default());
        }
        let _lock = self.lock()?;
        let fresh = crate::store::read_record(self.dir())?;
        if fresh.is_none_or(|record| record.initialised) {
            return Ok(CopyReport::default());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let source = match teu_sys::beneath::openat2(root, relative, flags, resolve) {
            Ok(source) => source,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                mark_initialised(self)?;
                return Ok(CopyReport::default());
            }
            Err(errno) => return Err(self.failed("open", errno)),
        };
        let report = if self.is_empty()? { self.copy(&source)? } else { CopyReport::default() };
        mark_initialised(self)?;
        Ok(report)
    }

    fn failed(&self, what: &'static str, errno: Errno) -> Error {
        Error::io(what, &self.path())(errno.into())
    }

    fn is_empty(&self) -> Result<bool> {
        let path = self.path();
        let mut entries = fs::read_dir(&path).map_err(Error::io("list", &path))?;
        Ok(entries.next().is_none())
    }

    fn copy(&self, source: &OwnedFd) -> Result<CopyReport> {
        let incoming = self.dir().join(INCOMING);
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &incoming)(error));
            }
            _ => {}
        }
        fs::create_dir(&incoming).map_err(Error::io("create", &incoming))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = rustix::fs::open(&incoming, flags, Mode::empty())
            .map_err(|errno| self.failed("open", errno))?;
        let mut copier =
            Copier { volume: self, report: CopyReport::default(), links: HashMap::new() };
        copier.tree(source, &target, &target, String::new())?;
        rustix::fs::renameat(CWD, &incoming, CWD, self.path())
            .map_err(|errno| self.failed("fill", errno))?;
        Ok(copier.report)
    }
}

struct Copier<'a> {
    volume: &'a Volume,
    report: CopyReport,
    /// Where in the target the first name of a hard-linked inode went.
    links: HashMap<(u64, u64), CString>,
}

impl Copier<'_> {
    fn failed(&self, what: &'static str) -> impl Fn(Errno) -> Error + use<'_> {
        move |errno| self.volume.failed(what, errno)
    }

    fn tree(&mut self, from: &OwnedFd, to: &OwnedFd, top: &OwnedFd, at: String) -> Result<()> {
        if at.bytes().filter(|b| *b == b'/').count() > DEPTH_LIMIT {
            return Err(self.volume.failed("descend further in", Errno::NAMETOOLONG));
        }
        let entries =
            rustix::fs::Dir::read_from(from).map_err(self.failed("list the image for"))?;
        for entry in entries {
            let entry = entry.map_err(self.failed("list the image for"))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.report.entries += 1;
            if self.report.entries > ENTRY_LIMIT {
                let volume = self.volume.name().to_owned();
                return Err(Error::TooMany { volume, limit: ENTRY_LIMIT });
            }
            self.entry(from, to, top, name, &at)?;
        }
        let stat = rustix::fs::fstat(from).map_err(self.failed("stat the image for"))?;
        self.finish(from, to, &stat)
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        top: &OwnedFd,
        name: &CStr,
        at: &str,
    ) -> Result<()> {
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed("stat the image for"))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let within = format!("{at}{}", String::from_utf8_lossy(name.to_bytes()));
        if !kind.is_dir() && stat.st_nlink > 1 && within.len() < 4096 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                return rustix::fs::linkat(top, first, to, name, AtFlags::empty())
                    .map_err(self.failed("link in"));
            }
            let mut path = at.as_bytes().to_vec();
            path.extend_from_slice(name.to_bytes());
            if let Ok(path) = CString::new(path) {
                self.links.insert((stat.st_dev, stat.st_ino), path);
            }
        }
        let open = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match kind {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::RWXU).map_err(self.failed("create in"))?;
                let dir = OFlags::RDONLY | OFlags::DIRECTORY | open;
                let child = rustix::fs::openat(from, name, dir, Mode::empty())
                    .map_err(self.failed("read the image for"))?;
                let made = rustix::fs::openat(to, name, dir, Mode::empty())
                    .map_err(self.failed("create in"))?;
                self.tree(&child, &made, top, format!("{within}/"))
            }
            FileType::RegularFile => {
                let read = OFlags::RDONLY | OFlags::NONBLOCK | open;
                let source = rustix::fs::openat(from, name, read, Mode::empty())
                    .map_err(self.failed("read the image for"))?;
                let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | open;
                let target = rustix::fs::openat(to, name, write, Mode::RUSR | Mode::WUSR)
                    .map_err(self.failed("create in"))?;
                self.content(&source, &target)?;
                self.finish(&source, &target, &stat)
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, name, Vec::new())
                    .map_err(self.failed("read the image for"))?;
                rustix::fs::symlinkat(&link, to, name).map_err(self.failed("link in"))?;
                self.own(to, name, &stat)
            }
            _ => {
                let mode = Mode::from_raw_mode(stat.st_mode);
                rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev)
                    .map_err(self.failed("create in"))?;
                self.own(to, name, &stat)?;
                rustix::fs::chmodat(to, name, mode, AtFlags::empty())
                    .map_err(self.failed("set the mode in"))
            }
        }
    }

    /// A clone where the file system can, else a copy inside the kernel.
    fn content(&mut self, source: &OwnedFd, target: &OwnedFd) -> Result<()> {
        if rustix::fs::ioctl_ficlone(target, source).is_ok() {
            return Ok(());
        }
        loop {
            match rustix::fs::copy_file_range(source, None, target, None, 1 << 30) {
                Ok(0) => return Ok(()),
                Ok(count) => self.report.bytes += count as u64,
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => break,
                Err(errno) => return Err(self.volume.failed("copy into", errno)),
            }
        }
        let mut reader = fs::File::from(
            source.try_clone().map_err(Error::io("copy into", &self.volume.path()))?,
        );
        let mut writer = fs::File::from(
            target.try_clone().map_err(Error::io("copy into", &self.volume.path()))?,
        );
        self.report.bytes += std::io::copy(&mut reader, &mut writer)
            .map_err(Error::io("copy into", &self.volume.path()))?;
        Ok(())
    }

    /// Owner first: a change of owner clears set-id bits and file capabilities.
    fn finish(&self, from: &OwnedFd, to: &OwnedFd, stat: &Stat) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(to, Some(uid), Some(gid)).map_err(self.failed("set the owner in"))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        rustix::fs::fchmod(to, mode).map_err(self.failed("set the mode in"))?;
        self.attributes(from, to)?;
        rustix::fs::futimens(to, &times(stat)).map_err(self.failed("set the time in"))
    }

    fn own(&self, to: &OwnedFd, name: &CStr, stat: &Stat) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed("set the owner in"))?;
        rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed("set the time in"))
    }

    /// overlayfs's own attributes say something about the layer, not about the content.
    fn attributes(&self, from: &OwnedFd, to: &OwnedFd) -> Result<()> {
        let mut names = vec![0_u8; XATTR_LIMIT_BYTES];
        let length = match rustix::fs::flistxattr(from, &mut names[..]) {
            Ok(length) => length,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(errno) => return Err(self.volume.failed("read attributes for", errno)),
        };
        let mut value = vec![0_u8; XATTR_LIMIT_BYTES];
        for name in names[..length].split_inclusive(|byte| *byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            let bytes = name.to_bytes();
            if bytes.starts_with(b"trusted.overlay.") || bytes.starts_with(b"user.overlay.") {
                continue;
            }
            let Ok(length) = rustix::fs::fgetxattr(from, name, &mut value[..]) else { continue };
            match rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(self.volume.failed("set attributes in", errno)),
            }
        }
        Ok(())
    }
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
    }
}
