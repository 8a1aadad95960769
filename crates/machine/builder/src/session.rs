//! What one running build owns: a scratch directory under `<state>/tmp`, a network namespace, a
//! control group. All of it goes when the build ends; what a killed build leaves is swept by the
//! next, which sees its lock free.

use crate::error::{Cause, Error};
use crate::mounts::remove_tree;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running build's own directory.
#[derive(Debug)]
pub struct Session {
    /// Names the build in cgroups and networks: 16 hex digits.
    pub id: String,
    dir: PathBuf,
    next: AtomicU32,
    /// Builds that died without ending: what they held elsewhere can be given back.
    pub dead: Vec<String>,
    _lock: OwnedFd,
}

/// Where one step's changes go.
#[derive(Debug)]
pub struct Scratch {
    /// Holds the other two.
    pub dir: PathBuf,
    /// Overlay's upper directory.
    pub upper: PathBuf,
    /// Overlay's own.
    pub work: PathBuf,
}

impl Session {
    /// Begins a build, sweeping what dead ones left.
    pub fn begin(state: &Path) -> Result<Self, Error> {
        let parent = state.join("tmp");
        std::fs::create_dir_all(&parent).map_err(|source| Error::io("make", &parent, source))?;
        let dead = sweep(&parent);
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| Error::io("read", "/dev/urandom", errno))?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let dir = parent.join(&id);
        // The lock is there, and held, before the directory it speaks for. A sweeper may have taken
        // it for a dead build's in between, and its file away: then it is made again.
        let path = parent.join(format!("{id}.lock"));
        let lock = loop {
            match locked(&path) {
                Ok(lock) if path.exists() => break lock,
                Ok(_) | Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(Error::io("lock", &path, errno)),
            }
        };
        std::fs::create_dir(&dir).map_err(|source| Error::io("make", &dir, source))?;
        Ok(Self { id, dir, next: AtomicU32::new(0), dead, _lock: lock })
    }

    /// A new directory of the build's own.
    pub fn directory(&self, what: &str) -> Result<PathBuf, Cause> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{number}-{what}"));
        std::fs::create_dir(&path).map_err(|source| Cause::io("make", &path, source))?;
        Ok(path)
    }

    /// Directories for a step's changes; the upper one looks like the root below it.
    pub fn scratch(&self, lower: Option<&Path>, mtime: i64) -> Result<Scratch, Cause> {
        let dir = self.directory("step")?;
        let scratch = Scratch { upper: dir.join("fs"), work: dir.join("work"), dir };
        for path in [&scratch.upper, &scratch.work] {
            std::fs::create_dir(path).map_err(|source| Cause::io("make", path, source))?;
        }
        let fail = |errno| Cause::io("prepare", &scratch.upper, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let upper = rustix::fs::openat(CWD, &scratch.upper, flags, Mode::empty()).map_err(fail)?;
        let (owner, mode, times) = match lower {
            None => ((0, 0), 0o755, crate::beneath::times(mtime, 0)),
            Some(lower) => {
                let stat =
                    rustix::fs::stat(lower).map_err(|errno| Cause::io("stat", lower, errno))?;
                let times = crate::beneath::times(
                    stat.st_mtime,
                    i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
                );
                ((stat.st_uid, stat.st_gid), stat.st_mode & 0o7777, times)
            }
        };
        crate::beneath::chown(&upper, owner)
            .and_then(|()| rustix::fs::fchmod(&upper, Mode::from_raw_mode(mode)))
            .and_then(|()| rustix::fs::futimens(&upper, &times))
            .map_err(fail)?;
        Ok(scratch)
    }
}

impl Scratch {
    /// Takes away what is left of it.
    pub fn discard(&self) {
        let _ = remove_tree(&self.dir);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = remove_tree(&self.dir);
        let _ = std::fs::remove_file(self.dir.with_extension("lock"));
    }
}

fn locked(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(0o600))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes what builds left that are not alive any more, and names them.
fn sweep(parent: &Path) -> Vec<String> {
    let mut dead = Vec::new();
    let Ok(entries) = std::fs::read_dir(parent) else { return dead };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "lock") && locked(&path).is_ok() {
            let _ = remove_tree(&path.with_extension(""));
            let _ = std::fs::remove_file(&path);
            dead.extend(path.file_stem().map(|id| id.to_string_lossy().into_owned()));
        }
    }
    dead
}
