//! A stream that shows how much of it has been read.

use crate::units::human_size;
use rustix::termios::isatty;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// Between two updates.
const INTERVAL: Duration = Duration::from_millis(100);

/// A reader with a line on standard error, if that is a terminal.
#[derive(Debug)]
pub struct Reading<R> {
    inner: R,
    total_bytes: Option<u64>,
    what: &'static str,
    shown: bool,
    bytes: u64,
    last: Instant,
    written: bool,
}

impl<R: Read> Reading<R> {
    /// Wraps a stream; `quiet` shows nothing.
    pub fn new(inner: R, total_bytes: Option<u64>, what: &'static str, quiet: bool) -> Self {
        let shown = !quiet && isatty(rustix::stdio::stderr());
        Self { inner, total_bytes, what, shown, bytes: 0, last: Instant::now(), written: false }
    }

    fn show(&mut self) {
        let mut line = format!("\r{} {}", self.what, human_size(self.bytes, 4));
        if let Some(total) = self.total_bytes {
            line.push_str(&format!(" of {}", human_size(total, 4)));
        }
        let _ = write!(std::io::stderr(), "{line}\x1b[K");
        self.written = true;
    }
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        if self.shown && self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            self.show();
        }
        Ok(length)
    }
}

impl<R> Drop for Reading<R> {
    fn drop(&mut self) {
        if self.written {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
