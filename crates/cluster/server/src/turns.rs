//! Where writers of one thing wait for their turn in this process, so that they do not chase each other: a
//! namespace with quotas, an object that many change. Servers that share a store are told apart by the store.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tokio::sync::Mutex;

/// Names that fall together wait for each other.
const QUEUES: usize = 16;

/// The queues.
#[derive(Debug, Default)]
pub struct Turns([Mutex<()>; QUEUES]);

impl Turns {
    /// Where those wait that write this.
    pub fn of(&self, name: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or(0);
        self.0.get(at).unwrap_or(&self.0[0])
    }
}
