//! Docker's meaning of paths: `dir`, `dir/`, `dir/.`, links at the end or on the way.

use super::{CopyError, PathStat};
use crate::root::open_in;
use crate::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Links that are followed at the end of a path.
const LINK_LIMIT: usize = 40;
/// `f_type` of file systems where a write is an action: proc, sysfs, cgroup, cgroup2, debugfs,
/// tracefs, securityfs, bpf.
const KERNEL_FILES: [i64; 8] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
];

/// What a path in a container says about the thing that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `thing`: the thing itself, a link too.
    Thing,
    /// `thing/`: it must be a directory.
    Directory,
    /// `thing/.`: what is in it.
    Content,
}

/// Splits off what the end of a path says.
pub(super) fn form(path: &str) -> (&str, Form) {
    if path == "." || path.ends_with("/.") {
        let path = path[..path.len() - 1].trim_end_matches('/');
        return (path, Form::Content);
    }
    let trimmed = path.trim_end_matches('/');
    let form = if trimmed.len() < path.len() { Form::Directory } else { Form::Thing };
    (trimmed, form)
}

/// Last component; of the root, `/`.
pub(super) fn base_name(path: &str) -> &str {
    let (path, _) = form(path);
    match path.rsplit('/').next() {
        Some("" | "..") | None => "/",
        Some(name) => name,
    }
}

/// Something in a container that is copied out, held by descriptors.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) kind: SourceKind,
    pub(super) stat: PathStat,
}

#[derive(Debug)]
pub(super) enum SourceKind {
    /// A directory with all beneath it.
    Directory(OwnedFd),
    /// One entry of a directory that is no directory itself.
    Entry { dir: OwnedFd, name: OsString },
}

impl Source {
    pub(super) fn is_dir(&self) -> bool {
        matches!(self.kind, SourceKind::Directory(_))
    }
}

/// Finds what is to be copied.
pub(super) fn source(
    root: BorrowedFd<'_>,
    container: &str,
    path: &str,
    follow: bool,
) -> Result<Source> {
    let failed = |errno: Errno| -> Error { refused(errno, container, path).into() };
    let (bare, shape) = form(path);
    let shown = base_name(path).to_owned();
    if bare.trim_matches('/').is_empty() || shape != Form::Thing || bare.ends_with("/..") {
        let dir = open_in(root, bare, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
        let stat = rustix::fs::fstat(&dir).map_err(failed)?;
        let stat = path_stat(shown, &stat, String::new());
        return Ok(Source { kind: SourceKind::Directory(dir), stat });
    }
    let mut at = bare.to_owned();
    for _ in 0..LINK_LIMIT {
        let (parent, name) = at.rsplit_once('/').unwrap_or(("", &at));
        let name = OsStr::new(name).to_owned();
        let dir = open_in(root, parent, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
        let thing = rustix::fs::openat(
            &dir,
            name.as_os_str(),
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        let stat = rustix::fs::fstat(&thing).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&thing, "", Vec::new()).map_err(failed)?;
                let target = target.to_string_lossy().into_owned();
                if !follow {
                    let stat = path_stat(shown, &stat, target);
                    return Ok(Source { kind: SourceKind::Entry { dir, name }, stat });
                }
                at = match target.starts_with('/') {
                    true => target,
                    false => format!("{parent}/{target}"),
                };
                at = at.trim_end_matches('/').to_owned();
            }
            FileType::Directory => {
                // The same inode, now for reading: no name is looked up again.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let dir = open_in(thing.as_fd(), ".", flags).map_err(failed)?;
                let stat = path_stat(shown, &stat, String::new());
                return Ok(Source { kind: SourceKind::Directory(dir), stat });
            }
            _ => {
                let stat = path_stat(shown, &stat, String::new());
                return Ok(Source { kind: SourceKind::Entry { dir, name }, stat });
            }
        }
    }
    Err(CopyError::Links(path.to_owned()).into())
}

/// Where a copy goes: a directory, and the name it gets there (`None`: its own).
#[derive(Debug)]
pub(super) struct Target {
    pub(super) dir: OwnedFd,
    pub(super) name: Option<String>,
}

/// Finds where to copy within a root. Links are followed, within the root.
pub(super) fn target(
    root: BorrowedFd<'_>,
    container: &str,
    path: &str,
    source_is_dir: bool,
) -> Result<Target> {
    let failed = |errno: Errno| -> Error { refused(errno, container, path).into() };
    let directory = OFlags::RDONLY | OFlags::DIRECTORY;
    match open_in(root, path, OFlags::PATH) {
        Ok(thing) => {
            let stat = rustix::fs::fstat(&thing).map_err(failed)?;
            let is_dir = FileType::from_raw_mode(stat.st_mode).is_dir();
            if is_dir {
                let dir = open_in(thing.as_fd(), ".", directory).map_err(failed)?;
                return checked(Target { dir, name: None }, path);
            }
            if source_is_dir {
                return Err(CopyError::DirectoryOntoFile.into());
            }
        }
        Err(Errno::NOENT) => {}
        Err(Errno::NOTDIR) => return Err(CopyError::NotDirectory(path.to_owned()).into()),
        Err(errno) => return Err(failed(errno)),
    }
    let (bare, shape) = form(path);
    if shape != Form::Thing && !source_is_dir {
        return Err(CopyError::NoSuchDirectory(path.to_owned()).into());
    }
    let (parent, name) = bare.rsplit_once('/').unwrap_or(("", bare));
    let dir = open_in(root, parent, directory).map_err(|errno| match errno {
        Errno::NOENT => CopyError::NoSuchDirectory(parent.to_owned()).into(),
        errno => failed(errno),
    })?;
    match name {
        "" | "." | ".." => Err(CopyError::NoSuchDirectory(path.to_owned()).into()),
        name => checked(Target { dir, name: Some(name.to_owned()) }, path),
    }
}

fn checked(target: Target, path: &str) -> Result<Target> {
    let kind = rustix::fs::fstatfs(&target.dir).map(|facts| facts.f_type);
    match kind {
        Ok(kind) if KERNEL_FILES.contains(&kind) => {
            Err(CopyError::KernelFiles(path.to_owned()).into())
        }
        _ => Ok(target),
    }
}

fn refused(errno: Errno, container: &str, path: &str) -> CopyError {
    match errno {
        Errno::NOENT => {
            CopyError::NotFound { path: path.to_owned(), container: container.to_owned() }
        }
        Errno::NOTDIR => CopyError::NotDirectory(path.to_owned()),
        Errno::LOOP => CopyError::Links(path.to_owned()),
        errno => CopyError::LookUp { path: path.to_owned(), source: errno.into() },
    }
}

fn path_stat(name: String, stat: &Stat, link_target: String) -> PathStat {
    PathStat {
        name,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        mtime_ns: stat
            .st_mtime
            .saturating_mul(1_000_000_000)
            .saturating_add_unsigned(stat.st_mtime_nsec),
        link_target,
    }
}

/// What is at a path of a container.
pub(super) fn stat(root: BorrowedFd<'_>, container: &str, path: &str) -> Result<PathStat> {
    source(root, container, path, false).map(|source| source.stat)
}
