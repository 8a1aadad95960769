//! Finished jobs go when their `ttlSecondsAfterFinished` has passed.

use crate::Context;
use crate::job::{JOBS, finished_at};
use crate::mirror::{Mirror, key_of};
use crate::queue::Queue;
use crate::worker::{Look, work};
use serde_json::Value;
use std::sync::Arc;
use teu_api::kinds::field::At;
use teu_api::object;
use teu_client::Deletion;

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let queue = Queue::new(Arc::clone(&context.timer));
    let jobs = context.mirror(JOBS);
    jobs.ready().await;
    let all = Arc::clone(&queue);
    jobs.subscribe(move |change| {
        if let Some(job) = change.after.as_ref().filter(|job| goes_at(job).is_some()) {
            all.add(key_of(job));
        }
    });
    work(queue, 1, |key| {
        let (context, jobs) = (context.clone(), Arc::clone(&jobs));
        async move { look(&context, &jobs, &key).await }
    })
    .await;
}

/// When a job goes, in seconds, if it does.
fn goes_at(job: &Value) -> Option<i64> {
    let ttl = At::root(job).get("spec.ttlSecondsAfterFinished").opt_int()?;
    Some(finished_at(job)? + ttl).filter(|_| !object::is_terminating(job))
}

async fn look(context: &Context, jobs: &Mirror, key: &str) -> Look {
    let Some(at) = jobs.at(key).as_deref().and_then(goes_at) else { return Ok(None) };
    let left = at - context.timer.seconds();
    if left > 0 {
        return Ok(u64::try_from(left).ok().map(|seconds| seconds * 1000));
    }
    // What the mirror shows may be older than a change of the span.
    let (namespace, name) = crate::mirror::parts(key);
    let job = context.client.get(JOBS, namespace, name).await?;
    if goes_at(&job).is_none_or(|at| at > context.timer.seconds()) {
        return Ok(None);
    }
    let how = Deletion { propagation: Some("Foreground"), ..Deletion::default() };
    context.delete(JOBS, &job, how).await.map(|()| None)
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
