//! What a container has written: Docker's json-file, over rotated files, with following.

use crate::{Error, Result};

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Nanoseconds since the epoch: not older.
    pub since_ns: Option<i64>,
    /// Not younger.
    pub until_ns: Option<i64>,
    /// The last so many lines.
    pub tail: Option<u64>,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// One line, or a part of a long one (then without its newline).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since the epoch.
    pub time_ns: i64,
    /// Whence.
    pub stream: LogStream,
    /// As written, with the newline.
    pub bytes: Vec<u8>,
}

/// Lines, oldest first. With `follow`, `next` waits.
#[derive(Debug)]
pub struct LogLines {
    pub(crate) pending: std::collections::VecDeque<LogLine>,
}

impl Iterator for LogLines {
    type Item = Result<LogLine>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pending.pop_front().map(Ok::<_, Error>)
    }
}
