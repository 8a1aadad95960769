//! What can be wrong with keys and certificates, with the file it is in.

use std::path::{Path, PathBuf};

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a key or certificate could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is longer than any certificate file is.
    #[error("{} has more than {limit} bytes, which no file of certificates has", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
    },
    /// A file has broken PEM in it.
    #[error("{place} is not valid PEM: {source}")]
    Pem {
        /// The file, or what the text is.
        place: String,
        /// What is wrong.
        source: rustls_pki_types::pem::Error,
    },
    /// A file without what was looked for.
    #[error("{place} holds no {wanted}: expected a block `-----BEGIN {label}-----`")]
    Empty {
        /// The file, or what the text is.
        place: String,
        /// What was looked for.
        wanted: &'static str,
        /// Its label in PEM.
        label: &'static str,
    },
    /// A key that cannot be used.
    #[error("{place} is not a private key for ES256 (PKCS#8, P-256)")]
    Key {
        /// The file, or what the text is.
        place: String,
    },
    /// What somebody asks for cannot be read.
    #[error(
        "the certificate signing request cannot be read, or is not signed by the key in it (ECDSA \
         over P-256 or P-384, RSA from 2048 bits, Ed25519)"
    )]
    Request,
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {name}: {source}")]
    Make {
        /// For whom.
        name: String,
        /// Why not.
        source: rcgen::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}
