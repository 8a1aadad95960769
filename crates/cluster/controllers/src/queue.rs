//! Keys of objects that are to be looked at: each at most once at a time, again after a failure with
//! growing pauses, or at a time.
//!
//! ```text
//! add ─▶ ready ─take─▶ running ─finish─▶ gone
//!          ▲             │  added meanwhile, failed, or "again at": back
//!        later ◀─────────┘
//! ```
//! A key holds no more than itself, so the queue is bounded by what there is.

use crate::Timer;
use crate::mirror::Key;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE_MILLISECONDS: u64 = 10;
/// The longest.
const LAST_PAUSE_MILLISECONDS: u64 = 300_000;

/// How a look at an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be until something changes.
    Done,
    /// It is to be looked at again after so many milliseconds.
    After(u64),
    /// It is to be tried again.
    Failed,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Key>,
    is_ready: HashSet<Key>,
    /// Those that are being looked at, and whether they were added meanwhile.
    running: HashMap<Key, bool>,
    later: BTreeSet<(u64, Key)>,
    due: HashMap<Key, u64>,
    failures: HashMap<Key, u32>,
}

impl State {
    fn add(&mut self, key: Key) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = true;
        } else if self.is_ready.insert(Key::clone(&key)) {
            self.ready.push_back(key);
        }
    }

    fn add_at(&mut self, key: Key, due: u64) {
        match self.due.get(&key) {
            Some(known) if *known <= due => return,
            Some(known) => drop(self.later.remove(&(*known, Key::clone(&key)))),
            None => {}
        }
        self.due.insert(Key::clone(&key), due);
        self.later.insert((due, key));
    }

    /// Takes the next; or says when there may be one.
    fn take(&mut self, now: u64) -> Result<Key, Option<u64>> {
        while let Some((due, key)) = self.later.first().cloned() {
            if due > now {
                break;
            }
            self.later.pop_first();
            self.due.remove(&key);
            self.add(key);
        }
        let Some(key) = self.ready.pop_front() else {
            return Err(self.later.first().map(|(due, _)| due - now));
        };
        self.is_ready.remove(&key);
        self.running.insert(Key::clone(&key), false);
        Ok(key)
    }
}

/// The queue.
pub struct Queue {
    timer: Arc<dyn Timer>,
    state: Mutex<State>,
    changed: Notify,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Queue {
    /// An empty one.
    pub fn new(timer: Arc<dyn Timer>) -> Arc<Self> {
        Arc::new(Self { timer, state: Mutex::default(), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is to be looked at.
    pub fn add(&self, key: Key) {
        self.state().add(key);
        self.changed.notify_one();
    }

    /// It is to be looked at after so many milliseconds, unless it is earlier anyway.
    pub fn add_after(&self, key: Key, milliseconds: u64) {
        let due = self.timer.now().saturating_add(milliseconds);
        self.state().add_at(key, due);
        self.changed.notify_one();
    }

    /// The next, when there is one. For one who takes.
    pub async fn take(&self) -> Key {
        loop {
            let wait = match self.state().take(self.timer.now()) {
                Ok(key) => return key,
                Err(wait) => wait,
            };
            match wait {
                None => self.changed.notified().await,
                Some(milliseconds) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = self.timer.sleep(milliseconds.max(1)) => {}
                },
            }
        }
    }

    /// What was taken has been looked at.
    pub fn finish(&self, key: &Key, outcome: Outcome) {
        let now = self.timer.now();
        let mut state = self.state();
        let again = state.running.remove(key).unwrap_or(false);
        let pause = match outcome {
            Outcome::Done => None,
            Outcome::After(milliseconds) => Some(milliseconds),
            Outcome::Failed => {
                let failures = state.failures.entry(Key::clone(key)).or_insert(0);
                *failures = failures.saturating_add(1);
                let shift = (*failures - 1).min(20);
                Some((FIRST_PAUSE_MILLISECONDS << shift).min(LAST_PAUSE_MILLISECONDS))
            }
        };
        if outcome != Outcome::Failed {
            state.failures.remove(key);
        }
        if let Some(milliseconds) = pause {
            state.add_at(Key::clone(key), now.saturating_add(milliseconds));
        }
        if again {
            state.add(Key::clone(key));
        }
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
