//! A failed command: what to print, what to hint at, and the exit code.
//!
//! Libraries give typed errors; here they all become a [`Failure`], which remembers the chain of
//! causes. Docker's codes: 1 for most commands, 125 where `run`, `create`, `exec` and usage fail.

use std::error::Error;
use std::fmt;

/// What commands give.
pub type Result<T> = std::result::Result<T, Failure>;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What a person reads first.
    pub message: String,
    /// What to do, as a line of its own.
    pub hint: Option<String>,
    /// Output ended because nobody reads it.
    pub broken_pipe: bool,
    /// Everything has been said already; only the code is left.
    pub silent: bool,
}

impl Failure {
    /// With exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), hint: None, broken_pipe: false, silent: false }
    }

    /// Only an exit code: the messages are out.
    pub fn silent(code: u8) -> Self {
        Self { code, silent: true, ..Self::new("") }
    }

    /// With another exit code.
    #[must_use]
    pub fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The message of an error with those of its causes that it does not already contain.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(&error);
        let mut broken_pipe = false;
        while let Some(cause) = source {
            let io = cause.downcast_ref::<std::io::Error>();
            broken_pipe |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe);
            source = cause.source();
        }
        Self { broken_pipe, ..Self::new(chain(&error)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Adds what was being done to an error.
pub trait Doing<T> {
    /// `cannot WHAT: error`
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Failure>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let failure: Failure = error.into();
            Failure { message: format!("{}: {}", what(), failure.message), ..failure }
        })
    }
}
