//! `StatefulSet`: pods with names, one after another, each with volumes of its own.
//!
//! A look does what `plan` says next, in order, and reads the pods again until nothing is next; what
//! waits for a pod to become ready waits for that pod's event.

mod plan;
mod pod;
#[cfg(test)]
mod tests;

use crate::Context;
use crate::claim::{self, concerned};
use crate::mirror::{Mirror, Object, key_of};
use crate::pods::{self, PODS};
use crate::queue::Queue;
use crate::revisions::{self, REVISIONS, Revisions};
use crate::worker::{AT_ONCE, Look, work};
use plan::{Step, View};
use serde_json::Value;
use std::sync::Arc;
use teu_api::kinds::field::At;
use teu_api::{Status, object};
use teu_client::{Deletion, Kind};

/// Stateful sets.
pub const STATEFUL_SETS: Kind<'static> =
    Kind { group: "apps", version: "v1", plural: "statefulsets" };
const CLAIMS: Kind<'static> = Kind { group: "", version: "v1", plural: "persistentvolumeclaims" };

struct StatefulSets {
    context: Context,
    owners: Arc<Mirror>,
    pods: Arc<Mirror>,
    revisions: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let queue = Queue::new(Arc::clone(&context.timer));
    let (owners, pods, revisions) =
        (context.mirror(STATEFUL_SETS), context.mirror(PODS), context.mirror(REVISIONS));
    owners.ready().await;
    pods.ready().await;
    revisions.ready().await;
    let all = Arc::clone(&queue);
    owners.subscribe(move |change| {
        if let Some(owner) = change.newest() {
            all.add(key_of(owner));
        }
    });
    let (all, known) = (Arc::clone(&queue), Arc::clone(&owners));
    pods.subscribe(move |change| {
        concerned(change, &known, "StatefulSet").into_iter().for_each(|key| all.add(key));
    });
    let this = Arc::new(StatefulSets { context, owners, pods, revisions });
    work(queue, AT_ONCE, |key| {
        let this = Arc::clone(&this);
        async move { this.look(&key).await }
    })
    .await;
}

impl StatefulSets {
    async fn look(&self, key: &str) -> Look {
        let Some(set) = self.owners.at(key) else { return Ok(None) };
        self.claim(&set).await?;
        if object::is_terminating(&set) {
            return Ok(None);
        }
        let all = self.revisions.controlled_by(object::uid(&set));
        let revisions = revisions::sync(&self.context, STATEFUL_SETS, &set, all).await?;
        let now = self.context.timer.seconds();
        let mut failure = None;
        // Each step is one pod; in order, the first that has to wait ends it.
        for _ in 0..crate::batch::MOST {
            let owned = self.owned(&set);
            let step = View::new(&set, &owned, &revisions, now).next();
            if step == Step::Wait {
                break;
            }
            let is_update = matches!(step, Step::Update(_));
            if let Err(status) = self.act(&set, step).await {
                failure = (!pods::is_of_ending_namespace(&status)).then_some(status);
                break;
            }
            if is_update {
                break;
            }
        }
        let owned = self.owned(&set);
        let view = View::new(&set, &owned, &revisions, now);
        let (status, after) = (view.status(), view.next_available());
        self.context.write_status(STATEFUL_SETS, &set, status.clone()).await?;
        self.forget(&set, &owned, &revisions, &status).await?;
        failure.map_or(Ok(after), Err)
    }

    async fn forget(
        &self,
        set: &Value,
        owned: &[Object],
        revisions: &Revisions,
        status: &Value,
    ) -> Result<(), Status> {
        let of_pod = |pod: &Object| object::label(pod, revisions::LABEL).map(str::to_owned);
        let mut used: Vec<String> = owned.iter().filter_map(of_pod).collect();
        used.extend(status["currentRevision"].as_str().map(str::to_owned));
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let keep = At::root(set).get("spec.revisionHistoryLimit").opt_int().unwrap_or(10);
        revisions.forget(&self.context, &used, keep).await
    }

    fn owned(&self, set: &Value) -> Vec<Object> {
        let mut pods = self.pods.controlled_by(object::uid(set));
        pods.retain(|one| claim::is_selected(set, one) && pod::ordinal(set, one).is_some());
        pods
    }

    async fn claim(&self, set: &Object) -> Result<(), Status> {
        let owned = self.pods.controlled_by(object::uid(set));
        let mut orphans = self.pods.orphans(object::namespace(set));
        orphans.retain(|one| pod::ordinal(set, one).is_some());
        let claim = claim::plan(set, owned, orphans);
        claim::settle(&self.context, (STATEFUL_SETS, PODS), set, claim).await.map(|_| ())
    }

    async fn act(&self, set: &Object, step: Step) -> Result<(), Status> {
        let recorder = &self.context.recorder;
        let (space, name) = (object::namespace(set), object::name(set));
        match step {
            Step::Wait => Ok(()),
            Step::Create(pod) => self.create(set, pod).await,
            Step::Recreate(pod) => {
                let (reason, how) = match pods::phase(&pod) {
                    "Failed" => ("RecreatingFailedPod", "failed"),
                    _ => ("RecreatingTerminatedPod", "terminated"),
                };
                let which = object::name(&pod);
                let text = format!("StatefulSet {space}/{name} is recreating {how} Pod {which}");
                recorder.warning(set, reason, text);
                self.context.delete(PODS, &pod, Deletion::default()).await
            }
            Step::Remove(pod) | Step::Update(pod) => {
                let which = object::name(&pod);
                match self.context.delete(PODS, &pod, Deletion::default()).await {
                    Ok(()) => {
                        let text = format!("delete Pod {which} in StatefulSet {name} successful");
                        recorder.normal(set, "SuccessfulDelete", text);
                        Ok(())
                    }
                    Err(status) => {
                        let why = &status.message;
                        let text =
                            format!("delete Pod {which} in StatefulSet {name} failed error: {why}");
                        recorder.warning(set, "FailedDelete", text);
                        Err(status)
                    }
                }
            }
        }
    }

    async fn create(&self, set: &Object, pod: Value) -> Result<(), Status> {
        let (space, name) = (object::namespace(set), object::name(set));
        let which = object::name(&pod).to_owned();
        let recorder = &self.context.recorder;
        let ordinal = pod::ordinal(set, &pod).unwrap_or(0);
        for (_, claim) in pod::claims(set, ordinal) {
            let claim_name = object::name(&claim).to_owned();
            match self.context.create(CLAIMS, space, claim).await {
                Ok(_) => {
                    let text = format!(
                        "create Claim {claim_name} Pod {which} in StatefulSet {name} success"
                    );
                    recorder.normal(set, "SuccessfulCreate", text);
                }
                // It outlives its pods.
                Err(status) if status.reason == "AlreadyExists" => {}
                Err(status) => return Err(status),
            }
        }
        match self.context.create(PODS, space, pod).await {
            Ok(_) => {
                let text = format!("create Pod {which} in StatefulSet {name} successful");
                recorder.normal(set, "SuccessfulCreate", text);
                Ok(())
            }
            Err(status) => {
                let text = format!(
                    "create Pod {which} in StatefulSet {name} failed error: {}",
                    status.message
                );
                recorder.warning(set, "FailedCreate", text);
                Err(status)
            }
        }
    }
}
