//! What nobody needs any more goes, while the registry runs: half uploads that were given up, blobs
//! whose manifest never came or was deleted.
//!
//! Nothing is polled: the sweeper sleeps until the oldest of them is due, or until something happens
//! that makes one due sooner. A blob is dropped from its repository under the same lock that a push
//! of a manifest takes, and from the disk by the image store's collector, which knows all that keep.

use super::{Registry, now};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use teu_web::Shutdown;

impl Registry {
    /// Sweeps until the registry stops. Errors are given to `report`; the next sweep tries again.
    pub async fn sweep_until(
        &self,
        shutdown: Shutdown,
        report: impl Fn(teu_images::Error) + Send + Sync,
    ) {
        loop {
            let due = self.next_due();
            let wait = async {
                match due {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {
                    let registry = self.clone();
                    let sweep = move || registry.sweep(now());
                    if let Err(error) = self.0.workers.run(sweep).await {
                        report(error);
                        tokio::time::sleep(self.0.options.sweep_pause).await;
                    }
                }
                () = self.0.aged.notified() => {
                    // Looking through everything is not worth each push: all that come meanwhile
                    // share one look.
                    tokio::select! {
                        () = tokio::time::sleep(self.0.options.sweep_pause) => {}
                        () = shutdown.begun() => return,
                    }
                }
                () = shutdown.begun() => return,
            }
        }
    }

    /// How long until something is due.
    fn next_due(&self) -> Option<Duration> {
        let options = &self.0.options;
        if self.0.depot.is_far() && !self.0.is_swept.load(Ordering::Acquire) {
            return Some(Duration::ZERO);
        }
        if !self.0.deleted.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Some(Duration::ZERO);
        }
        let upload = self.0.sessions.oldest().map(|at| at + options.upload_age.as_secs());
        let blobs = self.0.records.all();
        let blobs = blobs.iter().filter_map(|repository| repository.read().oldest_unneeded());
        let blob = blobs.min().map(|at| at + options.unneeded_age.as_secs());
        let due = upload.into_iter().chain(blob).chain(self.cached_due()).min()?;
        // A whole second more, for times are rounded down.
        let wait = Duration::from_secs((due + 1).saturating_sub(now()));
        // One that is being worked on may be due for a while.
        Some(wait.max(options.sweep_pause))
    }

    /// Sweeps what is due at this time. Blocks.
    pub fn sweep(&self, now: u64) -> teu_images::Result<()> {
        let options = &self.0.options;
        self.0.sessions.sweep(now.saturating_sub(options.upload_age.as_secs()))?;
        // Not held any longer: what follows waits for a storage that may be far away.
        let mut dropped = {
            let mut deleted = self.0.deleted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *deleted)
        };
        dropped.extend(self.sweep_cached(now)?);
        for repository in self.0.records.all() {
            let before = now.saturating_sub(options.unneeded_age.as_secs());
            dropped.extend(repository.drop_unneeded(before)?);
            repository.shrink()?;
            let (name, is_empty) = (repository.name().clone(), repository.read().is_empty());
            drop(repository);
            if is_empty {
                self.0.records.forget_if_empty(&name)?;
            }
        }
        if !self.0.is_swept.load(Ordering::Acquire) {
            let before = now.saturating_sub(options.unneeded_age.as_secs());
            dropped.extend(self.0.depot.old_content(before)?);
            self.0.is_swept.store(true, Ordering::Release);
        }
        if !dropped.is_empty() {
            self.0.depot.collect(dropped, |digest| self.0.records.have(digest))?;
        }
        Ok(())
    }
}
