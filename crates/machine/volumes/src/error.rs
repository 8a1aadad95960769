//! What can go wrong with a volume, in Docker's words.

use std::path::PathBuf;

/// A failed operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has that name.
    #[error("get {0}: no such volume")]
    NoSuchVolume(String),
    /// The name breaks the grammar.
    #[error(
        "create {0}: \"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    InvalidName(String),
    /// One character is Docker's minimum for a typed name.
    #[error(
        "create {0}: volume name is too short, names should be at least two alphanumeric characters"
    )]
    ShortName(String),
    /// The name exists with another driver or other options.
    #[error(
        "create {0}: volume already exists but with different options: remove it, or choose another name"
    )]
    Conflict(String),
    /// Only `local` exists.
    #[error(
        "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
    )]
    Driver {
        /// The volume.
        name: String,
        /// What was asked for.
        driver: String,
    },
    /// An option that the local driver does not have.
    #[error("create {name}: invalid option: {option:?}")]
    Option {
        /// The volume.
        name: String,
        /// The key.
        option: String,
    },
    /// An option that needs another.
    #[error("create {name}: missing required option: {option:?}")]
    MissingOption {
        /// The volume.
        name: String,
        /// The key.
        option: &'static str,
    },
    /// A file system type that is not offered.
    #[error(
        "create {name}: file system type {kind:?} is not offered: tmpfs, and none with o=bind, are"
    )]
    FileSystem {
        /// The volume.
        name: String,
        /// The type.
        kind: String,
    },
    /// A subpath that leaves the volume, or is not there.
    #[error("cannot access path {path:?} of volume {volume}: {source}")]
    Subpath {
        /// The volume.
        volume: String,
        /// Within it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// More content than an image may put into a volume at its first use.
    #[error("volume {volume}: the image's content exceeds {limit} entries")]
    TooMany {
        /// The volume.
        volume: String,
        /// The bound.
        limit: u64,
    },
    /// A file of ours does not parse.
    #[error("{path} is damaged: {source}; remove the volume with `teu volume rm -f`")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// Verb.
        what: &'static str,
        /// Object.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(
        what: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
