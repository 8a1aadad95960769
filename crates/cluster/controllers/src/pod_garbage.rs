//! Pods that nobody will end any more: those of nodes that are gone, those that were deleted before any
//! node had them, those of nodes that were said to be out of service, and ended ones beyond a number.
//!
//! A node that a pod names and that is not there may still come (it registers itself), so it is waited
//! for, and asked for once more, before its pods are taken.

mod plan;

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key_of};
use crate::pods::{condition, is_over};
use crate::resources::{NODES, PODS};
use crate::worker::Look;
use plan::Reason;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use teu_api::{Status, object};
use teu_client::Deletion;

/// How long a node that is missing is waited for.
const QUARANTINE_MILLISECONDS: u64 = 40_000;
/// Ended pods that are kept.
const KEPT: usize = 12_500;
/// The key under which ended pods are counted.
const ENDED: &str = "/";
/// Pods that are taken at once.
const AT_ONCE: usize = 4;

struct Garbage {
    context: Context,
    pods: Arc<Mirror>,
    nodes: Arc<Mirror>,
    /// Pods whose nodes are missing, and when that was first seen of each.
    missing: Mutex<HashMap<Key, u64>>,
}

/// Runs until the future is dropped. Keys are those of pods, of nodes, and one for all that ended.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let (pods, nodes) = (desk.reads(PODS), desk.reads(NODES));
    let known = Arc::clone(&nodes);
    let ended = Mutex::new(0_usize);
    desk.on(&pods, move |change, queue| {
        let is_ended = |pod: &Option<Arc<Value>>| pod.as_ref().is_some_and(|pod| is_over(pod));
        let (was, is) = (is_ended(&change.before), is_ended(&change.after));
        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended = (*ended + usize::from(is)).saturating_sub(usize::from(was));
        if *ended > KEPT && is && !was {
            queue.add(ENDED.into());
        }
        if let Some(pod) = &change.after
            && plan::judge(pod, known.get("", plan::node(pod)).as_deref()).is_some()
        {
            queue.add(key_of(pod));
        }
    });
    let known = Arc::clone(&pods);
    desk.on(&nodes, move |change, queue| {
        let is_unsound = |node: &Option<Arc<Value>>| node.as_deref().is_none_or(plan::is_out);
        let Some(newest) = change.newest().filter(|_| is_unsound(&change.after)) else { return };
        let name = object::name(newest);
        let here = known.all().into_iter().filter(|pod| plan::node(pod) == name);
        here.for_each(|pod| queue.add(key_of(&pod)));
    });
    let missing = Mutex::default();
    desk.work(AT_ONCE, Garbage { context, pods, nodes, missing }).await;
}

impl Controller for Garbage {
    async fn look(&self, at: &Key) -> Look {
        if &**at == ENDED {
            return self.keep_some().await;
        }
        let pod = self.pods.at(at);
        let name = pod.as_deref().map_or("", plan::node).to_owned();
        let node = self.nodes.get("", &name);
        let reason = pod.as_deref().and_then(|pod| plan::judge(pod, node.as_deref()));
        if reason != Some(Reason::NodeGone) {
            self.missing().remove(at);
        }
        let (Some(pod), Some(reason)) = (pod, reason) else { return Ok(None) };
        match reason {
            Reason::NodeGone => {
                if let Some(milliseconds) = self.waits(at) {
                    return Ok(Some(milliseconds));
                }
                if !self.is_there(&name).await? {
                    self.take(&pod, Some("PodGC: node no longer exists")).await?;
                }
                self.missing().remove(at);
                Ok(None)
            }
            Reason::Unscheduled | Reason::OutOfService => self.take(&pod, None).await,
        }
    }
}

impl Garbage {
    fn missing(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a pod's node is still waited for. Each pod has its own time, which ends with a last look at it: one
    /// that comes for a node that others have waited for in vain is not taken at once.
    fn waits(&self, pod: &Key) -> Option<u64> {
        let now = self.context.timer.now();
        let since = *self.missing().entry(pod.clone()).or_insert(now);
        let left = (since + QUARANTINE_MILLISECONDS).saturating_sub(now);
        (left > 0).then_some(left)
    }

    /// Whether a node is there though the mirror does not show it.
    async fn is_there(&self, node: &str) -> Result<bool, Status> {
        match self.context.client.get(NODES, "", node).await {
            Ok(_) => Ok(true),
            Err(status) if status.code == 404 => Ok(false),
            Err(status) => Err(status),
        }
    }

    /// Deletes the oldest of those that ended, beyond what is kept.
    async fn keep_some(&self) -> Look {
        for pod in plan::surplus(self.pods.all(), KEPT) {
            self.take(&pod, None).await?;
        }
        Ok(None)
    }

    /// Says that a pod failed, where nobody else can, and deletes it at once.
    async fn take(&self, pod: &Value, why: Option<&str>) -> Look {
        if !is_over(pod) {
            let mut status = json!({ "phase": "Failed" });
            if let Some(why) = why {
                let known = condition(pod, "DisruptionTarget").filter(|it| it["status"] == "True");
                let now = || self.context.timer.text().into();
                let since = known.map_or_else(now, |it| it["lastTransitionTime"].clone());
                status["conditions"] = json!([{
                    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                    "message": why, "lastTransitionTime": since,
                }]);
            }
            let patch = json!({ "metadata": { "uid": object::uid(pod) }, "status": status });
            let (namespace, name) = (object::namespace(pod), object::name(pod));
            match self.context.patch(PODS, (namespace, name), "status", patch).await {
                Err(status) if matches!(status.code, 404 | 409) => return Ok(None),
                done => drop(done?),
            }
        }
        let how = Deletion { grace_seconds: Some(0), ..Deletion::default() };
        self.context.delete(PODS, pod, how).await.map(|()| None)
    }
}
