//! The loop of a controller: takes keys, looks at several objects at once, and says to the queue how it
//! went. Why a key was added is nobody's business: a look reads everything anew.

use crate::mirror::Key;
use crate::queue::{Outcome, Queue};
use std::future::Future;
use std::sync::Arc;
use teu_api::Status;
use tokio::task::JoinSet;

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
    loop {
        tokio::select! {
            key = queue.take(), if running.len() < at_once => {
                let look = look(Key::clone(&key));
                running.spawn(async move { (key, look.await) });
            }
            Some(done) = running.join_next() => match done {
                Ok((key, look)) => queue.finish(&key, outcome(&look)),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return,
            },
        }
    }
}

fn outcome(look: &Look) -> Outcome {
    match look {
        Ok(None) => Outcome::Done,
        Ok(Some(milliseconds)) => Outcome::After(*milliseconds),
        Err(_) => Outcome::Failed,
    }
}
