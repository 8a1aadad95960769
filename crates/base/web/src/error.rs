//! Why a server could not be set up.

use std::path::PathBuf;

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody else answers on a unix socket.
    #[error("cannot listen on {}: another server answers there", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in the way.
    #[error("cannot listen on {}: a file that is no socket is there; remove it", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// A descriptor that was handed over is no stream socket that listens.
    #[error("the inherited descriptor is no listening socket: {source}")]
    Inherited {
        /// What the kernel says.
        source: std::io::Error,
    },
    /// A certificate and its key cannot be used.
    #[error("cannot use the TLS certificate and key: {source}")]
    Certificate {
        /// Why not.
        source: rustls::Error,
    },
    /// The authorities that clients' certificates are checked against cannot be used.
    #[error("cannot use the authorities for client certificates: {0}")]
    Authorities(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The runtime cannot be started.
    #[error("cannot start the server's threads: {0}")]
    Runtime(#[source] std::io::Error),
}
