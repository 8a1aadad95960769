//! The few ways a cgroup's files are read and written; all small, all bounded.

use super::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Largest file read, in bytes: `memory.numa_stat` of a big machine is some tens of KiB.
const MAX_BYTES: u64 = 1 << 20;

/// Deepest nesting followed below a group.
const MAX_DEPTH: usize = 64;

/// One write of the whole value: the kernel takes each write as a command.
pub fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// The whole text.
pub fn read(path: &Path) -> Result<String, Error> {
    try_read(path).map_err(|source| Error::Read { path: path.into(), source })
}

/// The whole text, none where there is no such file.
pub fn read_if_exists(path: &Path) -> Result<Option<String>, Error> {
    match try_read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A group that is being removed answers ENODEV.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
            Ok(None)
        }
        Err(source) => Err(Error::Read { path: path.into(), source }),
    }
}

fn try_read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A file of one number; `max` and the v1 kernel's "unlimited" are none.
pub fn number(path: &Path) -> Result<Option<u64>, Error> {
    Ok(read_if_exists(path)?.and_then(|text| parse_number(&text)))
}

/// v1 writes "unlimited" as the largest multiple of the page size.
pub fn parse_number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|value| *value < 0x7fff_ffff_ffff_0000)
}

/// The value of `key` in lines of `key value`.
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
}

/// Processes of one group; none if it is gone.
pub fn pids(directory: &Path) -> Result<Vec<i32>, Error> {
    let text = match read_if_exists(&directory.join("cgroup.procs")) {
        // A threaded v2 group has only threads; its processes are counted at the domain above.
        Err(Error::Read { source, .. })
            if source.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) =>
        {
            None
        }
        other => other?,
    };
    Ok(text.unwrap_or_default().lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// Processes of a group and of those below it.
pub fn pids_below(directory: &Path, into: &mut Vec<i32>) -> Result<(), Error> {
    for directory in below(directory)? {
        into.extend(pids(&directory)?);
    }
    Ok(())
}

/// A group and all below it, deepest last.
pub fn below(directory: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let mut found = vec![directory.to_owned()];
    let mut level = vec![directory.to_owned()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for parent in &level {
            next.extend(children(parent)?);
        }
        if next.is_empty() {
            break;
        }
        found.extend(next.iter().cloned());
        level = next;
    }
    Ok(found)
}

/// Directories in a group. The count of links says without listing that there are none.
fn children(directory: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let failed = |source| Error::Read { path: directory.into(), source };
    match rustix::fs::stat(directory) {
        Ok(stat) if stat.st_nlink <= 2 => return Ok(Vec::new()),
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(failed(errno.into())),
        Ok(_) => {}
    }
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
