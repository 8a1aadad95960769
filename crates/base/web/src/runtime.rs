//! A runtime of bounded size, and a bounded way from async code to blocking libraries.

use crate::error::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How large a runtime may become.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// Threads that drive connections.
    pub threads: usize,
    /// Threads for blocking work, at most; they end when they are idle.
    pub blocking_threads: usize,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self { threads: processors.clamp(2, 16), blocking_threads: 64 }
    }
}

/// Idle blocking threads end after this.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Builds a runtime for a long-lived server.
pub fn runtime(options: RuntimeOptions) -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .max_blocking_threads(options.blocking_threads)
        .thread_keep_alive(KEEP_ALIVE)
        .thread_name("teu")
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}

/// Runs blocking work, so much of it at a time and no more; the rest waits in turn.
///
/// Work that may last for ever (follow a log, wait for a container) must have `Workers` of its own,
/// lest it keep short work from its turn, and the runtime must have threads for all of them together.
#[derive(Debug, Clone)]
pub struct Workers(Arc<Semaphore>);

impl Workers {
    /// At most `limit` pieces of work at a time.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit)))
    }

    /// Runs `work` on a thread that may block. Whoever stops waiting leaves the work running to its
    /// end; a panic in it goes on here.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.0.clone().acquire_owned().await;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match task.await {
            Ok(answer) => answer,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Blocking work is only cancelled when the runtime goes down, and this with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
