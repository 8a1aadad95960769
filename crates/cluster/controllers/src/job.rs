//! `Job`: pods that end, until so many have ended well or too many have not.
//!
//! A pod that ended is counted once, whatever is cut off in between: its finalizer keeps it until the
//! status has noted it.
//!
//! ```text
//! pod ends ─▶ its UID in status.uncountedTerminatedPods ─▶ finalizer off ─▶ in status.succeeded/failed
//! ```
//! `view` says how it stands, `plan` what is to be done, `status` what is said of it: all pure.

mod indexes;
mod plan;
mod pod;
mod policy;
mod status;
#[cfg(test)]
mod tests;
mod view;

pub use plan::FINALIZER;
pub use status::{finished_at, is_finished};

use crate::Context;
use crate::batch::slow_start;
use crate::claim;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, Object, controller_uid, key_of};
use crate::pods;
use crate::replicas;
use crate::resources::{JOBS, PODS};
use crate::worker::{AT_ONCE, Look};
use plan::{Plan, plan};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::{Status, object};
use view::View;

#[derive(Clone)]
struct Jobs {
    context: Context,
    jobs: Arc<Mirror>,
    pods: Arc<Mirror>,
}

/// Pods with our finalizer whose job is gone: nobody will count them.
struct Lost(Jobs);

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let jobs = desk.each(JOBS);
    let pods = desk.owned(PODS, &jobs, "Job");
    let controller = |context| Jobs { context, jobs: Arc::clone(&jobs), pods: Arc::clone(&pods) };
    let (all, mut lost) = (controller(context.clone()), Desk::new(&context));
    let known = Arc::clone(&pods);
    lost.on(&jobs, move |change, queue| {
        if let (None, Some(job)) = (&change.after, &change.before) {
            let pods = known.controlled_by(object::uid(job));
            pods.iter().for_each(|pod| queue.add(key_of(pod)));
        }
    });
    // Nothing is lost before all jobs are here.
    let known = lost.reads(JOBS);
    lost.on(&pods, move |change, queue| {
        if let Some(pod) = change.after.as_ref().filter(|pod| is_lost(&known, pod)) {
            queue.add(key_of(pod));
        }
    });
    let released = Lost(controller(context));
    tokio::join!(desk.work(AT_ONCE, all), lost.work(1, released));
}

/// Whether a pod waits for a job that is not there.
fn is_lost(jobs: &Mirror, pod: &Value) -> bool {
    let has_job = || {
        let controller = claim::controller(pod).filter(|owner| owner["kind"] == "Job")?;
        let job = jobs.get(object::namespace(pod), controller["name"].as_str()?)?;
        (controller["uid"] == object::uid(&job)).then_some(())
    };
    plan::is_held(pod) && has_job().is_none()
}

impl Controller for Lost {
    async fn look(&self, key: &Key) -> Look {
        let Self(Jobs { context, jobs, pods }) = self;
        let Some(pod) = pods.at(key).filter(|pod| is_lost(jobs, pod)) else { return Ok(None) };
        // The mirror of jobs may be behind that of pods.
        if let Some(controller) = claim::controller(&pod).filter(|it| it["kind"] == "Job") {
            let name = controller["name"].as_str().unwrap_or_default();
            let job = context.client.get(JOBS, object::namespace(&pod), name).await;
            if job.is_ok_and(|job| controller["uid"] == object::uid(&job)) {
                return Ok(None);
            }
        }
        self.0.release(&pod).await.map(|()| None)
    }
}

impl Controller for Jobs {
    async fn look(&self, key: &Key) -> Look {
        let Some(job) = self.jobs.at(key) else { return Ok(None) };
        let managed = job["spec"]["managedBy"].as_str();
        if managed.is_some_and(|by| by != "kubernetes.io/job-controller") {
            return Ok(None);
        }
        if is_finished(&job) {
            let mut held = self.pods.controlled_by(object::uid(&job));
            held.retain(|pod| plan::is_held(pod));
            return self.release_all(held).await.map(|()| None);
        }
        let pods = self.claimed(&job).await?;
        let (now, text) = (self.context.timer.seconds(), self.context.timer.text());
        let before = View::new(&job, &pods, now);
        let plan = plan(&before);
        let after = plan.after;
        let failure = self.act(&job, plan).await;
        // What ended before the look began is counted; what it did itself is seen as it is now.
        let pods: Vec<Object> = self.owned(&job);
        let view = View::new(&job, &pods, now);
        let (noted, release) = status::note(&view, &before, &text);
        let mut written = self.write(&job, noted).await?;
        if !release.is_empty() {
            self.release_all(release).await?;
        }
        let counted = status::count(&written, &self.owned(&job), now, &text);
        written = self.write(&written, counted).await?;
        self.tell(&job, &written);
        match failure {
            Some(status) => Err(status),
            None => Ok(after),
        }
    }
}

impl Jobs {
    /// Takes our finalizer from a pod.
    async fn release(&self, pod: &Value) -> Result<(), Status> {
        let at = (object::namespace(pod), object::name(pod));
        let gone = json!([FINALIZER]);
        let patch = json!({
            "metadata": { "uid": object::uid(pod), "$deleteFromPrimitiveList/finalizers": gone },
        });
        match self.context.patch(PODS, at, "", patch).await {
            Err(status) if !matches!(status.code, 404 | 409) => Err(status),
            _ => Ok(()),
        }
    }

    /// The same for many, as far as one look goes: those that are left wake the next.
    async fn release_all(&self, pods: Vec<Object>) -> Result<(), Status> {
        let (_, failure) = slow_start(pods, |pod| {
            let this = self.clone();
            async move { this.release(&pod).await }
        })
        .await;
        failure.map_or(Ok(()), Err)
    }

    fn owned(&self, job: &Value) -> Vec<Object> {
        let mut pods = self.pods.controlled_by(object::uid(job));
        pods.retain(|pod| claim::is_selected(job, pod));
        pods
    }

    async fn claimed(&self, job: &Object) -> Result<Vec<Object>, Status> {
        let owned = self.pods.controlled_by(object::uid(job));
        // One that is let go is not held either.
        for pod in owned.iter().filter(|pod| !claim::is_selected(job, pod) && plan::is_held(pod)) {
            self.release(pod).await?;
        }
        let orphans = self.pods.orphans(object::namespace(job));
        let claim = claim::plan(job, owned, orphans);
        claim::settle(&self.context, (JOBS, PODS), job, claim).await
    }

    async fn act(&self, job: &Object, plan: Plan) -> Option<Status> {
        for doomed in &plan.delete {
            let done = match plan.counts_deleted {
                true => Ok(()),
                // It did not fail: it was not wanted any more.
                false if plan::is_held(doomed) => self.release(doomed).await,
                false => Ok(()),
            };
            if let Err(status) = done {
                return Some(status);
            }
        }
        let (_, failure) = slow_start(plan.delete, |pod| {
            let (context, job) = (self.context.clone(), Arc::clone(job));
            async move { replicas::delete(&context, &job, &pod).await }
        })
        .await;
        if failure.is_some() {
            return failure;
        }
        let (_, failure) = slow_start(plan.create, |slot| {
            let (context, job) = (self.context.clone(), Arc::clone(job));
            async move { replicas::create_pod(&context, &job, pod::make(&job, slot)).await }
        })
        .await;
        failure.filter(|status| !pods::is_of_ending_namespace(status))
    }

    async fn write(&self, job: &Value, status: Value) -> Result<Value, Status> {
        let nothing = Value::Null;
        if teu_api::kinds::equal::same(job.get("status").unwrap_or(&nothing), &status) {
            return Ok(job.clone());
        }
        let mut new = job.clone();
        new["status"] = status;
        self.context.update(JOBS, "status", new).await
    }

    /// Says what changed from one status to the next.
    fn tell(&self, before: &Value, after: &Value) {
        let recorder = &self.context.recorder;
        for (kind, wanted) in status::TOLD {
            let has =
                |job: &Value| pods::condition(job, kind).is_some_and(|it| it["status"] == *wanted);
            let Some(condition) = pods::condition(after, kind).filter(|_| has(after)) else {
                continue;
            };
            if has(before) {
                continue;
            }
            let text = |name: &str| condition[name].as_str().unwrap_or_default();
            match *kind {
                "Complete" => recorder.normal(after, "Completed", "Job completed"),
                "Failed" => recorder.warning(after, text("reason"), text("message")),
                _ if *wanted == "True" => recorder.normal(after, "Suspended", "Job suspended"),
                // A job that never stood still is not resumed.
                _ if pods::condition(before, kind).is_none() => {}
                _ => recorder.normal(after, "Resumed", "Job resumed"),
            }
        }
    }
}

/// The uid of the job that controls a pod, if one does.
pub fn job_uid(pod: &Value) -> Option<&str> {
    controller_uid(pod).filter(|_| claim::controller(pod).is_some_and(|it| it["kind"] == "Job"))
}
