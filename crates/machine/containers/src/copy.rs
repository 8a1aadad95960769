//! `cp`: files between the host and a container that may be hostile and running.

use std::io::Read;

/// What of a container is copied out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyOut {
    /// Path in the container.
    pub path: String,
    /// Follows a link at its end (`-L`).
    pub follow_link: bool,
}

/// What is at a path in a container; Docker's `X-Docker-Container-Path-Stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// Bytes.
    pub size_bytes: u64,
    /// `st_mode`.
    pub mode: u32,
    /// Nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Where a link points.
    pub link_target: String,
}

/// Why a copy failed, in the words of `docker cp`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// There is nothing.
    #[error("Could not find the file {path} in container {container}")]
    NotFound {
        /// The path.
        path: String,
        /// The container.
        container: String,
    },
    /// `dir/` or `dir/.` of a file.
    #[error("not a directory: {0}")]
    NotDirectory(String),
    /// A directory onto a file.
    #[error("cannot copy directory")]
    DirectoryOntoFile,
    /// The directory that it should go into does not exist.
    #[error("no such directory: {0}")]
    NoSuchDirectory(String),
}

/// A tar stream of what is copied out.
pub struct TarStream {
    pub(crate) inner: Box<dyn Read + Send>,
}

impl std::fmt::Debug for TarStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarStream").finish_non_exhaustive()
    }
}

impl Read for TarStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer)
    }
}
