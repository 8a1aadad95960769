//! Unfinished things: each is a locked entry of `tmp`, so that a free lock tells a dead maker.

use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A temporary file or directory; removed when dropped, unless it was taken to its place.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    lock: File,
    is_directory: bool,
    is_taken: bool,
}

static NEXT: AtomicU64 = AtomicU64::new(0);
const ATTEMPTS: usize = 100;

impl Temporary {
    /// A new file, open for reading and writing.
    pub(super) fn file(tmp: &Path, kind: &str) -> Result<Self> {
        Self::create(tmp, kind, |path| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map(File::from)
        })
        .map(|(path, lock)| Self { path, lock, is_directory: false, is_taken: false })
    }

    /// A new directory.
    pub(super) fn directory(tmp: &Path, kind: &str) -> Result<Self> {
        Self::create(tmp, kind, |path| {
            rustix::fs::mkdir(path, Mode::RWXU)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty()).map(File::from)
        })
        .map(|(path, lock)| Self { path, lock, is_directory: true, is_taken: false })
    }

    fn create(
        tmp: &Path,
        kind: &str,
        make: impl Fn(&Path) -> rustix::io::Result<File>,
    ) -> Result<(PathBuf, File)> {
        let mut last = rustix::io::Errno::EXIST;
        for _ in 0..ATTEMPTS {
            let path = tmp.join(unique(kind));
            match make(&path) {
                Ok(file) => {
                    if is_ours(&path, &file) {
                        return Ok((path, file));
                    }
                    // Somebody's sweep took it between its making and its lock.
                }
                Err(errno @ (rustix::io::Errno::EXIST | rustix::io::Errno::NOENT)) => last = errno,
                Err(source) => return Err(Error::io("create", path, source)),
            }
        }
        Err(Error::io("create a temporary entry in", tmp, last))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn as_file(&self) -> &File {
        &self.lock
    }

    /// Moves it to its place, replacing a file that is there. A directory in its place fails with
    /// `AlreadyExists`, and nothing has happened.
    pub(super) fn take_to(mut self, place: &Path) -> Result<()> {
        match fs::rename(&self.path, place) {
            Ok(()) => {
                self.is_taken = true;
                Ok(())
            }
            Err(source) => Err(Error::io("put in place", place, source)),
        }
    }

    /// Gives a file a second name, which stays; one that has it already is as good.
    pub(super) fn link_to(&self, place: &Path) -> Result<()> {
        match fs::hard_link(&self.path, place) {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("put in place", place, source))
            }
            _ => Ok(()),
        }
    }

    /// Moves something of the store here, to be removed when this is dropped or, should the process
    /// die before, by the next command.
    pub(super) fn receive(&self, from: &Path, name: &str) -> Result<bool> {
        match fs::rename(from, self.path.join(name)) {
            Ok(()) => Ok(true),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::io("take away", from, source)),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_taken {
            // What cannot be removed now is swept later.
            if self.is_directory {
                let _ = remove_path(&self.path);
            } else {
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

/// A lock that several processes know by its name, for the time that one of them works.
#[derive(Debug)]
pub(super) struct Named {
    path: PathBuf,
    _lock: File,
}

impl Named {
    /// Waits until nobody else has it.
    pub(super) fn wait(tmp: &Path, name: &str) -> Result<Self> {
        let path = tmp.join(name);
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
            let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
                .map(File::from)
                .map_err(|e| Error::io("open", &path, e))?;
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                // The one before removed it, or a sweep did: what is locked must be what is there.
                Ok(()) if is_at(&path, &file) => return Ok(Self { path, _lock: file }),
                Ok(()) | Err(rustix::io::Errno::INTR) => {}
                Err(source) => return Err(Error::io("lock", path, source)),
            }
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn unique(kind: &str) -> String {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    let random = u64::from_ne_bytes(bytes);
    format!("{kind}-{}-{}-{random:016x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Locks a new entry and checks that it is still there.
fn is_ours(path: &Path, file: &File) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() && is_at(path, file)
}

fn is_at(path: &Path, file: &File) -> bool {
    let (Ok(there), Ok(here)) = (fs::symlink_metadata(path), file.metadata()) else { return false };
    there.ino() == here.ino() && there.dev() == here.dev()
}

/// Writes a file whole: beside it, then over it. Not synced.
pub(super) fn write(tmp: &Path, place: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = Temporary::file(tmp, "file")?;
    let mut file = temporary.as_file();
    file.write_all(bytes).map_err(|e| Error::io("write", temporary.path(), e))?;
    temporary.take_to(place)
}

/// As [`write`], on disk before it returns.
pub(super) fn write_durably(tmp: &Path, place: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = Temporary::file(tmp, "file")?;
    let mut file = temporary.as_file();
    file.write_all(bytes)
        .and_then(|()| file.sync_data())
        .map_err(|e| Error::io("write", temporary.path(), e))?;
    temporary.take_to(place)?;
    let Some(parent) = place.parent() else { return Ok(()) };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("sync", parent, e))
}

/// Says whether an entry's maker is dead; the returned file holds the lock.
fn dead(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    is_at(path, &file).then_some(file)
}

/// Says whether the maker of an entry lives.
pub(super) fn is_live(path: &Path) -> bool {
    path.exists() && dead(path).is_none()
}

/// Removes what dead makers left.
pub(super) fn sweep(tmp: &Path) -> Result<()> {
    let entries = match fs::read_dir(tmp) {
        Ok(entries) => entries,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(tmp);
            return made.map_err(|e| Error::io("create directory", tmp, e));
        }
        Err(source) => return Err(Error::io("list", tmp, source)),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(_lock) = dead(&path) else { continue };
        // Another sweeper may be at it, too.
        let _ = remove_path(&path);
    }
    Ok(())
}

/// Removes a file or tree of any depth.
pub(super) fn remove_path(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir: OwnedFd =
        rustix::fs::open(parent, flags, Mode::empty()).map_err(|e| Error::io("open", parent, e))?;
    let name = std::os::unix::ffi::OsStrExt::as_bytes(name);
    crate::tree::remove_at(std::os::fd::AsFd::as_fd(&dir), name)
        .map_err(|e| Error::io("remove", path, e))
}
