//! What goes by itself: events, some time after they were last written, by a lease of the store.
//!
//! Objects written about the same time share a lease, so that a store with many events has few
//! leases; each lives at least as long as it should, and at most a sixtieth longer.

use crate::api::{Api, Call, store_status};
use std::time::{Duration, Instant};
use teu_api::Status;
use teu_store::{Error as StoreError, LeaseId, Outcome, Txn};
use tokio::sync::Mutex;

/// A lease is shared by what is written in this part of its time.
const SHARE: u32 = 60;

/// Leases for what does not stay.
#[derive(Debug)]
pub struct Lifetimes {
    event: Duration,
    /// The lease that is given out now, and until when.
    shared: Mutex<Option<(LeaseId, Instant)>>,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::new(crate::config::EVENT_SECONDS)
    }
}

impl Lifetimes {
    /// Events live so long.
    pub fn new(event_seconds: u64) -> Self {
        Self { event: Duration::from_secs(event_seconds.max(1)), shared: Mutex::default() }
    }
}

impl Api {
    /// The lease under which an object is written; 0 for what stays.
    pub async fn lease(&self, call: &Call) -> Result<LeaseId, Status> {
        if call.entry.plural() != "events" || !matches!(call.entry.group(), "" | "events.k8s.io") {
            return Ok(0);
        }
        let lifetimes = &self.lifetimes;
        let mut shared = lifetimes.shared.lock().await;
        let now = Instant::now();
        if let Some((lease, until)) = *shared
            && now < until
        {
            return Ok(lease);
        }
        let share = (lifetimes.event / SHARE).max(Duration::from_secs(1));
        let seconds = (lifetimes.event + share).as_secs();
        let lease = self.store.grant(seconds).await.map_err(store_status)?;
        *shared = Some((lease, now + share));
        Ok(lease)
    }

    /// Commits what may be under a lease; nothing if that has ended meanwhile, and it is to be tried
    /// again with another.
    pub async fn commit(&self, txn: Txn) -> Result<Option<Outcome>, Status> {
        match self.store.commit(txn).await {
            Err(StoreError::NoLease(ended)) => {
                let mut shared = self.lifetimes.shared.lock().await;
                if shared.is_some_and(|(lease, _)| lease == ended) {
                    *shared = None;
                }
                Ok(None)
            }
            done => done.map(Some).map_err(store_status),
        }
    }
}
