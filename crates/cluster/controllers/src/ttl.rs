//! Finished jobs go when their `ttlSecondsAfterFinished` has passed.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::job::finished_at;
use crate::mirror::{Key, Mirror, parts};
use crate::resources::JOBS;
use crate::worker::Look;
use serde_json::Value;
use std::sync::Arc;
use teu_api::kinds::field::At;
use teu_api::object;
use teu_client::Deletion;

struct Ttl {
    context: Context,
    jobs: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let jobs = desk.each(JOBS);
    desk.work(1, Ttl { context, jobs }).await;
}

/// When a job goes, in seconds, if it does.
fn goes_at(job: &Value) -> Option<i64> {
    let ttl = At::root(job).get("spec.ttlSecondsAfterFinished").opt_int()?;
    Some(finished_at(job)? + ttl).filter(|_| !object::is_terminating(job))
}

impl Controller for Ttl {
    async fn look(&self, key: &Key) -> Look {
        let Some(at) = self.jobs.at(key).as_deref().and_then(goes_at) else { return Ok(None) };
        let left = at - self.context.timer.seconds();
        if left > 0 {
            return Ok(u64::try_from(left).ok().map(|seconds| seconds * 1000));
        }
        // What the mirror shows may be older than a change of the span.
        let (namespace, name) = parts(key);
        let job = self.context.client.get(JOBS, namespace, name).await?;
        if goes_at(&job).is_none_or(|at| at > self.context.timer.seconds()) {
            return Ok(None);
        }
        let how = Deletion { propagation: Some("Foreground"), ..Deletion::default() };
        self.context.delete(JOBS, &job, how).await.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_goes_some_time_after_its_end() {
        let job = |ttl: Value, kind: &str| {
            let ended = json!({ "type": kind, "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z" });
            json!({ "spec": { "ttlSecondsAfterFinished": ttl }, "status": { "conditions": [ended] } })
        };
        assert_eq!(goes_at(&job(json!(5), "Complete")), Some(65));
        assert_eq!(goes_at(&job(json!(0), "Failed")), Some(60));
        assert_eq!(goes_at(&job(json!(5), "Suspended")), None);
        assert_eq!(goes_at(&job(Value::Null, "Complete")), None);
    }
}
