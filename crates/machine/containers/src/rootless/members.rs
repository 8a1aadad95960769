//! Who is in a user's namespaces: `<run>/rootless/<pid>`, one small file for each process of ours.
//!
//! A namespace lives as long as somebody is in it or holds it open, and is found by asking any of
//! these through `/proc`. A file says when its process began, so that a number that was given anew
//! deceives nobody, and which descriptor of the process is the user's network namespace, if it has
//! one. Files of processes that were killed are removed by the next one that comes.
//!
//! `<run>/rootless/lock` is held while somebody looks, joins or makes.

use super::Error;
use crate::Home;
use crate::root::start_ticks;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The folder, locked.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) folder: PathBuf,
    _lock: OwnedFd,
}

/// One that lives.
#[derive(Debug)]
pub(super) struct Member {
    proc: PathBuf,
    network: Option<u32>,
}

/// This process's own entry; dropped, it is no member any more.
#[derive(Debug)]
pub struct Membership {
    home: Home,
}

impl Members {
    /// Waits for the lock.
    pub(super) fn lock(home: &Home) -> Result<Self, Error> {
        let folder = home.run.join("rootless");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| Error::Folder { what: "create", path: folder.clone(), source })?;
        let path = folder.join("lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
            .and_then(|file| {
                rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
                Ok(file)
            })
            .map_err(|errno| Error::Folder { what: "lock", path, source: errno.into() })?;
        Ok(Self { folder, _lock: lock })
    }

    /// The first other member that lives and will do.
    pub(super) fn find<T>(&self, take: impl Fn(&Member) -> Option<T>) -> Option<T> {
        let own = std::process::id();
        for entry in fs::read_dir(&self.folder).ok()?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if pid == own {
                continue;
            }
            match member(&entry.path(), pid) {
                Some(member) => {
                    if let Some(taken) = take(&member) {
                        return Some(taken);
                    }
                }
                None => {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        None
    }

    /// Notes this process.
    pub(super) fn add(&self, network: Option<i32>) -> Result<(), Error> {
        self.note(std::process::id(), network)
    }

    fn note(&self, pid: u32, network: Option<i32>) -> Result<(), Error> {
        let path = self.folder.join(pid.to_string());
        let ticks = start_ticks(&Path::new("/proc").join(pid.to_string())).unwrap_or_default();
        let text = match network {
            Some(descriptor) => format!("{ticks} {descriptor}\n"),
            None => format!("{ticks}\n"),
        };
        fs::write(&path, text).map_err(|source| Error::Folder { what: "write", path, source })
    }
}

fn member(path: &Path, pid: u32) -> Option<Member> {
    let text = fs::read_to_string(path).ok()?;
    let mut words = text.split_whitespace();
    let ticks: u64 = words.next()?.parse().ok()?;
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let alive = start_ticks(&proc) == Some(ticks);
    alive.then(|| Member { proc, network: words.next().and_then(|word| word.parse().ok()) })
}

impl Member {
    /// Its user namespace, if it is not the machine's.
    pub(super) fn user_namespace(&self) -> Option<OwnedFd> {
        open(&self.proc.join("ns/user"))
    }

    /// Its descriptor of the user's network namespace.
    pub(super) fn network(&self) -> Option<OwnedFd> {
        open(&self.proc.join(format!("fd/{}", self.network?)))
    }
}

fn open(path: &Path) -> Option<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

impl Membership {
    pub(super) fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }

    /// Of a process that was started within the user's namespaces; `None` where there are none.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn inherited(home: &Home) -> Result<Option<Self>, Error> {
        if !home.run.join("rootless").is_dir() || !teu_sys::namespace::is_own_user_namespace() {
            return Ok(None);
        }
        Members::lock(home)?.add(None)?;
        Ok(Some(Self::new(home)))
    }
}

impl Membership {
    /// A copy of this process takes its place; it ends by dropping its own copy of this.
    pub fn hand_to(self, copy: rustix::process::Pid) {
        if let Ok(members) = Members::lock(&self.home) {
            let network = super::here().map(|namespace| namespace.as_raw_fd());
            // It may have ended already; then this one is the last.
            let _ = members.note(copy.as_raw_nonzero().get().cast_unsigned(), network);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let Ok(members) = Members::lock(&self.home) else { return };
        let _ = fs::remove_file(members.folder.join(std::process::id().to_string()));
        let used = members.find(Member::network).is_some();
        if !used {
            super::pasta::end(&members.folder);
        }
    }
}
