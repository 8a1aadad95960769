//! Builds that have ended, as `docker buildx history` lists them. Kept in memory, the last
//! [`RECORD_LIMIT`]: they end with the service.

use crate::rpc::server::Call;
use crate::rpc::{Code, Status};
use crate::status::{Counts, now};
use crate::wire::{
    BuildHistoryEvent, BuildHistoryEventType, BuildHistoryRecord, BuildHistoryRequest,
    SolveRequest, Timestamp,
};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// Builds that are remembered.
const RECORD_LIMIT: usize = 100;

/// What is remembered, oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<BuildHistoryRecord>>);

impl History {
    /// A build has ended.
    pub fn add(
        &self,
        request: &SolveRequest,
        begun: Timestamp,
        (counts, error): (Counts, Option<&Status>),
    ) {
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let record = BuildHistoryRecord {
            reference: request.reference.clone(),
            frontend: "dockerfile.v0".to_owned(),
            frontend_attrs: request.frontend_attrs.clone(),
            error: error.map(|status| Status { details: Vec::new(), ..status.clone() }.into()),
            created_at: Some(begun),
            completed_at: Some(now()),
            cached_steps: count(counts.cached),
            total_steps: count(counts.ended),
            completed_steps: count(counts.ended),
        };
        let mut records = self.lock();
        if records.len() >= RECORD_LIMIT {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// `ListenBuildHistory`, for those who do not wait for more.
    pub async fn list(&self, request: &BuildHistoryRequest, call: &Call) -> Result<(), Status> {
        if request.active_only {
            return Ok(());
        }
        let wanted = |record: &&BuildHistoryRecord| {
            request.reference.is_empty() || record.reference == request.reference
        };
        let records: Vec<_> = self.lock().iter().filter(wanted).cloned().collect();
        for record in records {
            let kind = BuildHistoryEventType::Complete.into();
            call.responses.send(&BuildHistoryEvent { kind, record: Some(record) }).await?;
        }
        if request.early_exit {
            return Ok(());
        }
        Err(Status::new(Code::Unimplemented, "the history of builds cannot be followed"))
    }

    /// Forgets a build.
    pub fn remove(&self, reference: &str) -> Result<(), Status> {
        let mut records = self.lock();
        let before = records.len();
        records.retain(|record| record.reference != reference);
        if records.len() == before {
            return Err(Status::new(Code::NotFound, format!("no record of a build {reference}")));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<BuildHistoryRecord>> {
        self.0.lock().unwrap_or_else(|error| error.into_inner())
    }
}
