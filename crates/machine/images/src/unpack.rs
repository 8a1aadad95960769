//! A hostile tar becomes files beneath a directory, and nowhere else.
//!
//! Confined by construction: the only paths the kernel ever sees are single names, opened from a
//! directory descriptor with `RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS`, or a path that leads
//! through a link of the same tree, opened with `RESOLVE_IN_ROOT`, where the kernel itself keeps the
//! walk beneath the root. There is no code here that could name anything else. (CVE-2025-47290,
//! CVE-2021-32760, CVE-2024-9676 and their kin.)
//!
//! What is created is exclusive (`O_EXCL`), so no existing link is written through. Directories stay
//! private (0700) until everything is in them; their owner, mode, attributes and times come last,
//! so nothing is inherited by what is put into them.

use crate::error::{EntryFault, Error, Result};
use crate::limits::Limits;
use crate::tar::{Entry, Kind, Mtime, Reader};
use rustix::fs::{AtFlags, FileType};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

mod dirs;
mod finish;
pub(crate) mod lower;
mod node;
mod path;
pub(crate) mod whiteout;

use dirs::Dirs;
pub(crate) use finish::mtime;
pub(crate) use node::{is_overlay_xattr, is_whiteout};
pub(crate) use path::normal;

/// What `.wh.` entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whiteouts {
    /// Files like others (`ADD archive`, `cp`).
    #[default]
    Plain,
    /// Overlay's own whiteouts are made: the directory is new and becomes a snapshot.
    Overlay,
}

/// How a tar is unpacked.
#[derive(Debug, Clone, Default)]
pub struct UnpackOptions {
    /// Bounds.
    pub limits: Limits,
    /// What whiteouts are.
    pub whiteouts: Whiteouts,
    /// Everything belongs to this user and group.
    pub owner: Option<(u32, u32)>,
    /// A file does not replace a directory, nor the reverse (`cp`).
    pub keep_kinds: bool,
    /// Directories that exist already keep their owner, mode and times (`cp`).
    pub keep_directories: bool,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
}

/// Unpacks a plain tar beneath `root`, over what is there. The stream is read to its end.
pub fn unpack(
    tar: &mut dyn Read,
    root: BorrowedFd<'_>,
    options: &UnpackOptions,
) -> Result<Unpacked> {
    let mut unpacker = Unpacker::new(root, options)?;
    unpacker.run(&mut BufReader::with_capacity(BUFFER_BYTES, tar))?;
    unpacker.finish(&[])
}

const BUFFER_BYTES: usize = 256 << 10;
/// What is counted for each name or attribute that is kept, besides its bytes.
const KEPT_BYTES: usize = 64;

/// What a directory shall be in the end.
#[derive(Debug)]
struct DirectoryMeta {
    path: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    mtime: Mtime,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// An unpacking under way. [`Unpacker::run`] needs nothing but the tar, so layers of one image can
/// run at the same time; [`Unpacker::finish`] needs the layers below.
#[derive(Debug)]
pub(crate) struct Unpacker {
    options: UnpackOptions,
    dirs: Dirs,
    /// A second cache, for the targets of hard links.
    targets: Dirs,
    directories: Vec<DirectoryMeta>,
    /// Directories no entry described.
    implicit: Vec<Vec<u8>>,
    /// Hard links whose target is not in this layer: path and target.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    has_root: bool,
    creation: node::Creation,
    /// Bytes of all that is kept until the end.
    kept: u64,
    done: Unpacked,
}

impl Unpacker {
    pub(crate) fn new(root: BorrowedFd<'_>, options: &UnpackOptions) -> Result<Self> {
        let clone = || -> Result<OwnedFd> {
            root.try_clone_to_owned().map_err(|e| Error::stream("duplicate a descriptor", e))
        };
        Ok(Self {
            options: options.clone(),
            dirs: Dirs::new(clone()?, options.whiteouts),
            targets: Dirs::new(clone()?, Whiteouts::Plain),
            directories: Vec::new(),
            implicit: Vec::new(),
            links: Vec::new(),
            has_root: false,
            creation: node::Creation::new(options.whiteouts == Whiteouts::Overlay, options.owner),
            kept: 0,
            done: Unpacked::default(),
        })
    }

    /// Unpacks every entry and reads the stream to its end.
    pub(crate) fn run(&mut self, tar: &mut dyn BufRead) -> Result<()> {
        let limits = self.options.limits;
        let mut reader = Reader::new(tar, &limits);
        while let Some(entry) = reader.next_entry()? {
            self.done.entries += 1;
            self.done.bytes = self.done.bytes.saturating_add(entry.size_bytes);
            if self.done.bytes > limits.layer_bytes {
                let limit = limits.layer_bytes;
                return Err(Error::Limit { what: "the unpacked archive", limit, unit: "bytes" });
            }
            self.entry(&mut reader, entry)?;
        }
        reader.drain()
    }

    fn entry(&mut self, reader: &mut Reader<&mut dyn BufRead>, mut entry: Entry) -> Result<()> {
        let raw = std::mem::take(&mut entry.path);
        let path = normal(&raw, &self.options.limits)?;
        let Some((name, parents)) = path::split(&path) else {
            if entry.kind != Kind::Directory {
                return Err(Error::entry(&raw, EntryFault::Root));
            }
            self.has_root = true;
            return self.describe(Vec::new(), entry);
        };
        if self.options.whiteouts == Whiteouts::Overlay && name.starts_with(whiteout::PREFIX) {
            return self.whiteout(&path, parents, name);
        }
        entry.link = match entry.kind {
            Kind::HardLink => normal(&entry.link, &self.options.limits)?,
            _ => entry.link,
        };
        match entry.kind {
            Kind::Directory => self.directory(&path, parents, name, entry),
            Kind::HardLink => self.hard_link(&path, parents, name, &entry.link),
            _ => self.other(reader, &path, parents, name, &entry),
        }
    }

    /// Anything with neither children nor a twin.
    fn other(
        &mut self,
        reader: &mut Reader<&mut dyn BufRead>,
        path: &[u8],
        parents: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let made = self.dirs.parent(parents, path)?.1;
        self.imply(made)?;
        let mut made = self.creation.create(reader, self.dirs.last(), name, entry);
        if made.as_ref().is_err_and(exists) {
            self.clear(path, parents, name, false)?;
            let (dir, _) = self.dirs.parent(parents, path)?;
            made = self.creation.create(reader, dir, name, entry);
        }
        made
    }

    fn directory(&mut self, path: &[u8], parents: &[u8], name: &[u8], entry: Entry) -> Result<()> {
        let made = self.dirs.parent(parents, path)?.1;
        self.imply(made)?;
        let dir = self.dirs.last();
        let mut is_new = true;
        match rustix::fs::mkdirat(dir, name, PRIVATE) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => {
                let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| Error::entry_io("look at", path, e))?;
                if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                    is_new = false;
                } else {
                    self.replace_by_directory(path, parents, name, &found)?;
                }
            }
            Err(source) => return Err(Error::entry_io("create directory", path, source)),
        }
        if is_new || !self.options.keep_directories {
            self.describe(path.to_vec(), entry)?;
        }
        Ok(())
    }

    fn replace_by_directory(
        &mut self,
        path: &[u8],
        parents: &[u8],
        name: &[u8],
        found: &rustix::fs::Stat,
    ) -> Result<()> {
        self.clear(path, parents, name, true)?;
        let (dir, _) = self.dirs.parent(parents, path)?;
        rustix::fs::mkdirat(dir, name, PRIVATE)
            .map_err(|e| Error::entry_io("create directory", path, e))?;
        // The layer hides what was below before it puts its own directory there.
        if self.options.whiteouts == Whiteouts::Overlay && is_whiteout(found) {
            self.make_opaque(path)?;
        }
        Ok(())
    }

    fn hard_link(&mut self, path: &[u8], parents: &[u8], name: &[u8], target: &[u8]) -> Result<()> {
        let made = self.dirs.parent(parents, path)?.1;
        self.imply(made)?;
        if path == target {
            return Ok(());
        }
        match self.link_within(path, name, target)? {
            LinkOutcome::Made => Ok(()),
            LinkOutcome::NoTarget if self.options.whiteouts == Whiteouts::Overlay => {
                self.keep(path.len() + target.len())?;
                self.links.push((path.to_vec(), target.to_vec()));
                Ok(())
            }
            LinkOutcome::NoTarget => Err(Error::entry(path, EntryFault::HardLink)),
            LinkOutcome::InTheWay => {
                self.clear(path, parents, name, false)?;
                self.dirs.parent(parents, path)?;
                match self.link_within(path, name, target)? {
                    LinkOutcome::Made => Ok(()),
                    _ => Err(Error::entry(path, EntryFault::HardLink)),
                }
            }
        }
    }

    /// Links within the tree; the parent of `path` was the last one that `dirs` opened.
    fn link_within(&mut self, path: &[u8], name: &[u8], target: &[u8]) -> Result<LinkOutcome> {
        let Some((target_name, target_parents)) = path::split(target) else {
            return Err(Error::entry(path, EntryFault::HardLink));
        };
        let Some(from) = self.targets.existing(target_parents) else {
            return Ok(LinkOutcome::NoTarget);
        };
        let dir = self.dirs.last();
        match rustix::fs::linkat(from, target_name, dir, name, AtFlags::empty()) {
            Ok(()) => Ok(LinkOutcome::Made),
            Err(rustix::io::Errno::NOENT) => Ok(LinkOutcome::NoTarget),
            Err(rustix::io::Errno::EXIST) => Ok(LinkOutcome::InTheWay),
            Err(source) => Err(Error::entry_io("link", path, source)),
        }
    }

    fn describe(&mut self, path: Vec<u8>, entry: Entry) -> Result<()> {
        let owner = self.options.owner.unwrap_or((entry.uid, entry.gid));
        let (mode, mtime, xattrs) = (entry.mode, entry.mtime, entry.xattrs);
        let attributes = xattrs.iter().map(|(name, value)| KEPT_BYTES + name.len() + value.len());
        self.keep(path.len() + attributes.sum::<usize>())?;
        self.directories.push(DirectoryMeta { path, mode, owner, mtime, xattrs });
        Ok(())
    }

    /// Remembers directories that were made on the way to an entry.
    fn imply(&mut self, made: Vec<Vec<u8>>) -> Result<()> {
        made.iter().try_for_each(|path| self.keep(path.len()))?;
        self.implicit.extend(made);
        Ok(())
    }

    /// Counts something that is kept until the end of the archive.
    fn keep(&mut self, bytes: usize) -> Result<()> {
        self.kept += (KEPT_BYTES + bytes) as u64;
        let limit = self.options.limits.kept_bytes;
        if self.kept > limit {
            let what = "names and attributes of directories in the archive";
            return Err(Error::Limit { what, limit, unit: "bytes" });
        }
        Ok(())
    }

    /// Takes away what stands where an entry is to be.
    fn clear(
        &mut self,
        path: &[u8],
        parents: &[u8],
        name: &[u8],
        for_directory: bool,
    ) -> Result<()> {
        let (dir, _) = self.dirs.parent(parents, path)?;
        let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::entry_io("look at", path, e))?;
        let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        if self.options.keep_kinds && is_directory != for_directory {
            let errno =
                if is_directory { rustix::io::Errno::ISDIR } else { rustix::io::Errno::NOTDIR };
            return Err(Error::entry_io("replace", path, errno));
        }
        crate::tree::remove_at(dir, name).map_err(|e| Error::entry_io("replace", path, e))?;
        // Descriptors of what is gone must not be used again.
        self.dirs.forget();
        self.targets.forget();
        Ok(())
    }
}

enum LinkOutcome {
    Made,
    NoTarget,
    InTheWay,
}

const PRIVATE: rustix::fs::Mode = rustix::fs::Mode::RWXU;

fn exists(error: &Error) -> bool {
    matches!(error, Error::EntryIo { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
}

/// A directory of a snapshot must not hand down a group or a default ACL from where it stands.
pub(crate) fn shed_inheritance(dir: BorrowedFd<'_>) -> Result<()> {
    let failed = |e| Error::stream("prepare a directory for unpacking", std::io::Error::from(e));
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    rustix::fs::fchown(dir, Some(uid), Some(gid)).map_err(failed)?;
    rustix::fs::fchmod(dir, PRIVATE).map_err(failed)?;
    match rustix::fs::fremovexattr(dir.as_fd(), "system.posix_acl_default") {
        Ok(()) | Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests;
