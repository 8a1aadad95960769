//! Small JSON documents on disk, and what identifies a process beyond its number.

use super::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a document; `None` when there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Failure::Damaged { path: path.to_owned(), source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("read", path)(error)),
    }
}

/// Writes a document: to a temporary name, then renamed, so that nobody reads half of it.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value)
        .map_err(|source| Failure::Damaged { path: path.to_owned(), source })?;
    let temporary = path.with_extension("json.new");
    std::fs::write(&temporary, bytes).map_err(Failure::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Failure::io("write", path))
}

/// Start of a process in clock ticks since boot: field 22 of its `stat`. proc_pid_stat(5).
pub(super) fn start_ticks(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field may hold spaces and parentheses; the last one closes it.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Name of this boot.
pub(super) fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
