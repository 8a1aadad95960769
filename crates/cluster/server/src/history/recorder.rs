//! Follows the store and appends what changes replace, from where it was before; a change that cannot be
//! written is told as a gap, not as nothing.

use super::record::{Ended, Record};
use super::{History, change};
use crate::time::Wall;
use std::sync::Arc;
use std::time::Duration;
use teu_store::{Error as StoreError, Event, EventKind, Message, Span, Store, Watch, WatchRequest};
use teu_web::{Shutdown, Workers};

/// What is kept lies below this.
const ROOT: &str = "/registry/";
/// Between two notes of how far all is seen, while things change.
const NOTE_MS: u64 = 60_000;
/// After something that failed, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(10);

struct Recorder {
    history: Arc<History>,
    store: Arc<dyn Store>,
    wall: Arc<dyn Wall>,
    workers: Workers,
    /// When how far all is seen was noted last.
    noted_ms: u64,
}

/// Records until the server stops.
pub async fn run(
    history: Arc<History>,
    store: Arc<dyn Store>,
    wall: Arc<dyn Wall>,
    shutdown: Shutdown,
) {
    if !history.is_kept() {
        return;
    }
    let mut recorder = Recorder { history, store, wall, workers: Workers::new(1), noted_ms: 0 };
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = tokio::time::Instant::now();
        tokio::select! {
            // It ends when the watch does, or the disk.
            _ = recorder.follow() => {}
            () = shutdown.begun() => return,
        }
        // One that went well for a while has only to begin anew, at once: what it misses is a gap.
        pause =
            if begun.elapsed() > LAST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LAST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

impl Recorder {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.wall.since_epoch().as_millis()).unwrap_or(u64::MAX)
    }

    fn saw(&self, revision: u64) {
        self.history.seen.send_modify(|seen| seen.revision = revision.max(seen.revision));
    }

    async fn append(&self, records: Vec<Record>) -> Option<()> {
        let history = Arc::clone(&self.history);
        self.workers.run(move || history.append(&records)).await.ok()
    }

    async fn follow(&mut self) -> Option<()> {
        let mut watch = self.begin().await?;
        let history = Arc::clone(&self.history);
        loop {
            let message = tokio::select! {
                message = watch.next() => message.ok()?,
                () = history.asked.notified() => {
                    let only_events = watch.ask().is_err();
                    history.seen.send_modify(|seen| seen.only_events = only_events);
                    continue;
                }
            };
            let newest = match message {
                Message::Progress(revision) => revision,
                Message::Events(events) => self.keep(events).await?,
            };
            self.saw(newest);
        }
    }

    /// Appends what events replaced; how far they came.
    async fn keep(&mut self, events: Vec<Event>) -> Option<u64> {
        let ms = self.now_ms();
        let newest = events.last().map_or(0, |event| event.kv.modified);
        // What is encrypted at rest shall not be here in the clear.
        let kept = events.into_iter().filter(|event| !self.history.leaves_out(&event.kv.key));
        let mut records: Vec<Record> = kept.filter_map(|event| replaced(event, ms)).collect();
        if ms.saturating_sub(self.noted_ms) >= NOTE_MS {
            records.push(Record::Seen { ms, revision: newest });
            self.noted_ms = ms;
        }
        if !records.is_empty() {
            self.append(records).await?;
        }
        Some(newest)
    }

    /// A watch from behind the last that is known, or from now on, with a new beginning.
    async fn begin(&mut self) -> Option<Watch> {
        let history = Arc::clone(&self.history);
        let last = self.workers.run(move || history.last_revision()).await.ok()?;
        let revision = self.store.status().await.ok()?.revision;
        let span = || Span::prefix(ROOT);
        // One that knows more than the store is of another store.
        if last > 0 && last <= revision {
            match self.store.watch(WatchRequest::new(span(), last + 1)).await {
                Ok(watch) => {
                    self.saw(last);
                    return Some(watch);
                }
                Err(StoreError::Compacted { .. }) => {}
                Err(_) => return None,
            }
        }
        let watch = self.store.watch(WatchRequest::new(span(), revision + 1)).await.ok()?;
        self.append(vec![Record::Begun { ms: self.now_ms(), revision }]).await?;
        self.saw(revision);
        Some(watch)
    }
}

/// The version that an event ended, if it is one to keep.
fn replaced(event: Event, ms: u64) -> Option<Record> {
    let previous = event.previous.as_ref()?;
    let is_deleted = event.kind() == EventKind::Deleted;
    if !change::is_kept(&event.kv.key) {
        return None;
    }
    if !is_deleted && !change::is_change(&previous.value, &event.kv.value) {
        return None;
    }
    Some(Record::Ended(Ended {
        ms,
        revision: event.kv.modified,
        created: previous.created,
        is_deleted,
        key: event.kv.key.clone(),
        value: previous.value.clone(),
    }))
}
