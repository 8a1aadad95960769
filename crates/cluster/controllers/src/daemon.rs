//! `DaemonSet`: a pod on every node that fits.

mod node;
mod plan;
#[cfg(test)]
mod tests;

use crate::Context;
use crate::batch::slow_start;
use crate::claim;
use crate::desk::{Controller, Desk};
use crate::mirror::{Change, Key, Mirror, Object, key_of};
use crate::pods;
use crate::replicas;
use crate::resources::{DAEMON_SETS, NODES, PODS, REVISIONS};
use crate::revisions::{self, Revisions};
use crate::worker::{AT_ONCE, Look};
use plan::{Plan, View};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::kinds::field::At;
use teu_api::{Status, object};
use teu_client::Deletion;

struct DaemonSets {
    context: Context,
    owners: Arc<Mirror>,
    pods: Arc<Mirror>,
    nodes: Arc<Mirror>,
    revisions: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let owners = desk.each(DAEMON_SETS);
    let pods = desk.owned(PODS, &owners, "DaemonSet");
    let (nodes, revisions) = (desk.reads(NODES), desk.reads(REVISIONS));
    let known = Arc::clone(&owners);
    desk.on(&nodes, move |change, queue| {
        if matters(change) {
            known.all().iter().for_each(|owner| queue.add(key_of(owner)));
        }
    });
    desk.work(AT_ONCE, DaemonSets { context, owners, pods, nodes, revisions }).await;
}

/// Whether a node changed in what decides about pods: not its heartbeat.
fn matters(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return true };
    before["metadata"]["labels"] != after["metadata"]["labels"]
        || before["spec"]["taints"] != after["spec"]["taints"]
}

impl Controller for DaemonSets {
    async fn look(&self, key: &Key) -> Look {
        let Some(set) = self.owners.at(key) else { return Ok(None) };
        let owned = self.pods.controlled_by(object::uid(&set));
        let orphans = self.pods.orphans(object::namespace(&set));
        let claim = claim::plan(&set, owned, orphans);
        claim::settle(&self.context, (DAEMON_SETS, PODS), &set, claim).await?;
        if object::is_terminating(&set) {
            return Ok(None);
        }
        let all = self.claim_revisions(&set).await?;
        let revisions = revisions::sync(&self.context, DAEMON_SETS, &set, all).await?;
        self.unite(&set, &revisions).await?;
        let newest = revisions::hash(&revisions.newest);
        let (nodes, now) = (self.nodes.all(), self.context.timer.seconds());
        let owned = self.owned(&set);
        let plan = View::new(&set, (&nodes, &owned), newest, now).plan();
        let failure = self.act(&set, plan, &revisions.newest).await;
        let owned = self.owned(&set);
        let view = View::new(&set, (&nodes, &owned), newest, now);
        let (status, after) = (view.status(), view.next_available());
        self.context.write_status(DAEMON_SETS, &set, status).await?;
        self.forget(&set, &owned, &revisions).await?;
        failure.map_or(Ok(after), Err)
    }
}

impl DaemonSets {
    /// The set's revisions, with those that nobody has and its selector takes.
    async fn claim_revisions(&self, set: &Object) -> Result<Vec<Object>, Status> {
        let owned = self.revisions.controlled_by(object::uid(set));
        let orphans = self.revisions.orphans(object::namespace(set));
        let claim = claim::plan(set, owned, orphans);
        claim::settle(&self.context, (DAEMON_SETS, REVISIONS), set, claim).await
    }

    /// Has pods of revisions that are equal to the newest follow that one, and deletes the others: what
    /// somebody wrote down a second time rolls nothing out.
    async fn unite(&self, set: &Value, revisions: &Revisions) -> Result<(), Status> {
        let newest = revisions::hash(&revisions.newest);
        for twin in &revisions.twins {
            let of_twin = |pod: &Object| {
                object::label(pod, revisions::LABEL) == Some(revisions::hash(twin))
                    && revisions::hash(twin) != newest
            };
            for pod in self.owned(set).into_iter().filter(of_twin) {
                let (at, uid) = ((object::namespace(&pod), object::name(&pod)), object::uid(&pod));
                let patch =
                    json!({ "metadata": { "uid": uid, "labels": { revisions::LABEL: newest } } });
                match self.context.patch(PODS, at, "", patch).await {
                    // It has gone, and perhaps another has come.
                    Err(status) if !matches!(status.code, 404 | 409) => return Err(status),
                    _ => {}
                }
            }
            self.context.delete(REVISIONS, twin, Deletion::default()).await?;
        }
        Ok(())
    }

    async fn forget(
        &self,
        set: &Value,
        owned: &[Object],
        revisions: &Revisions,
    ) -> Result<(), Status> {
        let is_used = |revision: &&Object| {
            let hash = revisions::hash(revision);
            owned.iter().any(|pod| object::label(pod, revisions::LABEL) == Some(hash))
        };
        let used: Vec<&str> =
            revisions.all.iter().filter(is_used).map(|revision| object::name(revision)).collect();
        let keep = At::root(set).get("spec.revisionHistoryLimit").opt_int().unwrap_or(10);
        revisions.forget(&self.context, &used, keep).await
    }

    fn owned(&self, set: &Value) -> Vec<Object> {
        let mut pods = self.pods.controlled_by(object::uid(set));
        pods.retain(|pod| claim::is_selected(set, pod));
        pods
    }

    async fn act(&self, set: &Object, plan: Plan, revision: &Value) -> Option<Status> {
        for pod in &plan.failed {
            let text = format!(
                "Found failed daemon pod {}/{} on node {}, will try to kill it",
                object::namespace(pod),
                object::name(pod),
                node::of_pod(pod).unwrap_or_default()
            );
            self.context.recorder.warning(set, "FailedDaemonPod", text);
        }
        // Those that failed are replaced with growing pauses: their failure is this look's.
        let has_failed = !plan.failed.is_empty();
        let doomed: Vec<Object> = plan.failed.into_iter().chain(plan.delete).collect();
        let (_, failure) = slow_start(doomed, |pod| {
            let (context, set) = (self.context.clone(), Arc::clone(set));
            async move { replicas::delete(&context, &set, &pod).await }
        })
        .await;
        let (_, refusal) = slow_start(plan.create, |node| {
            let (context, set) = (self.context.clone(), Arc::clone(set));
            let pod = plan::make(&set, &node, revision);
            async move { replicas::create_pod(&context, &set, pod).await }
        })
        .await;
        let refusal = refusal.filter(|status| !pods::is_of_ending_namespace(status));
        let again = || has_failed.then(|| Status::internal("pods failed"));
        failure.or(refusal).or_else(again)
    }
}
