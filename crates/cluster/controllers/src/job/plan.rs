//! What a job's pods become. Pure.

use super::pod;
use super::view::{View, holds, is_indexed};
use crate::batch::MOST;
use crate::mirror::Object;
use crate::pods::{deletion_order, phase, seconds};
use serde_json::Value;
use std::collections::BTreeSet;
use teu_api::kinds::field::At;
use teu_api::object;

/// Keeps a pod until it is counted.
pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// The pause after a first failure, and the longest.
const FIRST_PAUSE_SECONDS: i64 = 10;
const LAST_PAUSE_SECONDS: i64 = 600;

/// Whether a pod is not counted yet.
pub fn is_held(pod: &Value) -> bool {
    holds(pod)
}

/// A pod to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its index, if it has one.
    pub index: Option<i64>,
    /// How often the index failed before.
    pub failures: i64,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    pub create: Vec<Slot>,
    pub delete: Vec<Object>,
    /// Whether what is deleted counts as failed.
    pub counts_deleted: bool,
    /// Milliseconds after which there may be more to do.
    pub after: Option<u64>,
}

/// Decides.
pub fn plan(view: &View<'_>) -> Plan {
    let mut plan = Plan::default();
    if object::is_terminating(view.job) {
        return plan;
    }
    if view.end().is_some() {
        plan.delete = view.active.clone();
        plan.counts_deleted = true;
        return plan;
    }
    let milliseconds = |seconds: i64| u64::try_from(seconds.max(1)).unwrap_or(1) * 1000;
    plan.after = view.deadline_left().map(milliseconds);
    if view.is_suspended() {
        plan.delete = view.active.clone();
        return plan;
    }
    let wanted = wanted(view);
    let doomed = surplus(view, wanted);
    if !doomed.is_empty() {
        plan.delete = doomed;
        return plan;
    }
    let replaces_ended_only = At::root(view.job).text("spec.podReplacementPolicy") == "Failed";
    let waits = if replaces_ended_only { view.terminating } else { 0 };
    let missing = wanted.saturating_sub(view.active.len() + waits).min(MOST);
    if missing == 0 {
        return plan;
    }
    if let Some(left) = pause_left(view) {
        let left = milliseconds(left);
        plan.after = Some(plan.after.map_or(left, |after| after.min(left)));
        return plan;
    }
    plan.create = slots(view, missing, replaces_ended_only);
    plan
}

/// How many pods are to run at once.
fn wanted(view: &View<'_>) -> usize {
    let at = At::root(view.job);
    let parallel = at.get("spec.parallelism").opt_int().unwrap_or(1);
    let wanted = match at.get("spec.completions").opt_int() {
        // One success says that the rest need not begin.
        None if view.succeeded > 0 => return view.active.len(),
        None => parallel,
        Some(completions) => {
            let lost = i64::try_from(view.failed_indexes.len()).unwrap_or(i64::MAX);
            parallel.min(completions - view.succeeded - lost)
        }
    };
    usize::try_from(wanted).unwrap_or(0)
}

/// Those that are too many: indexes that are twice there or beyond the last, then any.
fn surplus(view: &View<'_>, wanted: usize) -> Vec<Object> {
    let mut order = view.active.clone();
    deletion_order(&mut order, |_| 0, view.now);
    let mut doomed = Vec::new();
    if is_indexed(view.job) {
        let completions = At::root(view.job).get("spec.completions").int();
        let mut known = view.completed.clone();
        known.extend(&view.failed_indexes);
        // The one that got furthest stays.
        let (mut kept, mut double) = (Vec::new(), Vec::new());
        for pod in order.into_iter().rev() {
            let index = pod::index_of(&pod).filter(|index| *index < completions);
            match index.is_some_and(|index| known.insert(index)) {
                true => kept.push(pod),
                false => double.push(pod),
            }
        }
        kept.reverse();
        (order, doomed) = (kept, double);
    }
    let more = order.len().saturating_sub(wanted);
    doomed.extend(order.into_iter().take(more));
    doomed
}

fn slots(view: &View<'_>, missing: usize, without_terminating: bool) -> Vec<Slot> {
    if !is_indexed(view.job) {
        return vec![Slot { index: None, failures: 0 }; missing];
    }
    let mut taken: BTreeSet<i64> = view.completed.union(&view.failed_indexes).copied().collect();
    taken.extend(view.active.iter().filter_map(|pod| pod::index_of(pod)));
    if without_terminating {
        let ends = view.pods.iter().filter(|pod| object::is_terminating(pod));
        taken.extend(ends.filter_map(|pod| pod::index_of(pod)));
    }
    let failures = |index: i64| {
        let same = view.pods.iter().filter(|pod| pod::index_of(pod) == Some(index));
        same.filter(|pod| phase(pod) == "Failed").map(|pod| pod::failures_of(pod) + 1).max()
    };
    let completions = At::root(view.job).get("spec.completions").int();
    (0..completions)
        .filter(|index| !taken.contains(index))
        .take(missing)
        .map(|index| Slot { index: Some(index), failures: failures(index).unwrap_or(0) })
        .collect()
}

/// When a pod ended.
fn ended(pod: &Value) -> Option<i64> {
    let at = At::root(pod);
    let containers = at.get("status.containerStatuses");
    let ended = containers.items().filter_map(|container| {
        teu_api::time::parse(container.get("state.terminated").text("finishedAt"))
    });
    ended.max().or_else(|| seconds(pod, &["metadata", "deletionTimestamp"]))
}

/// Seconds until failures in a row allow the next pod.
fn pause_left(view: &View<'_>) -> Option<i64> {
    let last_success = view
        .pods
        .iter()
        .filter(|pod| phase(pod) == "Succeeded")
        .filter_map(|pod| ended(pod))
        .max()
        .unwrap_or(i64::MIN);
    let ignored = |pod: &Object| view.ignored.iter().any(|it| object::uid(it) == object::uid(pod));
    let failures: Vec<i64> = view
        .pods
        .iter()
        .filter(|pod| phase(pod) == "Failed" && !ignored(pod))
        .map(|pod| ended(pod).unwrap_or(view.now))
        .filter(|ended| *ended > last_success)
        .collect();
    let last = failures.iter().max()?;
    let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(10);
    let pause = (FIRST_PAUSE_SECONDS << doublings).min(LAST_PAUSE_SECONDS);
    let left = last + pause - view.now;
    (left > 0).then_some(left)
}
