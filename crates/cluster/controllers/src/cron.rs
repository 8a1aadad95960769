//! `CronJob`: a job at each time that its schedule names.
//!
//! Between two times nothing happens: the queue holds when to look again. Which time is due is found from
//! the status and the clock (`plan`), so a server that was away starts at most what is still wanted.

mod plan;
#[cfg(test)]
mod tests;
mod zone;

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, Object};
use crate::pods::is_of_ending_namespace;
use crate::resources::{CRON_JOBS, JOBS};
use crate::worker::{AT_ONCE, Look};
use plan::{Due, Start};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::kinds::equal::same;
use teu_api::{Status, object};
use teu_client::Deletion;

struct CronJobs {
    context: Context,
    owners: Arc<Mirror>,
    jobs: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let owners = desk.each(CRON_JOBS);
    let jobs = desk.owned(JOBS, &owners, "CronJob");
    desk.work(AT_ONCE, CronJobs { context, owners, jobs }).await;
}

impl Controller for CronJobs {
    async fn look(&self, key: &Key) -> Look {
        let Some(owner) = self.owners.at(key) else { return Ok(None) };
        let jobs = self.jobs.controlled_by(object::uid(&owner));
        let (mut status, told) = plan::review(&owner, &jobs);
        told.into_iter().for_each(|(level, reason, text)| {
            self.context.recorder.event(&owner, level, reason, text);
        });
        if object::is_terminating(&owner) {
            return self.write(&owner, status).await.map(|()| None);
        }
        for job in plan::history(&owner, &jobs) {
            self.delete(&owner, &job).await?;
        }
        let milliseconds = self.context.timer.wall();
        let due = match plan::due(&owner, &status, milliseconds.div_euclid(1000)) {
            Ok(due) => due,
            Err((reason, text)) => {
                self.context.recorder.warning(&owner, reason, text);
                return self.write(&owner, status).await.map(|()| None);
            }
        };
        if let Due { start: Some(at), .. } = due {
            self.start(&owner, &mut status, at).await?;
        }
        self.write(&owner, status).await?;
        let wait = |next: i64| u64::try_from(next * 1000 - milliseconds).unwrap_or(0).max(1) + 50;
        Ok(due.next.map(wait))
    }
}

impl CronJobs {
    async fn write(&self, owner: &Value, status: Value) -> Result<(), Status> {
        let nothing = json!({});
        if same(owner.get("status").unwrap_or(&nothing), &status) {
            return Ok(());
        }
        let mut new = owner.clone();
        new["status"] = status;
        self.context.update(CRON_JOBS, "status", new).await.map(|_| ())
    }

    async fn delete(&self, owner: &Value, job: &Object) -> Result<(), Status> {
        let how = Deletion { propagation: Some("Background"), ..Deletion::default() };
        self.context.delete(JOBS, job, how).await?;
        let text = format!("Deleted job {}", object::name(job));
        self.context.recorder.normal(owner, "SuccessfulDelete", text);
        Ok(())
    }

    /// Starts the job of a time, if the policy lets it; notes it in the status.
    async fn start(&self, owner: &Value, status: &mut Value, at: i64) -> Result<(), Status> {
        let recorder = &self.context.recorder;
        match plan::start(owner, status, at, self.context.timer.seconds()) {
            Start::Not => return Ok(()),
            Start::TooLate => {
                let text =
                    format!("Missed scheduled time to start a job: {}", teu_api::time::rfc3339(at));
                recorder.warning(owner, "MissSchedule", text);
                return Ok(());
            }
            Start::Busy => {
                let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
                recorder.normal(owner, "JobAlreadyActive", text);
                return Ok(());
            }
            Start::InsteadOf(names) => {
                let running: Vec<Object> = names
                    .iter()
                    .filter_map(|name| self.jobs.get(object::namespace(owner), name))
                    .collect();
                for job in running {
                    self.delete(owner, &job).await?;
                }
                status["active"] = json!([]);
            }
            Start::Now => {}
        }
        let job = plan::job(owner, at);
        let made = match self.context.create(JOBS, object::namespace(owner), job.clone()).await {
            Ok(made) => {
                let text = format!("Created job {}", object::name(&made));
                recorder.normal(owner, "SuccessfulCreate", text);
                Some(made)
            }
            // A look that was cut off made it.
            Err(refusal) if refusal.reason == "AlreadyExists" => self
                .jobs
                .get(object::namespace(owner), object::name(&job))
                .map(|job| (*job).clone()),
            Err(refusal) if is_of_ending_namespace(&refusal) => return Ok(()),
            Err(refusal) => {
                let text = format!("Error creating job: {}", refusal.message);
                recorder.warning(owner, "FailedCreate", text);
                return Err(refusal);
            }
        };
        plan::note_start(status, made.as_ref(), at);
        Ok(())
    }
}
