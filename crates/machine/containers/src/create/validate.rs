//! What Docker refuses, in its words. Pure.

/// Why a request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// Neither image nor person say what to run.
    #[error("no command specified")]
    NoCommand,
}
