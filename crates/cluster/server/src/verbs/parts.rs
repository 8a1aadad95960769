//! Parts of objects that are only made: a pod's binding to a node, its eviction.

use super::again::Again;
use super::delete::DeleteOptions;
use super::meta;
use crate::api::{Api, Call, WriteOptions, store_status};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::kinds::labels::selects;
use teu_api::{Cause, CauseKind, Status, object};
use teu_store::cache::ListAt;
use teu_store::{Change, Expect, Outcome, Txn};

/// Evictions of one budget that the controller has not confirmed.
const MAX_ANNOUNCED: usize = 2000;

impl Api {
    /// Makes a part of an object. Answers what is said of it, and warnings.
    pub async fn create_part(
        self: &Arc<Self>,
        call: &Call,
        mut sent: Value,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), Status> {
        meta::check_namespace(call, &mut sent)?;
        let warnings = self.admit_part(call, &mut sent, options.is_dry_run).await?;
        match (call.entry.plural(), &*call.subresource) {
            ("pods", "binding") => self.bind(call, sent, options).await?,
            ("pods", "eviction") => self.evict(call, &sent, options).await?,
            _ => return Err(Status::not_found_path(&call.subresource)),
        }
        let done = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        });
        Ok((done, warnings))
    }

    /// Puts a pod on a node, once.
    async fn bind(
        &self,
        call: &Call,
        mut sent: Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        // Where its node is, unless the scheduler says otherwise.
        let node = object::text(&sent, &["target", "name"]).unwrap_or_default();
        let mut labels = self.topology(call, node).await?;
        let metadata = object::metadata_mut(&mut sent);
        if let Some(Value::Object(own)) = metadata.get("labels") {
            labels.extend(own.clone());
        }
        metadata.insert("labels".to_owned(), labels.into());
        let (rules, now) = (&call.entry.row.rules, self.wall.text());
        self.rewrite(call, options, |pod| {
            rules.write_subresource(pod, "binding", &sent)?;
            rules.stamp(pod, &now);
            Ok(())
        })
        .await
    }

    /// Deletes a pod, if its disruption budgets allow it.
    async fn evict(
        self: &Arc<Self>,
        call: &Call,
        sent: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let nothing = Value::Null;
        let document = sent.get("deleteOptions").unwrap_or(&nothing);
        let mut how = DeleteOptions::of(document, &crate::request::Query::default())?;
        how.is_dry_run |= options.is_dry_run;
        let found = self.current(call).await?.ok_or_else(|| call.not_found())?;
        let pod = call.entry.open(&found.stored, found.revision)?;
        let phase = object::text(&pod, &["status", "phase"]).unwrap_or_default();
        // What does not run is no disruption.
        if !matches!(phase, "Succeeded" | "Failed" | "Pending") && !object::is_terminating(&pod) {
            self.disrupt(call, &pod, &how).await?;
        }
        let target = Call { subresource: String::new(), ..call.clone() };
        // What is not to be deleted as it stands is not touched; the next write makes another version.
        let is_same =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|it| it == is);
        if !object::is_terminating(&pod)
            && is_same(&how.uid, object::uid(&pod))
            && is_same(&how.resource_version, &found.revision.to_string())
        {
            let options = WriteOptions { is_dry_run: how.is_dry_run, ..options.clone() };
            self.announce(&target, &options).await?;
            how.resource_version = None;
        }
        self.delete(&target, &how).await.map(|_| ())
    }

    /// Takes one from the budget that a pod falls under.
    async fn disrupt(&self, call: &Call, pod: &Value, how: &DeleteOptions) -> Result<(), Status> {
        let Some(budgets) = call.rows.find("policy", "v1", "poddisruptionbudgets").cloned() else {
            return Ok(());
        };
        let span = budgets.shelf.span(&call.namespace);
        let found = budgets.shelf.cache().list(&span, ListAt::Consistent).await;
        let labels = object::at(pod, &["metadata", "labels"]).cloned().unwrap_or_default();
        let mut names = Vec::new();
        for item in found.map_err(store_status)?.items {
            let budget = budgets.open(&item.object, item.kv.modified)?;
            let selector = object::at(&budget, &["spec", "selector"]).cloned().unwrap_or_default();
            if selector.is_object() && selects(&selector, &labels) {
                names.push(object::name(&budget).to_owned());
            }
        }
        let name = match names.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            _ => {
                let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Status::internal(text));
            }
        };
        let budget =
            Call { entry: budgets, name: name.clone(), subresource: String::new(), ..call.clone() };
        let options = WriteOptions { is_dry_run: how.is_dry_run, ..WriteOptions::default() };
        let now = self.wall.text();
        self.rewrite(&budget, &options, |budget| {
            if !is_counted(pod, budget) {
                return Ok(());
            }
            let allowed = number(budget, "disruptionsAllowed");
            check_budget(budget, &name).map_err(|refusal| match refusal {
                Refusal::Later { why, cause, seconds } => {
                    let mut status = Status::too_many_requests(why, seconds);
                    status.retry_seconds = status.retry_seconds.filter(|seconds| *seconds > 0);
                    status.causes.push(Cause {
                        reason: CauseKind::DisruptionBudget,
                        message: cause,
                        field: String::new(),
                    });
                    status
                }
                Refusal::Never(why) => {
                    Status::forbidden("policy", "poddisruptionbudgets", &name, why)
                }
            })?;
            let status = object::child_mut(budget, "status");
            status.insert("disruptionsAllowed".to_owned(), (allowed - 1).into());
            let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
            disrupted[&call.name] = now.clone().into();
            Ok(())
        })
        .await
    }

    /// Says on a pod that it is about to be evicted: jobs need not count that as a failure.
    async fn announce(&self, call: &Call, options: &WriteOptions) -> Result<(), Status> {
        let now = self.wall.text();
        self.rewrite(call, options, |pod| {
            let status = object::child_mut(pod, "status");
            let conditions = status.entry("conditions").or_insert_with(|| json!([]));
            if let Some(conditions) = conditions.as_array_mut() {
                conditions.retain(|condition| condition["type"] != "DisruptionTarget");
                conditions.push(json!({
                    "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting", "lastProbeTime": null,
                    "lastTransitionTime": now,
                }));
            }
            Ok(())
        })
        .await
    }

    /// Changes an object without asking its rules, again while others are faster.
    async fn rewrite(
        &self,
        call: &Call,
        options: &WriteOptions,
        change: impl Fn(&mut Value) -> Result<(), Status> + Send + Sync,
    ) -> Result<(), Status> {
        let mut again = Again::new(self, call);
        while again.may().await {
            let old = self.current(call).await?.ok_or_else(|| call.not_found())?;
            let before = call.entry.open(&old.stored, old.revision)?;
            let mut new = before.clone();
            change(&mut new)?;
            if options.is_dry_run || new == before {
                return Ok(());
            }
            let value = call.entry.seal(&new)?.json().clone();
            let put = Change::Put { value, lease: 0 };
            let txn = Txn::one(call.key(), Expect::Revision(old.revision), put);
            if let Outcome::Done { .. } = self.store.commit(txn).await.map_err(store_status)? {
                return Ok(());
            }
        }
        Err(call.modified())
    }
}

fn number(budget: &Value, name: &str) -> i64 {
    object::at(budget, &["status", name]).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether a pod's eviction takes from its budget. One that is not ready takes nothing if the budget
/// says so, or has enough others.
fn is_counted(pod: &Value, budget: &Value) -> bool {
    let conditions = object::at(pod, &["status", "conditions"]).and_then(Value::as_array);
    let is_ready =
        conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
    let (healthy, wanted) = (number(budget, "currentHealthy"), number(budget, "desiredHealthy"));
    let always =
        object::text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == Some("AlwaysAllow");
    is_ready || !(always || (healthy >= wanted && wanted > 0))
}

/// Why a budget does not allow an eviction.
enum Refusal {
    /// Not now.
    Later { why: &'static str, cause: String, seconds: u32 },
    /// Not as it stands.
    Never(&'static str),
}

/// Whether one more pod may go.
fn check_budget(budget: &Value, name: &str) -> Result<(), Refusal> {
    const VIOLATES: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
    let allowed = number(budget, "disruptionsAllowed");
    if number(budget, "observedGeneration") < object::generation(budget) {
        let cause = format!("The disruption budget {name} is still being processed by the server.");
        return Err(Refusal::Later { why: VIOLATES, cause, seconds: 10 });
    }
    if allowed < 0 {
        return Err(Refusal::Never("pdb disruptions allowed is negative"));
    }
    let announced = object::at(budget, &["status", "disruptedPods"]).and_then(Value::as_object);
    if announced.is_some_and(|all| all.len() > MAX_ANNOUNCED) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Refusal::Never(why));
    }
    if allowed > 0 {
        return Ok(());
    }
    let conditions = object::at(budget, &["status", "conditions"]).and_then(Value::as_array);
    let failed = conditions.into_iter().flatten().find(|it| it["reason"] == "SyncFailed");
    let cause = match failed {
        Some(condition) => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
            condition["message"].as_str().unwrap_or_default()
        ),
        None => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            number(budget, "desiredHealthy"),
            number(budget, "currentHealthy")
        ),
    };
    Err(Refusal::Later { why: VIOLATES, cause, seconds: 0 })
}
