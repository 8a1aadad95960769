//! Small files of ours: read with a bound, written whole or not at all, ids, locks.
//!
//! A record is written to a temporary name and renamed. Nothing is synced: what a power cut tears is
//! told by its parse error and removed by `rm -f`; `kill -9` tears nothing.

use crate::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Longest record that is read.
const RECORD_LIMIT_BYTES: u64 = 16 << 20;
/// What is read at first.
const FIRST_READ_BYTES: usize = 8 << 10;

/// Reads a JSON file of ours; `None` when it is not there. Never follows a link at its end.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = read_bounded(path, RECORD_LIMIT_BYTES)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| Error::Damaged { path: path.to_owned(), source })
}

/// Reads a file of ours up to a bound; `None` when it is not there.
pub(crate) fn read_bounded(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(Error::sys("open", path)(errno)),
    };
    let mut file = File::from(fd);
    // Nearly every record is read by one call: what is shorter than the buffer has ended.
    let mut bytes = vec![0; FIRST_READ_BYTES];
    let count = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            outcome => break outcome.map_err(Error::io("read", path))?,
        }
    };
    bytes.truncate(count);
    if count == FIRST_READ_BYTES {
        let rest = limit_bytes.saturating_sub(FIRST_READ_BYTES as u64);
        file.take(rest).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    }
    Ok(Some(bytes))
}

/// Writes a JSON file whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value)
        .map_err(|source| Error::Damaged { path: path.to_owned(), source })?;
    write_whole(path, &bytes)
}

/// Writes a file whole or not at all, mode 0600.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp-{}", &random_id()[..12]));
    let temporary = path.with_file_name(name);
    write_new(&temporary, bytes, 0o600)?;
    fs::rename(&temporary, path).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::io("write", path)(error)
    })
}

/// Writes a file that must not exist yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(mode))
        .map_err(Error::sys("create", path))?;
    File::from(fd).write_all(bytes).map_err(|error| {
        let _ = fs::remove_file(path);
        Error::io("write", path)(error)
    })
}

/// 64 hex digits from the kernel.
pub(crate) fn random_id() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 32];
    random(&mut bytes);
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Fills a buffer from the kernel.
pub(crate) fn random(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => panic!("getrandom failed, which Linux promises not to: {errno}"),
        }
    }
}

/// A lock on a directory, held until it is dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    fd: OwnedFd,
}

impl DirLock {
    /// Waits for the lock. `None` when the directory is not there (any more).
    pub(crate) fn wait(dir: &Path) -> Result<Option<Self>> {
        Self::take(dir, FlockOperation::LockExclusive)
    }

    /// `None` when the directory is not there, or somebody holds it.
    pub(crate) fn attempt(dir: &Path) -> Result<Option<Self>> {
        Self::take(dir, FlockOperation::NonBlockingLockExclusive)
    }

    fn take(dir: &Path, operation: FlockOperation) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(dir, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(Error::sys("open", dir)(errno)),
        };
        loop {
            match rustix::fs::flock(&fd, operation) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(Error::sys("lock", dir)(errno)),
            }
        }
        let lock = Self { fd };
        Ok(lock.is_at(dir).then_some(lock))
    }

    /// Says whether the locked directory still has this name.
    fn is_at(&self, dir: &Path) -> bool {
        match (rustix::fs::fstat(&self.fd), rustix::fs::lstat(dir)) {
            (Ok(held), Ok(named)) => (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino),
            _ => false,
        }
    }
}

/// Removes a tree of ours; what is gone already is what we want.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    teu_images::tree::remove(path).map_err(Error::sys("remove", path))
}

/// The names in a directory that look like ids; none when it is not there.
pub(crate) fn ids_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| is_id(name)).collect())
}

/// 64 lower-case hex digits.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The boot we are in.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
