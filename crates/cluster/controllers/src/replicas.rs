//! `ReplicaSet` and `ReplicationController`: so many pods of a template, no more and no fewer.
//!
//! Two kinds of one mind: they differ in their group and in how they write their selector
//! ([`crate::claim::selector`]).

mod plan;
#[cfg(test)]
mod tests;

use crate::Context;
use crate::batch::slow_start;
use crate::claim;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, Object, controller_uid};
use crate::pods;
use crate::resources::{PODS, REPLICA_SETS};
use crate::worker::{AT_ONCE, Look};
use plan::{Action, plan};
use serde_json::Value;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Deletion, Kind};

struct Replicas {
    context: Context,
    kind: Kind<'static>,
    owners: Arc<Mirror>,
    pods: Arc<Mirror>,
}

/// Runs one of the two kinds until the future is dropped.
pub async fn run(context: Context, kind: Kind<'static>) {
    let name = if kind == REPLICA_SETS { "ReplicaSet" } else { "ReplicationController" };
    let mut desk = Desk::new(&context);
    let owners = desk.each(kind);
    let pods = desk.owned(PODS, &owners, name);
    desk.work(AT_ONCE, Replicas { context, kind, owners, pods }).await;
}

impl Controller for Replicas {
    async fn look(&self, key: &Key) -> Look {
        let Some(owner) = self.owners.at(key) else { return Ok(None) };
        let mine = self.claimed(&owner).await?;
        let now = self.context.timer.seconds();
        let action = match object::is_terminating(&owner) {
            true => Action::Nothing,
            false => plan(&owner, &mine, |pod| self.alike_on(&owner, &mine, pod), now),
        };
        let is_growth = matches!(action, Action::Create(_));
        let failure = self.act(&owner, action).await;
        // What was just made counts as it will; what goes is counted until it has gone.
        let now_mine = match failure {
            Some(_) => self.active(&owner),
            None if object::is_terminating(&owner) => mine,
            None => self.active(&owner),
        };
        let now = self.context.timer.seconds();
        let failed = failure.as_ref().map(|status| plan::Failure { is_growth, status });
        let terminating = self.pods.controlled_by(object::uid(&owner));
        let terminating = terminating.iter().filter(|pod| plan::is_ending(pod)).count();
        let status =
            plan::status(&owner, &now_mine, terminating, failed, (now, &self.context.timer.text()));
        self.context.write_status(self.kind, &owner, status).await?;
        match failure {
            Some(status) => Err(status),
            None => Ok(plan::next_available(&owner, &now_mine, now)),
        }
    }
}

impl Replicas {
    fn active(&self, owner: &Value) -> Vec<Object> {
        let mut pods = self.pods.controlled_by(object::uid(owner));
        pods.retain(|pod| pods::is_active(pod) && claim::is_selected(owner, pod));
        pods
    }

    async fn claimed(&self, owner: &Object) -> Result<Vec<Object>, Status> {
        let active = |mut pods: Vec<Object>| {
            pods.retain(|pod| pods::is_active(pod));
            pods
        };
        let owned = active(self.pods.controlled_by(object::uid(owner)));
        let orphans = active(self.pods.orphans(object::namespace(owner)));
        let claim = claim::plan(owner, owned, orphans);
        claim::settle(&self.context, (self.kind, PODS), owner, claim).await
    }

    /// How many pods of its kind a pod's node has: of all sets that one deployment has.
    fn alike_on(&self, owner: &Value, mine: &[Object], pod: &Value) -> usize {
        let node = &pod["spec"]["nodeName"];
        let on = |pods: &[Object]| {
            let alike =
                |other: &&Object| pods::is_active(other) && other["spec"]["nodeName"] == *node;
            pods.iter().filter(alike).count()
        };
        let Some(above) = controller_uid(owner) else { return on(mine) };
        let siblings = self.owners.controlled_by(above).into_iter();
        siblings.map(|set| on(&self.pods.controlled_by(object::uid(&set)))).sum()
    }

    /// Does it; answers what failed, if something did.
    async fn act(&self, owner: &Object, action: Action) -> Option<Status> {
        match action {
            Action::Nothing => None,
            Action::Create(count) => {
                let (_, failure) = slow_start(vec![(); count], |()| {
                    let (context, owner) = (self.context.clone(), Arc::clone(owner));
                    async move { create(&context, &owner).await }
                })
                .await;
                failure.filter(|status| !pods::is_of_ending_namespace(status))
            }
            Action::Delete(doomed) => {
                let (_, failure) = slow_start(doomed, |pod| {
                    let (context, owner) = (self.context.clone(), Arc::clone(owner));
                    async move { delete(&context, &owner, &pod).await }
                })
                .await;
                failure
            }
        }
    }
}

/// Makes a pod for an owner, and says so.
pub async fn create(context: &Context, owner: &Value) -> Result<(), Status> {
    let template = object::at(owner, &["spec", "template"]).cloned().unwrap_or_default();
    create_pod(context, owner, pods::of_template(&template, owner)).await
}

/// Makes a pod, and says so.
pub async fn create_pod(context: &Context, owner: &Value, pod: Value) -> Result<(), Status> {
    match context.create(PODS, object::namespace(owner), pod).await {
        Ok(made) => {
            let text = format!("Created pod: {}", object::name(&made));
            context.recorder.normal(owner, "SuccessfulCreate", text);
            Ok(())
        }
        Err(status) => {
            if !pods::is_of_ending_namespace(&status) {
                let text = format!("Error creating: {}", status.message);
                context.recorder.warning(owner, "FailedCreate", text);
            }
            Err(status)
        }
    }
}

/// Deletes a pod of an owner, and says so.
pub async fn delete(context: &Context, owner: &Value, pod: &Value) -> Result<(), Status> {
    match context.delete(PODS, pod, Deletion::default()).await {
        Ok(()) => {
            let text = format!("Deleted pod: {}", object::name(pod));
            context.recorder.normal(owner, "SuccessfulDelete", text);
            Ok(())
        }
        Err(status) => {
            let text = format!("Error deleting: {}", status.message);
            context.recorder.warning(owner, "FailedDelete", text);
            Err(status)
        }
    }
}
