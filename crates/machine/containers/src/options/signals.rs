//! Signals by name and number, as `kill`, `--signal` and `--stop-signal` take them.

/// A text that is no signal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid signal: {0}")]
pub struct InvalidSignal(String);

/// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32, InvalidSignal> {
    crate::signal::parse(text).ok_or_else(|| InvalidSignal(text.chars().take(40).collect()))
}
