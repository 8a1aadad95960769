//! Files of this crate: written to a temporary name and renamed, directories for root alone, locks
//! that die with their holder.

use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest record that is read.
const RECORD_BYTES_MAX: u64 = 4 << 20;
/// What is read at first.
const FIRST_READ_BYTES: usize = 4 << 10;

/// A lock that is held while this lives.
#[derive(Debug)]
pub struct Lock(OwnedFd);

impl Lock {
    /// Whether its file has been deleted since.
    pub fn is_deleted(&self) -> bool {
        rustix::fs::fstat(&self.0).is_ok_and(|found| found.st_nlink == 0)
    }
}

/// Names what was being done to which file.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// Takes a lock, waiting for whoever holds it.
pub fn lock(path: &Path) -> Result<Lock> {
    flock(path, FlockOperation::LockExclusive).map_err(|errno| failed("lock", path)(errno.into()))
}

/// Likewise, one that others may hold in the same way.
pub fn lock_shared(path: &Path) -> Result<Lock> {
    flock(path, FlockOperation::LockShared).map_err(|errno| failed("lock", path)(errno.into()))
}

/// Takes a lock that nobody has; `None` when somebody does.
pub fn try_lock(path: &Path) -> Result<Option<Lock>> {
    match flock(path, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(None),
        outcome => outcome.map(Some).map_err(|errno| failed("lock", path)(errno.into())),
    }
}

fn flock(path: &Path, operation: FlockOperation) -> std::result::Result<Lock, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
    loop {
        match rustix::fs::flock(&fd, operation) {
            Err(Errno::INTR) => {}
            outcome => return outcome.map(|()| Lock(fd)),
        }
    }
}

/// Makes a directory and its parents, for root alone.
pub fn directory(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))
}

/// Writes a record so that readers see the old one or the new one.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_with(path, value, |_| Ok(()))
}

/// Likewise; when it returns, the record survives a power failure.
pub fn write_durably<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_with(path, value, |file| file.sync_data())?;
    let parent = path.parent().unwrap_or(path);
    fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("sync", parent))
}

fn write_with<T: Serialize>(
    path: &Path,
    value: &T,
    sync: impl FnOnce(&fs::File) -> io::Result<()>,
) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        sync(&file)?;
        fs::rename(&temporary, path)
    };
    write().map_err(failed("write", path))
}

/// Reads a record; `None` when there is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    if bytes.len() as u64 > RECORD_BYTES_MAX {
        return Err(damaged(path, "it is too long"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(path, &error.to_string()))
}

/// A file's bytes, and one more than the most where it is longer. Nearly every record is read by one
/// call: what is shorter than the buffer has ended.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut bytes = vec![0; FIRST_READ_BYTES];
    let count = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => break outcome?,
        }
    };
    bytes.truncate(count);
    if count == FIRST_READ_BYTES {
        let rest = RECORD_BYTES_MAX + 1 - FIRST_READ_BYTES as u64;
        file.take(rest).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::Damaged { path: path.to_owned(), problem: problem.to_owned() }
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Names in a directory, without the hidden; none when there is no directory.
pub fn names_in(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", path))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    Ok(names)
}
