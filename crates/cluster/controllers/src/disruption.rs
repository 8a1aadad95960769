//! Disruption budgets: how many pods may be evicted now is written to their status, which the
//! `eviction` subresource takes from.
//!
//! A budget that cannot be counted (its pods' controllers are not found) allows nothing and says why.

mod plan;

use crate::Context;
use crate::claim::controller;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key_of, parts};
use crate::resources::{
    BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS,
};
use crate::worker::{AT_ONCE, Look};
use plan::{asks_controllers, expected, failed, verdict};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use teu_api::kinds::labels::selects;
use teu_api::{Status, object};
use teu_client::Kind;

/// Controllers whose `spec.replicas` says how many pods there should be.
const SCALED: [(&str, Kind<'static>); 4] = [
    ("ReplicationController", REPLICATION_CONTROLLERS),
    ("ReplicaSet", REPLICA_SETS),
    ("Deployment", DEPLOYMENTS),
    ("StatefulSet", STATEFUL_SETS),
];

struct Disruption {
    context: Context,
    budgets: Arc<Mirror>,
    pods: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let (budgets, pods) = (desk.each(BUDGETS), desk.reads(PODS));
    let known = Arc::clone(&budgets);
    desk.on(&pods, move |change, queue| {
        let Some(newest) = change.newest() else { return };
        for budget in known.in_namespace(object::namespace(newest)) {
            if change.before.iter().chain(&change.after).any(|pod| is_under(pod, &budget)) {
                queue.add(key_of(&budget));
            }
        }
    });
    desk.work(AT_ONCE, Disruption { context, budgets, pods }).await;
}

impl Controller for Disruption {
    async fn look(&self, key: &Key) -> Look {
        match self.budgets.at(key) {
            Some(budget) => look(&self.context, &self.pods, key, &budget).await,
            None => Ok(None),
        }
    }
}

/// Whether a budget is about a pod.
fn is_under(pod: &Value, budget: &Value) -> bool {
    let nothing = Value::Null;
    let labels = object::at(pod, &["metadata", "labels"]).unwrap_or(&nothing);
    object::at(budget, &["spec", "selector"])
        .is_some_and(|selector| selector.is_object() && selects(selector, labels))
}

async fn look(context: &Context, pods: &Mirror, key: &str, budget: &Arc<Value>) -> Look {
    let selector = &budget["spec"]["selector"];
    let under = match selector.is_object() {
        true => pods.selected(parts(key).0, selector),
        false => Vec::new(),
    };
    let now = context.timer.seconds();
    let wanted = match asks_controllers(budget) {
        true => wanted(context, &under).await,
        false => Ok(0),
    };
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(Unknown::Api(status)) => return Err(status),
        Err(Unknown::Controllers(why)) => {
            context.write_status(BUDGETS, budget, failed(budget, &why, now)).await?;
            return Ok(None);
        }
    };
    let count = i64::try_from(under.len()).unwrap_or(i64::MAX);
    let found =
        verdict(budget, under.iter().map(|pod| &**pod), expected(budget, count, wanted), now);
    for name in &found.not_deleted {
        if let Some(pod) = pods.get(parts(key).0, name) {
            let text = "Pod was expected by PDB to be deleted but it wasn't";
            context.recorder.warning(&pod, "NotDeleted", text);
        }
    }
    context.write_status(BUDGETS, budget, found.status).await?;
    let again = found.again_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Ok(again.map(|seconds| seconds.saturating_add(1) * 1000))
}

/// Why it is not known how many pods there should be.
enum Unknown {
    /// The API could not say.
    Api(Status),
    /// Nobody answers for a pod.
    Controllers(String),
}

/// How many pods the controllers of these want, together. Pods of nobody count for nothing; several
/// ReplicaSets of one Deployment are one.
async fn wanted(context: &Context, pods: &[Arc<Value>]) -> Result<i64, Unknown> {
    let (mut seen, mut counts) = (BTreeSet::new(), BTreeMap::new());
    for pod in pods {
        let Some(owner) = controller(pod) else { continue };
        let uid = object::text(owner, &["uid"]).unwrap_or_default();
        if !seen.insert(uid) {
            continue;
        }
        let found = replicas(context, object::namespace(pod), owner).await.map_err(Unknown::Api)?;
        let Some((whose, count)) = found else {
            let why = format!("found no controllers for pod {:?}", object::name(pod));
            return Err(Unknown::Controllers(why));
        };
        counts.insert(whose, count);
    }
    Ok(counts.values().sum())
}

/// Whose number counts for an owner of pods, and that number.
async fn replicas(
    context: &Context,
    namespace: &str,
    owner: &Value,
) -> Result<Option<(String, i64)>, Status> {
    let Some(found) = read(context, namespace, owner).await? else { return Ok(None) };
    let above = controller(&found).filter(|above| above["kind"] == "Deployment");
    let found = match above {
        Some(above) => match read(context, namespace, above).await? {
            Some(above) => above,
            None => return Ok(None),
        },
        None => found,
    };
    let count = object::at(&found, &["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1);
    Ok(Some((object::uid(&found).to_owned(), count)))
}

/// An owner, if it is one that says how many pods it wants, and is still the same.
async fn read(context: &Context, namespace: &str, owner: &Value) -> Result<Option<Value>, Status> {
    let word = |name: &str| object::text(owner, &[name]).unwrap_or_default();
    let group = word("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let is_it = |it: &&(&str, Kind<'_>)| it.0 == word("kind") && it.1.group == group;
    let Some((_, kind)) = SCALED.iter().find(is_it) else { return Ok(None) };
    match context.client.get(*kind, namespace, word("name")).await {
        Ok(found) if object::uid(&found) == word("uid") => Ok(Some(found)),
        Ok(_) => Ok(None),
        Err(status) if status.code == 404 => Ok(None),
        Err(status) => Err(status),
    }
}
