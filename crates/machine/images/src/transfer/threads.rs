//! The same work for several things at once, by a bounded number of threads.

use crate::error::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Does `work` for every number below `count`. The first failure ends the rest and is the one that
/// is told.
pub(crate) fn each(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<()> + Sync,
) -> Result<()> {
    let next = Mutex::new(0..count);
    let failure = Mutex::new(None);
    let stopped = AtomicBool::new(false);
    let worker = || {
        while !stopped.load(Ordering::Acquire) {
            let number = next.lock().ok().and_then(|mut next| next.next());
            let Some(number) = number else { return };
            if let Err(error) = work(number) {
                stopped.store(true, Ordering::Release);
                if let Ok(mut failure) = failure.lock() {
                    failure.get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
