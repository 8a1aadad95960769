//! `Deployment`: replica sets, one for each template that it had, and how one gives way to the next.
//!
//! A look decides on the replica sets as they are (`plan`), writes those that change, and says how it
//! stands (`status`). Each write of a replica set wakes the next look, so one look need not do all.

mod plan;
mod revision;
mod scale;
mod sets;
mod status;
#[cfg(test)]
mod tests;

pub use sets::scaled;

use crate::Context;
use crate::claim;
use crate::desk::{Controller, Desk};
use crate::mirror::{Change, Key, Mirror, Object, controller_uid, key_of};
use crate::pods;
use crate::resources::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::worker::{AT_ONCE, Look};
use plan::{Plan, Step};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::kinds::equal::same;
use teu_api::kinds::field::At;
use teu_api::{Status, object};
use teu_client::Deletion;

struct Deployments {
    context: Context,
    owners: Arc<Mirror>,
    sets: Arc<Mirror>,
    pods: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let owners = desk.each(DEPLOYMENTS);
    let sets = desk.owned(REPLICA_SETS, &owners, "Deployment");
    let pods = desk.reads(PODS);
    let (known, known_sets) = (Arc::clone(&owners), Arc::clone(&sets));
    desk.on(&pods, move |change, queue| {
        if let Some(owner) = waits_for(&known, &known_sets, change) {
            queue.add(key_of(&owner));
        }
    });
    desk.work(AT_ONCE, Deployments { context, owners, sets, pods }).await;
}

/// The deployment that waits for a pod to be gone before it makes new ones.
fn waits_for(owners: &Mirror, sets: &Mirror, change: &Change) -> Option<Object> {
    let pod = change.before.as_ref()?;
    if change.after.as_ref().is_some_and(|after| !pods::is_over(after)) {
        return None;
    }
    let controller = claim::controller(pod)?;
    let set = sets.get(object::namespace(pod), controller["name"].as_str()?)?;
    let controller = claim::controller(&set)?;
    let owner = owners.get(object::namespace(pod), controller["name"].as_str()?)?;
    (owner["spec"]["strategy"]["type"] == "Recreate").then_some(owner)
}

impl Controller for Deployments {
    async fn look(&self, key: &Key) -> Look {
        let Some(owner) = self.owners.at(key) else { return Ok(None) };
        if teu_api::kinds::labels::is_empty(&owner["spec"]["selector"]) {
            let text = "This deployment is selecting all pods. A non-empty selector is required.";
            self.context.recorder.warning(&owner, "SelectingAll", text);
            return Ok(None);
        }
        let sets = self.claimed(&owner).await?;
        let mut said = status::Said::of(&owner);
        if !object::is_terminating(&owner) {
            said.pause(&owner, &self.context.timer.text());
            let plan = plan::plan(&owner, &sets, self.old_pods_run(&owner, &sets));
            let revision = plan.revision.clone();
            let failure = self.act(&owner, plan, &mut said).await;
            said.revision = revision.or(said.revision);
            if let Some(status) = failure {
                self.write(&owner, said).await?;
                return Err(status);
            }
        }
        let sets = self.owned(&owner);
        let now = (self.context.timer.seconds(), &*self.context.timer.text());
        let after = said.conclude(&owner, &sets, now);
        self.write(&owner, said).await?;
        Ok(after)
    }
}

impl Deployments {
    fn owned(&self, owner: &Value) -> Vec<Object> {
        let mut sets = self.sets.controlled_by(object::uid(owner));
        sets.retain(|set| claim::is_selected(owner, set));
        sets
    }

    async fn claimed(&self, owner: &Object) -> Result<Vec<Object>, Status> {
        let owned = self.sets.controlled_by(object::uid(owner));
        let orphans = self.sets.orphans(object::namespace(owner));
        let claim = claim::plan(owner, owned, orphans);
        claim::settle(&self.context, (DEPLOYMENTS, REPLICA_SETS), owner, claim).await
    }

    /// Whether a pod of another template has not ended yet.
    fn old_pods_run(&self, owner: &Value, sets: &[Object]) -> bool {
        let new = sets::newest(owner, sets).map(|set| object::uid(set).to_owned());
        let old = sets.iter().filter(|set| new.as_deref() != Some(object::uid(set)));
        old.flat_map(|set| self.pods.controlled_by(object::uid(set)))
            .any(|pod| !pods::is_over(&pod))
    }

    async fn act(&self, owner: &Value, plan: Plan, said: &mut status::Said) -> Option<Status> {
        for step in plan.steps {
            let done = match step {
                Step::Create(set) => self.create(owner, set, said).await,
                Step::Write { set, scaled } => self.scale(owner, set, scaled).await,
                Step::Delete(set) => {
                    self.context.delete(REPLICA_SETS, &set, Deletion::default()).await
                }
            };
            if let Err(status) = done {
                return Some(status);
            }
        }
        None
    }

    async fn scale(
        &self,
        owner: &Value,
        set: Value,
        scaled: Option<(i64, i64)>,
    ) -> Result<(), Status> {
        let name = object::name(&set).to_owned();
        self.context.update(REPLICA_SETS, "", set).await?;
        if let Some((from, to)) = scaled {
            let way = if to > from { "up" } else { "down" };
            let text = format!("Scaled {way} replica set {name} from {from} to {to}");
            self.context.recorder.normal(owner, "ScalingReplicaSet", text);
        }
        Ok(())
    }

    async fn create(
        &self,
        owner: &Value,
        set: Value,
        said: &mut status::Said,
    ) -> Result<(), Status> {
        let (namespace, name) = (object::namespace(owner), object::name(&set).to_owned());
        let replicas = At::root(&set).get("spec.replicas").int();
        let now = self.context.timer.text();
        let made = self.context.create(REPLICA_SETS, namespace, set.clone()).await;
        match made {
            Ok(_) => {
                said.progress(
                    owner,
                    "True",
                    "NewReplicaSetCreated",
                    format!("Created new replica set \"{name}\""),
                    &now,
                );
                if replicas > 0 {
                    let text = format!("Scaled up replica set {name} from 0 to {replicas}");
                    self.context.recorder.normal(owner, "ScalingReplicaSet", text);
                }
                Ok(())
            }
            Err(status) if status.reason == "AlreadyExists" => {
                let other = self.context.client.get(REPLICA_SETS, namespace, &name).await?;
                let is_ours = controller_uid(&other) == Some(object::uid(owner));
                // Ours, but the mirror did not show it yet; or another template with the same hash.
                if !is_ours || !sets::is_of_template(owner, &other) {
                    let count = At::root(owner).get("status.collisionCount").int() + 1;
                    said.status["collisionCount"] = count.into();
                }
                Err(status)
            }
            Err(status) => {
                if !pods::is_of_ending_namespace(&status) {
                    let text =
                        format!("Failed to create new replica set \"{name}\": {}", status.message);
                    said.progress(owner, "False", "ReplicaSetCreateError", text.clone(), &now);
                    self.context.recorder.warning(owner, "ReplicaSetCreateError", text);
                }
                Err(status)
            }
        }
    }

    /// Writes what is said of it, if anything changed.
    async fn write(&self, owner: &Value, said: status::Said) -> Result<(), Status> {
        let annotation = &owner["metadata"]["annotations"][revision::REVISION];
        let revision = said.revision.filter(|revision| annotation != &**revision);
        let nothing = Value::Null;
        let is_same = same(owner.get("status").unwrap_or(&nothing), &said.status);
        if is_same && revision.is_none() {
            return Ok(());
        }
        let mut new = owner.clone();
        new["status"] = said.status;
        if let Some(revision) = revision {
            let metadata = object::metadata_mut(&mut new);
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            annotations[revision::REVISION] = revision.into();
        }
        self.context.update(DEPLOYMENTS, "status", new).await.map(|_| ())
    }
}
