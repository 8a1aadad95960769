//! Of several servers on one store, one runs what may run only once: the holder of a `Lease`.
//!
//! ```text
//! candidate ──lease free, or not renewed for its duration──▶ leader ──renews every 5 s
//!     ▲  sleeps until the lease changes or runs out             │ not renewed for 10 s, or taken: its
//!     └─────────────────────────────────────────────────────────┘ term ends at once
//! ```
//! When a lease runs out is measured by the candidate's own clock from when it saw it change, so clocks
//! need not agree. The leader's term ends five seconds before anybody may take over. At a clean stop the
//! lease is given back.

use crate::Timer;
use crate::resources::LEASES;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Choice, Client};

const NAMESPACE: &str = "kube-system";
/// What others wait for before they take over.
const DURATION_MILLISECONDS: u64 = 15_000;
/// What the leader has to renew it.
const DEADLINE_MILLISECONDS: u64 = 10_000;
const RENEW_MILLISECONDS: u64 = 5000;
const RETRY_MILLISECONDS: u64 = 1000;

/// Somebody who wants to lead.
#[derive(Clone)]
pub struct Candidate {
    /// The API.
    pub client: Arc<dyn Client>,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// The lease's name.
    pub lease: &'static str,
    /// What nobody else is called.
    pub identity: String,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Candidate {
    /// Runs terms until it is to stop; then gives the lease back.
    pub async fn run<F: Future<Output = ()>>(
        &self,
        stop: impl Future<Output = ()>,
        term: impl Fn() -> F,
    ) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let since = tokio::select! {
                since = self.acquire() => since,
                () = &mut stop => return,
            };
            tokio::select! {
                // First, so that no term begins on a lease that was long in coming.
                biased;
                () = self.keep(since) => {}
                () = term() => {}
                () = &mut stop => {
                    // Nothing is left to tell it to.
                    let _ = self.release().await;
                    return;
                }
            }
        }
    }

    /// Ends when the lease is ours; answers since when: from when we asked for it, not from when we heard,
    /// as others count from what they see.
    async fn acquire(&self) -> u64 {
        loop {
            let asked = self.timer.now();
            if let Ok(lease) = self.take(false).await {
                let Some(lease) = lease else { return asked };
                if self.runs_out(&lease).await {
                    let asked = self.timer.now();
                    if matches!(self.take(true).await, Ok(None)) {
                        return asked;
                    }
                }
                continue;
            }
            self.timer.sleep(RETRY_MILLISECONDS).await;
        }
    }

    /// Takes the lease if it is free, ours, or has run out; else it is answered.
    async fn take(&self, has_run_out: bool) -> Result<Option<Value>, Status> {
        let found = match self.client.get(LEASES, NAMESPACE, self.lease).await {
            Ok(found) => found,
            Err(status) if status.code == 404 => {
                let lease = json!({
                    "metadata": { "name": self.lease, "namespace": NAMESPACE },
                    "spec": self.spec(0),
                });
                return self.client.create(LEASES, NAMESPACE, lease).await.map(|_| None);
            }
            Err(status) => return Err(status),
        };
        let holder = object::text(&found, &["spec", "holderIdentity"]).unwrap_or_default();
        if !has_run_out && !holder.is_empty() && holder != self.identity {
            return Ok(Some(found));
        }
        let terms = object::at(&found, &["spec", "leaseTransitions"]).and_then(Value::as_i64);
        let mut lease = found;
        lease["spec"] = self.spec(terms.unwrap_or(0) + 1);
        // It names the version that was read: somebody faster wins.
        self.client.update(LEASES, "", lease).await.map(|_| None)
    }

    fn spec(&self, terms: i64) -> Value {
        let now = self.timer.micro_text();
        json!({
            "holderIdentity": self.identity, "leaseDurationSeconds": DURATION_MILLISECONDS / 1000,
            "acquireTime": now, "renewTime": now, "leaseTransitions": terms,
        })
    }

    /// Waits until another's lease changes, or has not for its whole duration. Whether it ran out.
    async fn runs_out(&self, lease: &Value) -> bool {
        let seconds = object::at(lease, &["spec", "leaseDurationSeconds"]).and_then(Value::as_u64);
        let milliseconds = seconds.map_or(DURATION_MILLISECONDS, |seconds| seconds * 1000);
        let version = object::text(lease, &["metadata", "resourceVersion"]).unwrap_or_default();
        let fields = format!("metadata.name={}", self.lease);
        let choice = Choice { namespace: NAMESPACE.to_owned(), fields, ..Choice::default() };
        let changes = async {
            if let Ok(mut watch) = self.client.watch(LEASES, &choice, version).await {
                while let Ok(teu_client::Event::Bookmark(_)) = watch.next().await {}
            }
            // A watch that cannot be had must not make a loop that spins.
            self.timer.sleep(RETRY_MILLISECONDS / 4).await;
        };
        tokio::select! {
            () = changes => false,
            () = self.timer.sleep(milliseconds) => {
                // A watch that was cut off looks like a lease that does not change.
                let now = self.client.get(LEASES, NAMESPACE, self.lease).await;
                now.is_ok_and(|now| now["metadata"]["resourceVersion"] == version)
            }
        }
    }

    /// Renews the lease, which is ours since then; ends when it could not for too long, or is another's.
    async fn keep(&self, since: u64) {
        let mut renewed = since;
        let mut pause = RENEW_MILLISECONDS;
        if self.timer.now() - renewed >= DEADLINE_MILLISECONDS {
            return;
        }
        loop {
            let left = DEADLINE_MILLISECONDS.saturating_sub(self.timer.now() - renewed);
            self.timer.sleep(pause.min(left)).await;
            let left = DEADLINE_MILLISECONDS.saturating_sub(self.timer.now() - renewed);
            let begun = self.timer.now();
            let renewal = tokio::select! {
                renewal = self.renew() => renewal,
                () = self.timer.sleep(left) => return,
            };
            match renewal {
                Ok(true) => (renewed, pause) = (begun, RENEW_MILLISECONDS),
                Ok(false) => return,
                Err(_) => pause = RETRY_MILLISECONDS.min(left),
            }
            if self.timer.now() - renewed >= DEADLINE_MILLISECONDS {
                return;
            }
        }
    }

    /// Whether it is still ours, and renewed.
    async fn renew(&self) -> Result<bool, Status> {
        let mut lease = self.client.get(LEASES, NAMESPACE, self.lease).await?;
        if object::text(&lease, &["spec", "holderIdentity"]) != Some(&self.identity) {
            return Ok(false);
        }
        lease["spec"]["renewTime"] = self.timer.micro_text().into();
        self.client.update(LEASES, "", lease).await.map(|_| true)
    }

    async fn release(&self) -> Result<(), Status> {
        let mut lease = self.client.get(LEASES, NAMESPACE, self.lease).await?;
        if object::text(&lease, &["spec", "holderIdentity"]) == Some(&self.identity) {
            lease["spec"]["holderIdentity"] = Value::Null;
            lease["spec"]["leaseDurationSeconds"] = 1.into();
            lease["spec"]["renewTime"] = self.timer.micro_text().into();
            self.client.update(LEASES, "", lease).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
