//! Trees of files, walked by descriptors: written as a deterministic tar, or removed.
//!
//! The same tree gives the same bytes: sorted names, no names of users, times in whole seconds unless
//! asked otherwise, attributes sorted. No link is ever followed and no device ever opened.

use crate::error::{EntryFault, Error, Result, UpperFault};
use crate::limits::Limits;
use crate::tar::{Builder, Kind, Mtime, WriteEntry};
use crate::unpack::{is_overlay_xattr, is_whiteout, whiteout};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

mod clamp;
mod remove;
mod xattr;

pub(crate) use clamp::clamp_times;
pub use remove::{remove, remove_all_in, remove_at};
pub(crate) use xattr::{read_xattrs, read_xattrs_at};

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeKind {
    /// A plain tree: what is there is written.
    #[default]
    Plain,
    /// An overlay's upper directory: whiteouts and opaque directories become `.wh.` entries.
    OverlayUpper,
}

/// How a tree is written.
#[derive(Debug, Clone, Default)]
pub struct TreeOptions {
    /// What the directory is.
    pub kind: TreeKind,
    /// Later modification times become this one (seconds since 1970).
    pub mtime_clamp: Option<i64>,
    /// What every entry's name begins with, without a slash at its end.
    pub prefix: Option<Vec<u8>>,
    /// An entry for the directory itself, too: the prefix, or `./`.
    pub with_root: bool,
    /// Keep fractions of seconds of modification times.
    pub subseconds: bool,
    /// Leave out extended attributes.
    pub without_xattrs: bool,
    /// What lies on other file systems is left out, but for its mount point.
    pub one_file_system: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
}

/// Writes all beneath `dir` as a tar, sorted by name.
pub fn write_tree(dir: BorrowedFd<'_>, options: &TreeOptions, out: &mut dyn Write) -> Result<()> {
    write_counted(dir, options, out).map(|_| ())
}

/// As [`write_tree`], and says how much it was.
pub fn write_counted(
    dir: BorrowedFd<'_>,
    options: &TreeOptions,
    out: &mut dyn Write,
) -> Result<Written> {
    let mut walk = Walk::new(options, out);
    let stat = rustix::fs::fstat(dir).map_err(|e| walk.failed("look at", b"", e))?;
    walk.device = stat.st_dev;
    let prefix = options.prefix.clone().unwrap_or_default();
    if options.with_root {
        let name = if prefix.is_empty() { b"." } else { prefix.as_slice() };
        let xattrs =
            if options.without_xattrs { Vec::new() } else { walk.xattrs(dir, b".", b"", &stat)? };
        walk.start(name, b"", Kind::Directory, &stat, &xattrs)?;
    }
    walk.directory(dir, &prefix)?;
    walk.end()
}

/// Writes one entry of `dir` (a file, or a directory with all beneath it), named by the prefix, or
/// as it is named.
pub fn write_entry(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    options: &TreeOptions,
    out: &mut dyn Write,
) -> Result<()> {
    let mut walk = Walk::new(options, out);
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| walk.failed("look at", name.as_bytes(), e))?;
    walk.device = stat.st_dev;
    let path = options.prefix.clone().unwrap_or_else(|| name.as_bytes().to_vec());
    if let Some(inner) = walk.entry(dir, name.as_bytes(), &path, &stat)? {
        walk.directory(inner.as_fd(), &path)?;
    }
    walk.end().map(|_| ())
}

struct Walk<'a> {
    options: &'a TreeOptions,
    tar: Builder<&'a mut dyn Write>,
    /// Where files of several names were first seen.
    links: HashMap<(u64, u64), Vec<u8>>,
    device: u64,
    buffer: Vec<u8>,
    done: Written,
}

/// A directory that is open, and what of it is still to come.
struct Level {
    dir: OwnedFd,
    path: Vec<u8>,
    names: std::vec::IntoIter<Vec<u8>>,
}

const BUFFER_BYTES: usize = 1 << 20;

impl<'a> Walk<'a> {
    fn new(options: &'a TreeOptions, out: &'a mut dyn Write) -> Self {
        Self {
            options,
            tar: Builder::new(out),
            links: HashMap::new(),
            device: 0,
            buffer: Vec::new(),
            done: Written::default(),
        }
    }

    fn end(self) -> Result<Written> {
        let done = self.done;
        self.tar.finish().map_err(|e| Error::stream("write the archive", e))?;
        Ok(done)
    }

    fn failed(&self, verb: &'static str, path: &[u8], source: impl Into<std::io::Error>) -> Error {
        Error::io(verb, PathBuf::from(OsStr::from_bytes(path)), source)
    }

    /// Writes what is in a directory, and in those in it: by a list of those that are open, so that
    /// depth takes no stack.
    fn directory(&mut self, dir: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        let dir = dir.try_clone_to_owned().map_err(|e| self.failed("open", path, e))?;
        let mut open = vec![self.level(dir, path.to_vec())?];
        while let Some(Level { dir, path, names }) = open.last_mut() {
            let Some(name) = names.next() else {
                open.pop();
                continue;
            };
            let own = join(path, &name);
            let stat = match rustix::fs::statat(&*dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // A tree in use changes while it is walked.
                Err(rustix::io::Errno::NOENT) => continue,
                Err(source) => return Err(self.failed("look at", &own, source)),
            };
            if self.options.kind == TreeKind::OverlayUpper && is_whiteout(&stat) {
                self.mark(&join(path, &[whiteout::PREFIX, &name].concat()))?;
            } else if let Some(inner) = self.entry(dir.as_fd(), &name, &own, &stat)? {
                // What nobody could unpack again is not written.
                if open.len() >= Limits::DEFAULT.path_depth {
                    return Err(Error::entry(&own, EntryFault::Depth));
                }
                open.push(self.level(inner, own)?);
            }
        }
        Ok(())
    }

    fn level(&mut self, dir: OwnedFd, path: Vec<u8>) -> Result<Level> {
        let names = names(dir.as_fd()).map_err(|e| self.failed("list", &path, e))?;
        if self.options.kind == TreeKind::OverlayUpper && whiteout::is_opaque(dir.as_fd()) {
            self.mark(&join(&path, whiteout::OPAQUE))?;
        }
        Ok(Level { dir, path, names: names.into_iter() })
    }

    /// An empty file that stands for something else.
    fn mark(&mut self, path: &[u8]) -> Result<()> {
        self.done.entries += 1;
        let mut entry = WriteEntry::new(path, Kind::File, 0, 0);
        entry.mtime = Mtime::default();
        self.tar.start(&entry).map_err(|e| Error::stream("write the archive", e))
    }

    /// Writes one entry; gives a directory whose content comes next.
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<Option<OwnedFd>> {
        let Some(kind) = kind(stat) else { return Ok(None) };
        if kind != Kind::Directory && stat.st_nlink > 1 {
            let first = self.links.get(&(stat.st_dev, stat.st_ino)).cloned();
            if let Some(first) = first {
                return self.start(path, &first, Kind::HardLink, stat, &[]).map(|()| None);
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        match kind {
            Kind::Directory => return self.subdirectory(dir, name, path, stat),
            Kind::File => self.file(dir, name, path, stat)?,
            _ => {
                let link = match kind {
                    Kind::Symlink => rustix::fs::readlinkat(dir, name, Vec::new())
                        .map_err(|e| self.failed("read the link", path, e))?
                        .into_bytes(),
                    _ => Vec::new(),
                };
                let xattrs = self.xattrs(dir, name, path, stat)?;
                self.start(path, &link, kind, stat, &xattrs)?;
            }
        }
        Ok(None)
    }

    fn subdirectory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<Option<OwnedFd>> {
        let opened =
            open(dir, name, OFlags::DIRECTORY).map_err(|e| self.failed("open", path, e))?;
        let xattrs = self.all_xattrs(opened.as_fd(), path)?;
        let slashed = [path, b"/"].concat();
        self.start(&slashed, b"", Kind::Directory, stat, &xattrs)?;
        let is_left_out = self.options.one_file_system && stat.st_dev != self.device;
        Ok((!is_left_out).then_some(opened))
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8], stat: &Stat) -> Result<()> {
        let file = open(dir, name, OFlags::empty()).map_err(|e| self.failed("open", path, e))?;
        let found = rustix::fs::fstat(&file).map_err(|e| self.failed("look at", path, e))?;
        if kind(&found) != Some(Kind::File) || found.st_ino != stat.st_ino {
            return Err(self.failed("read", path, rustix::io::Errno::STALE));
        }
        let xattrs = self.all_xattrs(file.as_fd(), path)?;
        self.start(path, b"", Kind::File, &found, &xattrs)?;
        self.content(&file, path)
    }

    fn content(&mut self, file: &OwnedFd, path: &[u8]) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER_BYTES, 0);
        while self.tar.missing_bytes() > 0 {
            let wanted = usize::try_from(self.tar.missing_bytes()).unwrap_or(usize::MAX);
            let wanted = wanted.min(buffer.len());
            let mut length = rustix::io::read(file, &mut buffer[..wanted])
                .map_err(|e| self.failed("read", path, e))?;
            if length == 0 {
                // It shrank under our hands: its end is zeros, as other tars have it.
                buffer[..wanted].fill(0);
                length = wanted;
            }
            self.done.bytes += length as u64;
            self.tar
                .content(&buffer[..length])
                .map_err(|e| Error::stream("write the archive", e))?;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn start(
        &mut self,
        path: &[u8],
        link: &[u8],
        kind: Kind,
        stat: &Stat,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        self.done.entries += 1;
        let mut mtime = crate::unpack::mtime(stat);
        if !self.options.subseconds {
            mtime.nanoseconds = 0;
        }
        if let Some(clamp) = self.options.mtime_clamp {
            mtime = mtime.min(Mtime { seconds: clamp, nanoseconds: 0 });
        }
        let is_device = matches!(kind, Kind::Char | Kind::Block);
        let device = if is_device {
            (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
        } else {
            (0, 0)
        };
        let entry = WriteEntry {
            path,
            link,
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            mtime,
            device,
            xattrs,
        };
        self.tar.start(&entry).map_err(|e| Error::stream("write the archive", e))
    }

    fn all_xattrs(&self, file: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if self.options.without_xattrs && self.options.kind == TreeKind::Plain {
            return Ok(Vec::new());
        }
        let found =
            read_xattrs(file).map_err(|e| self.failed("read the attributes of", path, e))?;
        self.fitting(found, path)
    }

    fn xattrs(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        _stat: &Stat,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if self.options.without_xattrs {
            return Ok(Vec::new());
        }
        let found = read_xattrs_at(dir, name)
            .map_err(|e| self.failed("read the attributes of", path, e))?;
        self.fitting(found, path)
    }

    /// Leaves out what belongs to the machine, not to the file; refuses what cannot be a layer.
    fn fitting(
        &self,
        found: Vec<(Vec<u8>, Vec<u8>)>,
        path: &[u8],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut kept = Vec::new();
        for (key, value) in found {
            if is_overlay_xattr(&key) {
                let fault = match key.rsplit(|&b| b == b'.').next() {
                    Some(b"redirect") => UpperFault::Redirect,
                    Some(b"metacopy") => UpperFault::Metacopy,
                    _ => continue,
                };
                if self.options.kind == TreeKind::OverlayUpper {
                    let path = PathBuf::from(OsStr::from_bytes(path));
                    return Err(Error::Upper { path, reason: fault });
                }
            } else if !self.options.without_xattrs && !is_local(&key) {
                kept.push((key, value));
            }
        }
        kept.sort();
        Ok(kept)
    }
}

/// Labels of security modules are the machine's, not the image's.
fn is_local(key: &[u8]) -> bool {
    [
        &b"security.selinux"[..],
        b"security.SMACK64",
        b"security.apparmor",
        b"security.ima",
        b"security.evm",
    ]
    .contains(&key)
}

fn kind(stat: &Stat) -> Option<Kind> {
    Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::Char,
        FileType::BlockDevice => Kind::Block,
        FileType::Fifo => Kind::Fifo,
        // A socket is nothing without its process.
        _ => return None,
    })
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

fn open(dir: BorrowedFd<'_>, name: &[u8], more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort();
    Ok(names)
}

/// The path of an entry for calls that know no descriptor; its last name is not resolved before.
pub(crate) fn proc_path(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat()
}

#[cfg(test)]
mod tests;
