//! Why a copy failed, in the words of `docker cp`.

/// Why a copy failed.
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
    /// There is nothing on the host.
    #[error("lstat {0}: no such file or directory")]
    NotFoundHere(String),
    /// `dir/` or `dir/.` of a file.
    #[error("not a directory: {0}")]
    NotDirectory(String),
    /// A directory onto a file.
    #[error("cannot copy directory")]
    DirectoryOntoFile,
    /// The directory that it should go into does not exist.
    #[error("no such directory: {0}")]
    NoSuchDirectory(String),
    /// A tar is unpacked into something else than a directory.
    #[error("extraction point is not a directory: {0}")]
    ExtractionPoint(String),
    /// What a link leads to changes all the time, or leads in a circle.
    #[error("too many links in {0}")]
    Links(String),
    /// A file system of the kernel's, where a write is an action.
    #[error("{0} is on a file system of the kernel (proc, sys, cgroup): nothing is copied into it")]
    KernelFiles(String),
    /// A look-up failed.
    #[error("cannot look up {path} in the container: {source}")]
    LookUp {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
