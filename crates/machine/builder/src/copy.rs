//! Puts selected files into an image's tree, beneath the descriptor of its root.
//!
//! As BuildKit does: a directory's content goes into the destination; a file goes to the
//! destination, or into it if it is a directory or ends with a slash. Modes and times of files are
//! kept; a directory that was there keeps its times, so that the same files give the same layer.

use crate::beneath::{self, NewDirectory};
use crate::dockerfile::problem::Problem;
use crate::error::Cause;
use crate::tree::scan::open_entry;
use crate::tree::stat::Stamp;
use crate::tree::{Entry, Kind, Selected};
use mode::ModeChange;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub mod mode;

/// How files are put.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Owner of all of them.
    pub owner: Option<(u32, u32)>,
    /// Their permissions.
    pub mode: Option<ModeChange>,
    /// Time of directories that are made on the way.
    pub new_mtime: i64,
}

/// Puts files into one image's tree.
#[derive(Debug)]
pub struct Copier<'a> {
    root: BorrowedFd<'a>,
    placement: &'a Placement,
    /// First place of inodes with several names.
    links: HashMap<(u64, u64), PathBuf>,
    /// Files that changed while they were read: the layer must not be remembered.
    pub changed: Vec<PathBuf>,
}

impl<'a> Copier<'a> {
    /// Into the tree at `root`.
    pub fn new(root: BorrowedFd<'a>, placement: &'a Placement) -> Self {
        Self { root, placement, links: HashMap::new(), changed: Vec::new() }
    }

    /// How directories that are missing are made.
    pub fn new_directory(&self) -> NewDirectory {
        NewDirectory {
            mode: 0o755,
            owner: self.placement.owner.unwrap_or((0, 0)),
            mtime: self.placement.new_mtime,
        }
    }

    /// Opens a directory of the image, making what is missing.
    pub fn directory(&self, path: &Path) -> Result<OwnedFd, Cause> {
        beneath::make_directories(self.root, path, self.new_directory())
            .map(|(directory, _)| directory)
            .map_err(|errno| match errno {
                Errno::NOTDIR => kinds(path, "a file", "a directory"),
                errno => fault("make directory", path, errno),
            })
    }

    /// Says whether a path is a directory of the image.
    pub fn is_directory(&self, path: &Path) -> bool {
        beneath::open(self.root, path, OFlags::PATH | OFlags::DIRECTORY).is_ok()
    }

    /// Puts a directory's content into `target`.
    pub fn content(&mut self, source: &Selected, target: &Path) -> Result<(), Cause> {
        let directory = self.directory(target)?;
        self.entries(source, &source.entries, &directory, target)
    }

    /// Puts a file at `directory/name`.
    pub fn file(&mut self, source: &Selected, directory: &Path, name: &OsStr) -> Result<(), Cause> {
        let Some(entry) = source.entries.first() else { return Ok(()) };
        let (parent_path, name) = self.through_link(directory, name);
        let parent = self.directory(&parent_path)?;
        let before = rustix::fs::fstat(&parent).map_err(|errno| fault("stat", directory, errno))?;
        self.put(source, entry, &parent, &name, &parent_path)?;
        beneath::restore_times(&parent, &before)
            .map_err(|errno| fault("set times of", directory, errno))
    }

    /// The place that a link at the destination leads to, if there is one.
    fn through_link(&self, directory: &Path, name: &OsStr) -> (PathBuf, std::ffi::OsString) {
        let mut place = (directory.to_owned(), name.to_owned());
        for _ in 0..40 {
            let Ok(parent) = beneath::open(self.root, &place.0, OFlags::PATH | OFlags::DIRECTORY)
            else {
                break;
            };
            let Ok(target) = rustix::fs::readlinkat(&parent, &place.1, Vec::new()) else { break };
            let target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
            let path = place.0.join(target);
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { break };
            place = (parent.to_owned(), name.to_owned());
        }
        place
    }

    /// Puts bytes of ours (a heredoc, a download) at `directory/name`.
    pub fn bytes(
        &mut self,
        content: &mut dyn std::io::Read,
        directory: &Path,
        name: &OsStr,
        (mode, mtime): (u32, i64),
    ) -> Result<(), Cause> {
        let (directory, name) = self.through_link(directory, name);
        let path = directory.join(&name);
        let parent = self.directory(&directory)?;
        let before =
            rustix::fs::fstat(&parent).map_err(|errno| fault("stat", &directory, errno))?;
        let mut file = std::fs::File::from(self.create(&parent, &name, &path)?);
        std::io::copy(content, &mut file).map_err(|source| Cause::Target {
            verb: "write",
            path: text(&path),
            source,
        })?;
        let owner = self.placement.owner.unwrap_or((0, 0));
        let mode = self.placement.mode.as_ref().map_or(mode, |change| change.apply(mode, false));
        self.finish(&file, &path, owner, mode, (mtime, 0))?;
        beneath::restore_times(&parent, &before)
            .map_err(|errno| fault("set times of", &directory, errno))
    }

    /// Puts an archive's content into `target`.
    pub fn unpack(&mut self, archive: std::fs::File, target: &Path) -> Result<(), Cause> {
        let directory = self.directory(target)?;
        let fail = |errno| fault("open", target, errno);
        let before = rustix::fs::fstat(&directory).map_err(fail)?;
        let opened =
            beneath::reopen(&directory, OFlags::RDONLY | OFlags::DIRECTORY).map_err(fail)?;
        crate::archive::unpack_at(archive, opened.as_fd(), self.placement.owner)?;
        beneath::restore_times(&directory, &before)
            .map_err(|errno| fault("set times of", target, errno))
    }

    /// Puts a list of entries, parents before children, beneath `base`.
    fn entries(
        &mut self,
        source: &Selected,
        entries: &[Entry],
        base: &OwnedFd,
        base_path: &Path,
    ) -> Result<(), Cause> {
        // Open directories from the base down, each with what must be set when all is in it.
        let mut stack: Vec<Level> = Vec::new();
        let before = rustix::fs::fstat(base).map_err(|errno| fault("stat", base_path, errno))?;
        for entry in entries {
            let parent = entry.path.parent().unwrap_or_else(|| Path::new(""));
            while stack.last().is_some_and(|level| level.path != parent) {
                self.leave(stack.pop())?;
            }
            let name = entry.path.file_name().unwrap_or_default();
            let directory =
                stack.last().map_or_else(|| base.as_fd(), |level| level.directory.as_fd());
            if entry.kind == Kind::Directory {
                let shown = base_path.join(&entry.path);
                let made = self.enter(directory, name, &shown)?;
                stack.push(Level {
                    path: entry.path.clone(),
                    shown,
                    directory: made,
                    entry: entry.clone(),
                });
            } else {
                let directory = directory.try_clone_to_owned().map_err(|source| Cause::Target {
                    verb: "open",
                    path: text(base_path),
                    source,
                })?;
                self.put(source, entry, &directory, name, &base_path.join(parent))?;
            }
        }
        while let Some(level) = stack.pop() {
            self.leave(Some(level))?;
        }
        beneath::restore_times(base, &before)
            .map_err(|errno| fault("set times of", base_path, errno))
    }

    fn enter(&self, parent: BorrowedFd<'_>, name: &OsStr, shown: &Path) -> Result<OwnedFd, Cause> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(fault("make directory", shown, errno)),
        }
        match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            // The image has a link there: to a directory it is followed, within the root.
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let opened = beneath::open(self.root, shown, OFlags::RDONLY | OFlags::DIRECTORY);
                opened.map_err(|_| kinds(shown, "a file", "a directory"))
            }
            other => other.map_err(|errno| fault("open", shown, errno)),
        }
    }

    fn leave(&self, level: Option<Level>) -> Result<(), Cause> {
        let Some(Level { shown, directory, entry, .. }) = level else { return Ok(()) };
        let owner = self.placement.owner.unwrap_or(entry.owner);
        let mode = self.placement.mode.as_ref().map_or(entry.mode, |m| m.apply(entry.mode, true));
        self.attributes(&directory, &entry, &shown)?;
        self.finish(&directory, &shown, owner, mode, entry.mtime)
    }

    fn put(
        &mut self,
        source: &Selected,
        entry: &Entry,
        parent: &OwnedFd,
        name: &OsStr,
        parent_path: &Path,
    ) -> Result<(), Cause> {
        let path = parent_path.join(name);
        let owner = self.placement.owner.unwrap_or(entry.owner);
        match &entry.kind {
            Kind::Directory => Ok(()),
            Kind::Link(target) => {
                self.make_room(parent, name, &path)?;
                rustix::fs::symlinkat(OsStr::from_bytes(target), parent, name)
                    .map_err(|errno| fault("link", &path, errno))?;
                self.finish_unopened(parent, name, &path, (owner, entry.mtime))
            }
            Kind::Node { kind, device } => {
                self.make_room(parent, name, &path)?;
                let mode = Mode::from_raw_mode(entry.mode);
                rustix::fs::mknodat(parent, name, *kind, mode, *device)
                    .map_err(|errno| fault("make node", &path, errno))?;
                self.finish_unopened(parent, name, &path, (owner, entry.mtime))
            }
            Kind::File { stamp, .. } => {
                if self.linked(entry, parent, name, &path)? {
                    return Ok(());
                }
                self.regular(source, entry, *stamp, (parent, name, &path))
            }
        }
    }

    fn regular(
        &mut self,
        source: &Selected,
        entry: &Entry,
        stamp: Stamp,
        (parent, name, path): (&OwnedFd, &OsStr, &Path),
    ) -> Result<(), Cause> {
        let unreadable = |error: std::io::Error| Cause::Source {
            verb: "read",
            path: text(&source.path.join(&entry.path)),
            place: "the source".to_owned(),
            source: error,
        };
        let mut from = std::fs::File::from(
            open_entry(&source.base, &entry.path).map_err(|errno| unreadable(errno.into()))?,
        );
        let mut to = std::fs::File::from(self.create(parent, name, path)?);
        std::io::copy(&mut from, &mut to).map_err(|source| Cause::Target {
            verb: "write",
            path: text(path),
            source,
        })?;
        let after = rustix::fs::fstat(&from).map_err(|errno| unreadable(errno.into()))?;
        if Stamp::of(&after) != stamp {
            self.changed.push(source.path.join(&entry.path));
        }
        let owner = self.placement.owner.unwrap_or(entry.owner);
        let mode = self.placement.mode.as_ref().map_or(entry.mode, |m| m.apply(entry.mode, false));
        self.finish(&to, path, owner, mode, entry.mtime)?;
        self.attributes(&to, entry, path)?;
        let times = beneath::times(entry.mtime.0, entry.mtime.1);
        rustix::fs::futimens(&to, &times).map_err(|errno| fault("set times of", path, errno))?;
        if entry.inode.2 > 1 {
            self.links.insert((entry.inode.0, entry.inode.1), path.to_owned());
        }
        Ok(())
    }

    /// A second name of a file that was put already.
    fn linked(
        &mut self,
        entry: &Entry,
        parent: &OwnedFd,
        name: &OsStr,
        path: &Path,
    ) -> Result<bool, Cause> {
        let first = self.links.get(&(entry.inode.0, entry.inode.1)).cloned();
        let Some(first) = first.filter(|_| entry.inode.2 > 1) else { return Ok(false) };
        let fail = |errno| fault("link", path, errno);
        let directory = first.parent().unwrap_or_else(|| Path::new(""));
        let directory =
            beneath::open(self.root, directory, OFlags::PATH | OFlags::DIRECTORY).map_err(fail)?;
        self.make_room(parent, name, path)?;
        let first = first.file_name().unwrap_or_default();
        rustix::fs::linkat(&directory, first, parent, name, AtFlags::empty()).map_err(fail)?;
        Ok(true)
    }

    fn create(&mut self, parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<OwnedFd, Cause> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600));
        match open() {
            Err(Errno::EXIST) => {
                self.make_room(parent, name, path)?;
                open()
            }
            other => other,
        }
        .map_err(|errno| fault("create", path, errno))
    }

    /// Takes a file away that the image has at that place; a directory stays.
    fn make_room(&mut self, parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Cause> {
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(fault("stat", path, errno)),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(kinds(path, "the directory", "a file"))
            }
            Ok(_) => {
                // What is there now is no longer the first name of what was put there.
                self.links.retain(|_, first| first != path);
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(|errno| fault("replace", path, errno))
            }
        }
    }

    fn attributes(&self, file: impl AsFd, entry: &Entry, path: &Path) -> Result<(), Cause> {
        for (name, value) in &entry.xattrs {
            rustix::fs::fsetxattr(&file, name.as_slice(), value, XattrFlags::empty())
                .map_err(|errno| fault("set attributes of", path, errno))?;
        }
        Ok(())
    }

    fn finish(
        &self,
        file: impl AsFd,
        path: &Path,
        owner: (u32, u32),
        mode: u32,
        mtime: (i64, i64),
    ) -> Result<(), Cause> {
        beneath::chown(&file, owner).map_err(|errno| fault("change owner of", path, errno))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|errno| fault("change mode of", path, errno))?;
        rustix::fs::futimens(&file, &beneath::times(mtime.0, mtime.1))
            .map_err(|errno| fault("set times of", path, errno))
    }

    fn finish_unopened(
        &self,
        parent: &OwnedFd,
        name: &OsStr,
        path: &Path,
        (owner, mtime): ((u32, u32), (i64, i64)),
    ) -> Result<(), Cause> {
        let uid = rustix::process::Uid::from_raw_unchecked(owner.0);
        let gid = rustix::process::Gid::from_raw_unchecked(owner.1);
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(parent, name, Some(uid), Some(gid), nofollow)
            .and_then(|()| {
                rustix::fs::utimensat(parent, name, &beneath::times(mtime.0, mtime.1), nofollow)
            })
            .map_err(|errno| fault("change owner of", path, errno))
    }
}

/// A directory that is being filled.
struct Level {
    path: PathBuf,
    shown: PathBuf,
    directory: OwnedFd,
    entry: Entry,
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn fault(verb: &'static str, path: &Path, errno: Errno) -> Cause {
    Cause::Target { verb, path: text(path), source: errno.into() }
}

fn kinds(path: &Path, theirs: &'static str, ours: &'static str) -> Cause {
    Cause::Kinds { path: text(path), theirs, ours }
}

/// Reads `--chmod`.
pub fn parse_mode(value: &str) -> Result<ModeChange, Cause> {
    ModeChange::parse(value).ok_or_else(|| {
        let (flag, value) = ("chmod".to_owned(), value.to_owned());
        Problem::FlagInvalid { flag, value, expected: "octal, or such as u=rwX,go=rX" }.into()
    })
}
