//! `StatefulSet`: pods with names, one after another, each with volumes of its own.
//!
//! A look does what `plan` says next, in order, and reads the pods again until nothing is next; what
//! waits for a pod to become ready waits for that pod's event.

mod claims;
mod plan;
mod pod;
#[cfg(test)]
mod tests;

use crate::Context;
use crate::claim;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, Object, key_of};
use crate::pods;
use crate::resources::{CLAIMS, PODS, REVISIONS, STATEFUL_SETS};
use crate::revisions::{self, Revisions};
use crate::worker::{AT_ONCE, Look};
use plan::{Step, View};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use teu_api::kinds::field::At;
use teu_api::{Status, object};
use teu_client::Deletion;

struct StatefulSets {
    context: Context,
    owners: Arc<Mirror>,
    pods: Arc<Mirror>,
    revisions: Arc<Mirror>,
    claims: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let owners = desk.each(STATEFUL_SETS);
    let pods = desk.owned(PODS, &owners, "StatefulSet");
    let (revisions, claims) = (desk.reads(REVISIONS), desk.reads(CLAIMS));
    let known = Arc::clone(&owners);
    desk.on(&claims, move |change, queue| {
        // A pod may wait for its name, or need it still.
        let Some(gone) = change.before.as_ref().filter(|_| change.after.is_none()) else { return };
        let mut sets = known.in_namespace(object::namespace(gone));
        sets.retain(|set| claims::ordinal_of(set, object::name(gone)).is_some());
        sets.iter().for_each(|set| queue.add(key_of(set)));
    });
    desk.work(AT_ONCE, StatefulSets { context, owners, pods, revisions, claims }).await;
}

impl Controller for StatefulSets {
    async fn look(&self, key: &Key) -> Look {
        let Some(set) = self.owners.at(key) else { return Ok(None) };
        self.claim(&set).await?;
        if object::is_terminating(&set) {
            return Ok(None);
        }
        let all = self.revisions.controlled_by(object::uid(&set));
        let revisions = revisions::sync(&self.context, STATEFUL_SETS, &set, all).await?;
        let now = self.context.timer.seconds();
        let owned = self.owned(&set);
        self.see_to_claims(&set, &View::new(&set, &owned, &revisions, now), &owned).await?;
        let mut failure = None;
        // Each step is one pod; in order, the first that has to wait ends it.
        for _ in 0..crate::batch::MOST {
            let owned = self.owned(&set);
            let view = View::new(&set, &owned, &revisions, now);
            let waiting = self.waiting(&set, &view);
            let step = view.waiting(waiting).next();
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
}

impl StatefulSets {
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

    /// Ordinals without a pod whose claims are not fit for one yet.
    fn waiting(&self, set: &Value, view: &View<'_>) -> BTreeSet<i64> {
        let is_waiting = |ordinal: &i64| {
            let pod = format!("{}-{ordinal}", object::name(set));
            let names = claims::names(set, *ordinal);
            let mut all = names.iter().filter_map(|it| self.claims.get(object::namespace(set), it));
            all.any(|claim| claims::is_stale(&pod, &claim))
        };
        view.missing().filter(is_waiting).collect()
    }

    /// Claims of pods that are there: made if they are missing, and owned by whom the policy says.
    async fn see_to_claims(
        &self,
        set: &Object,
        view: &View<'_>,
        owned: &[Object],
    ) -> Result<(), Status> {
        for pod in owned {
            let Some(ordinal) = pod::ordinal(set, pod) else { continue };
            if pods::phase(pod) == "Pending" && !object::is_terminating(pod) {
                self.create_claims(set, ordinal).await?;
            }
            for name in claims::names(set, ordinal) {
                let Some(claim) = self.claims.get(object::namespace(set), &name) else { continue };
                let is_wanted = view.is_wanted(ordinal);
                let Some(owners) = claims::owners_to_be(set, pod, &claim, is_wanted) else {
                    continue;
                };
                let mut new = Value::clone(&claim);
                object::metadata_mut(&mut new).insert("ownerReferences".to_owned(), owners.into());
                self.context.update(CLAIMS, "", new).await?;
            }
        }
        Ok(())
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
            Step::Remove(pod) => self.delete(set, &pod).await,
            Step::Update(old) => {
                for pod in old {
                    self.delete(set, &pod).await?;
                }
                Ok(())
            }
        }
    }

    async fn delete(&self, set: &Object, pod: &Object) -> Result<(), Status> {
        let (name, which) = (object::name(set), object::name(pod));
        let recorder = &self.context.recorder;
        match self.context.delete(PODS, pod, Deletion::default()).await {
            Ok(()) => {
                let text = format!("delete Pod {which} in StatefulSet {name} successful");
                recorder.normal(set, "SuccessfulDelete", text);
                Ok(())
            }
            Err(status) => {
                let why = &status.message;
                let text = format!("delete Pod {which} in StatefulSet {name} failed error: {why}");
                recorder.warning(set, "FailedDelete", text);
                Err(status)
            }
        }
    }

    /// Makes what is missing of an ordinal's claims: they outlive their pods.
    async fn create_claims(&self, set: &Object, ordinal: i64) -> Result<(), Status> {
        let (space, name) = (object::namespace(set), object::name(set));
        for (_, claim) in pod::claims(set, ordinal) {
            let of = object::name(&claim).to_owned();
            if self.claims.get(space, &of).is_some() {
                continue;
            }
            match self.context.create(CLAIMS, space, claim).await {
                Ok(_) => {
                    let text = format!(
                        "create Claim {of} Pod {name}-{ordinal} in StatefulSet {name} success"
                    );
                    self.context.recorder.normal(set, "SuccessfulCreate", text);
                }
                Err(status) if status.reason == "AlreadyExists" => {}
                Err(status) => return Err(status),
            }
        }
        Ok(())
    }

    async fn create(&self, set: &Object, pod: Value) -> Result<(), Status> {
        let (space, name) = (object::namespace(set), object::name(set));
        let which = object::name(&pod).to_owned();
        let recorder = &self.context.recorder;
        self.create_claims(set, pod::ordinal(set, &pod).unwrap_or(0)).await?;
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
