//! Where events go: one file of JSON lines, put aside when it is large, of which the newest are kept.
//!
//! Events go through a bounded queue to one thread. Whoever finds the queue full waits for a place,
//! [`PATIENCE`] at most; what finds none, and what cannot be written, is counted.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that wait for the thread.
const QUEUE: usize = 10_000;
/// For a place in the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file.
    #[error("cannot open the audit log {}: {source}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its thread.
    #[error("cannot start the thread that writes the audit log: {0}")]
    Thread(#[source] io::Error),
    /// Its policy.
    #[error(transparent)]
    Policy(#[from] super::PolicyError),
}

/// Where, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The file.
    pub path: PathBuf,
    /// Bytes before it is put aside.
    pub max_bytes: u64,
    /// Files put aside that are kept.
    pub max_files: usize,
}

impl LogConfig {
    /// A hundred megabytes, ten times.
    pub fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: 100 << 20, max_files: 10 }
    }
}

/// The way to the log.
#[derive(Debug)]
pub struct Log {
    queue: Option<mpsc::Sender<Value>>,
    lost: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
    patience: Duration,
}

impl Log {
    /// Opens the file and starts its thread.
    pub fn open(config: LogConfig) -> Result<Self, AuditError> {
        Self::with(config, QUEUE, PATIENCE)
    }

    /// The same with a queue of another length.
    pub fn with(config: LogConfig, places: usize, patience: Duration) -> Result<Self, AuditError> {
        let failed = |source| AuditError::Open { path: config.path.clone(), source };
        let mut file = Rotated::open(config.clone()).map_err(failed)?;
        let (queue, mut events) = mpsc::channel::<Value>(places);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let work = move || {
            while let Some(event) = events.blocking_recv() {
                let mut written = file.line(&event);
                // What waits goes with it.
                while let Ok(event) = events.try_recv() {
                    written = written.and_then(|()| file.line(&event));
                }
                if written.and_then(|()| file.flush()).is_err() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(work);
        let thread = Some(thread.map_err(AuditError::Thread)?);
        Ok(Self { queue: Some(queue), lost, thread, patience })
    }

    /// Puts an event into the queue, when there is a place.
    pub async fn put(&self, event: Value) {
        let Some(queue) = &self.queue else { return };
        if queue.send_timeout(event, self.patience).await.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts an event into the queue, if there is a place.
    pub fn offer(&self, event: Value) {
        if self.queue.as_ref().is_some_and(|queue| queue.try_send(event).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that were not written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // What is in the queue is written before the end.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A file that is put aside when it is large.
struct Rotated {
    config: LogConfig,
    file: BufWriter<File>,
    bytes: u64,
}

impl Rotated {
    fn open(config: LogConfig) -> io::Result<Self> {
        let file = append(&config.path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { config, file: BufWriter::new(file), bytes })
    }

    fn line(&mut self, event: &Value) -> io::Result<()> {
        let mut line = event.to_string();
        line.push('\n');
        let length = line.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.config.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes += length;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// `audit.log` becomes `audit.log.1`, that `audit.log.2`, and so on.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let path = &self.config.path;
        let aside = |number: usize| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.config.max_files).rev() {
            match fs::rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match self.config.max_files {
            0 => fs::remove_file(path)?,
            _ => fs::rename(path, aside(1))?,
        }
        self.file = BufWriter::new(append(path)?);
        self.bytes = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}
