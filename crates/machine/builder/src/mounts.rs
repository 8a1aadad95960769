//! Cache mounts: directories that outlive the steps that fill them.
//!
//! ```text
//! <state>/cache-mounts/<hash of id>/
//!   id           what the Dockerfile calls it
//!   data/        shared and locked users; flock on `lock` while a locked one runs
//!   private-N/   further private users at the same time; flock on `private-N.lock`
//! ```
//! Steps reach them by descriptor only, and they are removed beneath descriptors: whatever links a
//! step leaves in one are never followed (CVE-2024-23651, CVE-2024-23652).

use crate::dockerfile::mount::Sharing;
use crate::error::{Cause, Error};
use crate::outcome::RecordUsage;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Private caches of one id at the same time.
const PRIVATE_LIMIT: u32 = 64;

/// A cache mount in use: the directory, and the lock that says so.
#[derive(Debug)]
pub struct InUse {
    /// Path of the directory, ours alone.
    pub path: PathBuf,
    /// Held until the step has ended.
    pub lock: OwnedFd,
    /// It was made now.
    pub new: bool,
}

fn home(state: &Path, id: &str) -> PathBuf {
    state.join("cache-mounts").join(&teu_oci::Digest::sha256(id.as_bytes()).hex()[..32])
}

/// Takes a cache mount into use, waiting where it must be used by one step at a time.
pub fn take(state: &Path, id: &str, sharing: Sharing) -> Result<InUse, Cause> {
    let home = home(state, id);
    std::fs::create_dir_all(&home).map_err(|source| Cause::io("make", &home, source))?;
    let name = home.join("id");
    if !name.exists() {
        std::fs::write(&name, id).map_err(|source| Cause::io("write", &name, source))?;
    }
    match sharing {
        Sharing::Shared => lock(&home, "lock", FlockOperation::LockShared)
            .and_then(|lock| directory(&home, "data", lock)),
        Sharing::Locked => lock(&home, "lock", FlockOperation::LockExclusive)
            .and_then(|lock| directory(&home, "data", lock)),
        Sharing::Private => private(&home),
    }
}

fn private(home: &Path) -> Result<InUse, Cause> {
    for number in 0..PRIVATE_LIMIT {
        let (name, file) = match number {
            0 => ("data".to_owned(), "lock".to_owned()),
            number => (format!("private-{number}"), format!("private-{number}.lock")),
        };
        match lock(home, &file, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => return directory(home, &name, lock),
            Err(Cause::Io { source, .. })
                if source.raw_os_error() == Some(Errno::WOULDBLOCK.raw_os_error()) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Cause::Limit { what: "users of one private cache mount", limit: PRIVATE_LIMIT.into() })
}

fn lock(home: &Path, name: &str, how: FlockOperation) -> Result<OwnedFd, Cause> {
    let path = home.join(name);
    let fail = |errno| Cause::io("lock", &path, errno);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(CWD, &path, flags, Mode::from_raw_mode(0o600)).map_err(fail)?;
    loop {
        match rustix::fs::flock(&file, how) {
            Err(Errno::INTR) => {}
            other => return other.map(|()| file).map_err(fail),
        }
    }
}

fn directory(home: &Path, name: &str, lock: OwnedFd) -> Result<InUse, Cause> {
    let path = home.join(name);
    let new = match std::fs::create_dir(&path) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(source) => return Err(Cause::io("make", &path, source)),
    };
    Ok(InUse { path, lock, new })
}

/// What cache mounts take.
pub fn usage(state: &Path) -> Vec<RecordUsage> {
    let Ok(homes) = std::fs::read_dir(state.join("cache-mounts")) else { return Vec::new() };
    let one = |entry: std::fs::DirEntry| {
        let home = entry.path();
        let id = std::fs::read_to_string(home.join("id")).ok()?;
        let times = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let used = times(&home.join("lock")).into_iter().chain(times(&home.join("data"))).max()?;
        let busy = matches!(
            lock(&home, "lock", FlockOperation::NonBlockingLockExclusive),
            Err(Cause::Io { .. })
        );
        let root = rustix::fs::openat(
            CWD,
            &home,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()?;
        Some(RecordUsage {
            id: entry.file_name().to_string_lossy().into_owned(),
            kind: "exec.cachemount",
            description: format!("cache mount {id}"),
            size_bytes: size(&root).unwrap_or(0),
            created_s: times(&home.join("id")).map_or(0, crate::record::seconds),
            last_used_s: crate::record::seconds(used),
            in_use: busy,
        })
    };
    homes.filter_map(Result::ok).filter_map(one).collect()
}

/// Bytes on disk beneath a directory, links not followed.
fn size(directory: &OwnedFd) -> rustix::io::Result<u64> {
    let mut total = 0;
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
        total += stat.st_blocks.unsigned_abs() * 512;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            total += size(&open_directory(directory, name)?)?;
        }
    }
    Ok(total)
}

fn open_directory(parent: &OwnedFd, name: &std::ffi::CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Removes a cache mount that no step uses; says whether it did.
pub fn remove(state: &Path, name: &str) -> Result<bool, Error> {
    let home = state.join("cache-mounts").join(name);
    if lock(&home, "lock", FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    remove_tree(&home)?;
    Ok(true)
}

/// Removes a directory and all in it, beneath descriptors, following nothing, however deep it is.
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    teu_images::tree::remove(path).map_err(|errno| Error::io("remove", path, errno))
}
