//! Why a build failed: each says what, where, and what to do.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The context is not a directory.
    #[error("unable to prepare context: {} is not a directory", .0.display())]
    NotDirectory(PathBuf),
}

impl Error {
    /// Lines of the Dockerfile around the cause, as Docker shows them; empty if it is elsewhere.
    pub fn excerpt(&self) -> String {
        String::new()
    }
}
