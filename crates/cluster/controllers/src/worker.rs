//! The loop of a controller: takes keys, looks at several objects at once, and says to the queue how it
//! went. A look that panics is one that failed: its key is tried again later, all others go on.

use crate::mirror::Key;
use crate::queue::{Outcome, Queue};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use teu_api::Status;
use tokio::task::{Id, JoinError, JoinSet};

/// How a look went: nothing more to do, or again after so many milliseconds.
pub type Look = Result<Option<u64>, Status>;

/// Objects that one controller looks at at once.
pub const AT_ONCE: usize = 10;

/// Runs until the future is dropped; what it runs ends with it.
pub async fn work<F>(queue: Arc<Queue>, at_once: usize, look: impl Fn(Key) -> F)
where
    F: Future<Output = Look> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut keys = HashMap::new();
    loop {
        tokio::select! {
            key = queue.take(), if running.len() < at_once => {
                let id = running.spawn(look(Key::clone(&key))).id();
                keys.insert(id, key);
            }
            Some(done) = running.join_next_with_id() => {
                let (id, outcome) = outcome(done);
                if let Some(key) = keys.remove(&id) {
                    queue.finish(&key, outcome);
                }
            }
        }
    }
}

fn outcome(done: Result<(Id, Look), JoinError>) -> (Id, Outcome) {
    match done {
        Ok((id, Ok(None))) => (id, Outcome::Done),
        Ok((id, Ok(Some(milliseconds)))) => (id, Outcome::After(milliseconds)),
        Ok((id, Err(_))) => (id, Outcome::Failed),
        Err(error) => (error.id(), Outcome::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Hand;
    use std::sync::Mutex;

    #[test]
    fn a_look_that_panics_is_tried_again_and_harms_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let clock = Hand::new();
            let queue = Queue::new(Arc::new(clock.clone()));
            let seen: Arc<Mutex<Vec<Key>>> = Arc::default();
            queue.add("n/bad".into());
            queue.add("n/good".into());
            let (to, looks) = (Arc::clone(&queue), Arc::clone(&seen));
            let _working = tokio::spawn(work(to, 1, move |key| {
                let looks = Arc::clone(&looks);
                async move {
                    let mut looks = looks.lock().expect("not held by whoever panics");
                    looks.push(Key::clone(&key));
                    let count = looks.iter().filter(|known| **known == key).count();
                    drop(looks);
                    assert!(&*key != "n/bad" || count > 1, "on purpose");
                    Ok(None)
                }
            }));
            clock.forward(1000).await;
            let seen = seen.lock().expect("no panic").clone();
            assert_eq!(seen, ["n/bad".into(), "n/good".into(), Key::from("n/bad")]);
        });
    }
}
