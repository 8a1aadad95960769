//! Does something again whenever objects of some resources have changed, until the server stops: the loop
//! of those that look at everything of a few small resources and then set it right.
//!
//! It does not end because something failed: a watch that cannot begin, or is cut, begins anew, and work
//! that failed is done again, both after a pause. While nothing changes and nothing has failed it sleeps.

use crate::api::{Api, store_status};
use crate::stored::Stored;
use crate::table::Entry;
use serde_json::Value;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use teu_api::Status;
use teu_store::Error as StoreError;
use teu_store::cache::{CacheWatch, ListAt, WatchFrom};
use teu_web::Shutdown;

/// Before what failed is tried again, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before what has ended is begun again: longer each time, unless it had lasted.
#[derive(Debug)]
pub struct Pause {
    next: Duration,
    begun: Instant,
}

impl Pause {
    /// What has not ended yet.
    pub fn new() -> Self {
        Self { next: FIRST_PAUSE, begun: Instant::now() }
    }

    /// It begins.
    pub fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// It has ended: waits, or until the server stops.
    pub async fn wait(&mut self, shutdown: &Shutdown) {
        let pause = self.after(self.begun.elapsed());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => {}
        }
    }

    /// After it had lasted so long.
    fn after(&mut self, lasted: Duration) -> Duration {
        if lasted > LAST_PAUSE {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LAST_PAUSE);
        pause
    }
}

/// Runs `work` once at the beginning, and after each change or burst of changes of the resources.
pub async fn whenever<F>(api: &Api, resources: &[(&str, &str)], work: impl Fn() -> F)
where
    F: Future<Output = Result<(), Status>>,
{
    let rows = api.table.rows();
    let found = resources.iter().filter_map(|(group, plural)| rows.find_any(group, plural));
    let entries: Vec<Arc<Entry>> = found.cloned().collect();
    let mut pause = Pause::new();
    loop {
        pause.begin();
        let ended = tokio::select! {
            biased;
            () = api.shutdown.begun() => return,
            ended = follow(&entries, &work) => ended,
        };
        // The store is gone for good; anything else may be well again soon.
        if matches!(ended, StoreError::Closed) {
            return;
        }
        pause.wait(&api.shutdown).await;
    }
}

/// Until a watch breaks off; why it did.
async fn follow<F>(entries: &[Arc<Entry>], work: impl Fn() -> F) -> StoreError
where
    F: Future<Output = Result<(), Status>>,
{
    let mut watches = Vec::with_capacity(entries.len());
    for entry in entries {
        let from = WatchFrom::Initial(ListAt::Any);
        match entry.shelf.cache().watch(entry.shelf.span(""), from, false).await {
            Ok(watch) => watches.push(watch),
            Err(error) => return error,
        }
    }
    let (mut is_new, mut pause) = (true, None);
    loop {
        let changed = tokio::select! {
            biased;
            changed = any(&mut watches) => changed,
            // When everything that waits has been seen.
            () = std::future::ready(()), if is_new => {
                is_new = false;
                let longer = |pause: Duration| (pause * 2).min(LAST_PAUSE);
                pause = work().await.err().map(|_| pause.map_or(FIRST_PAUSE, longer));
                continue;
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => Ok(()),
        };
        match changed {
            Ok(()) => is_new = true,
            Err(error) => return error,
        }
    }
}

/// The next message of any of them.
async fn any(watches: &mut [CacheWatch<Stored>]) -> Result<(), StoreError> {
    poll_fn(|context| {
        for watch in watches.iter_mut() {
            if let Poll::Ready(message) = watch.poll_next(context) {
                return Poll::Ready(message.map(|_| ()));
            }
        }
        Poll::Pending
    })
    .await
}

/// All objects of a resource: as the cache has them, or as they stand now.
pub async fn all(
    api: &Api,
    (group, plural): (&str, &str),
    at: ListAt,
) -> Result<Vec<Value>, Status> {
    let rows = api.table.rows();
    let Some(entry) = rows.find_any(group, plural) else { return Ok(Vec::new()) };
    let found = entry.shelf.cache().list(&entry.shelf.span(""), at).await;
    let items = found.map_err(store_status)?.items;
    entry.open_all(items.iter().map(|item| (&item.object, item.kv.modified)))
}

#[cfg(test)]
mod tests;
