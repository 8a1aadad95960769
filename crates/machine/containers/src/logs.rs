//! What a container has written: Docker's json-file, over rotated files, with following.
//!
//! ```text
//! container.log        {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}
//! container.log.1 …    older ones, the highest number the oldest
//! ```
//! Files are opened beneath the container's directory and never through a link (CVE-2026-53489).
//! `--tail` reads backwards from the end, so a large log costs nothing. Following sleeps in inotify
//! and on the shim's connection: it ends when the container does, also when its shim is killed. A
//! torn or overlong line is skipped, never believed.

use crate::record::LogRecord;
use crate::{Containers, Error, Result, time};
use serde::Deserialize;
use std::borrow::Cow;

mod files;
mod follow;
mod tail;

pub use follow::LogLines;

/// Longest entry that is read; the shim writes lines of at most 16 KiB, six bytes for one at worst.
const ENTRY_LIMIT_BYTES: usize = 256 << 10;

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

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// One entry; `None` for what is none.
fn parse(line: &[u8]) -> Option<LogLine> {
    let entry: Entry<'_> = serde_json::from_slice(line).ok()?;
    let stream = match &*entry.stream {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => return None,
    };
    let time_ns = time::parse_rfc3339(&entry.time)?;
    Some(LogLine { time_ns, stream, bytes: entry.log.into_owned().into_bytes() })
}

impl LogOptions {
    fn wants(&self, line: &LogLine) -> bool {
        let stream = match line.stream {
            LogStream::Stdout => self.stdout,
            LogStream::Stderr => self.stderr,
        };
        stream && self.since_ns.is_none_or(|since| line.time_ns >= since)
    }

    /// Lines are in order of time, so the first that is too young is the last that is read.
    fn is_over(&self, line: &LogLine) -> bool {
        self.until_ns.is_some_and(|until| line.time_ns > until)
    }
}

impl Containers {
    /// What it has written.
    pub fn logs(&self, name: &str, options: &LogOptions) -> Result<LogLines> {
        let found = self.find(name)?;
        let LogRecord { keep, .. } = found.record.log;
        if !keep {
            return Err(Error::LogsNotKept);
        }
        if !options.stdout && !options.stderr {
            return Err(Error::Refused("Bad parameters: you must choose at least one stream"));
        }
        LogLines::open(self, &found, options)
    }
}

#[cfg(test)]
mod tests;
