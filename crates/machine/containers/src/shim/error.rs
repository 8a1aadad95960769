//! What goes wrong between a command and a shim.

use rustix::io::Errno;
use std::path::PathBuf;

/// Why a shim could not be reached, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its folder cannot be used.
    #[error("the pod's folder {} cannot be used", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The binary could not be executed again.
    #[error("cannot start the pod's shim from {}", program.display())]
    Spawn {
        /// The binary.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The other end closed, or ended while it was asked: look at the state, then ask again.
    #[error("the pod's shim has gone")]
    Gone,
    /// No answer in time.
    #[error("the pod's shim does not answer")]
    Silent,
    /// Longer than the protocol allows.
    #[error("a message of {bytes} bytes is longer than a shim accepts")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More descriptors than the protocol allows.
    #[error("a message carries too many descriptors")]
    TooManyDescriptors,
    /// A message could not be written.
    #[error("a message to the shim cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// A message could not be read.
    #[error(
        "a message of the shim cannot be understood; was it started by another version of teu?"
    )]
    Decode(#[source] serde_json::Error),
    /// The socket failed.
    #[error("the connection to the pod's shim failed")]
    Socket(#[source] Errno),
}

impl Error {
    /// Ends of connections are expected; the rest is not.
    pub(super) fn from_socket(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Gone,
            Errno::AGAIN => Self::Silent,
            other => Self::Socket(other),
        }
    }
}
