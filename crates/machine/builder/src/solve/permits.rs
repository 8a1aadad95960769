//! How many steps work at the same time.

use super::cancel::Cancel;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// How long a canceled build may wait for a permit until it notices.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Permits {
    free: Mutex<usize>,
    changed: Condvar,
}

/// Gives its permit back when it is dropped.
#[derive(Debug)]
pub struct Permit<'a>(&'a Permits);

impl Permits {
    pub fn new(count: usize) -> Self {
        Self { free: Mutex::new(count.max(1)), changed: Condvar::new() }
    }

    /// Waits for one; `None` if the build is given up.
    pub fn take(&self, cancel: &Cancel) -> Option<Permit<'_>> {
        let mut free = super::lock(&self.free);
        while *free == 0 {
            if cancel.is_raised() {
                return None;
            }
            let waited = self.changed.wait_timeout(free, PATIENCE);
            free = waited.unwrap_or_else(|e| e.into_inner()).0;
        }
        if cancel.is_raised() {
            return None;
        }
        *free -= 1;
        Some(Permit(self))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *super::lock(&self.0.free) += 1;
        self.0.changed.notify_one();
    }
}
