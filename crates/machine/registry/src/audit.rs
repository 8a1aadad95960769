//! A line of JSON for each request, for those who must be able to say who did what.
//!
//! The file is appended to and never rotated here: `logrotate` with `copytruncate` does. A line that
//! cannot be written is told once, and requests go on.

use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: Mutex<File>,
    has_failed: AtomicBool,
}

/// One request, answered.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// RFC 3339.
    pub time: String,
    /// Where the client is.
    pub peer: String,
    /// Who it said to be, and could show.
    pub user: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The repository, where there is one.
    pub repository: Option<&'a str>,
    /// The digest the answer is about.
    pub digest: Option<&'a str>,
    /// What the client calls itself.
    pub agent: Option<&'a str>,
}

impl Audit {
    /// Opens the file, readable by its owner alone where it is new.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().append(true).create(true).mode(0o600).open(path)?;
        let (path, has_failed) = (path.to_path_buf(), AtomicBool::new(false));
        Ok(Self { path, file: Mutex::new(file), has_failed })
    }

    /// Writes a line; an error is given the first time only.
    pub fn record(&self, line: &Line<'_>) -> Option<teu_images::Error> {
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match file.write_all(&bytes) {
            Ok(()) => {
                self.has_failed.store(false, Ordering::Relaxed);
                None
            }
            Err(source) => {
                let is_first = !self.has_failed.swap(true, Ordering::Relaxed);
                let (verb, path) = ("write", self.path.clone());
                is_first.then_some(teu_images::Error::Io { verb, path, source })
            }
        }
    }
}
