//! What a job's pods become. Pure.

use super::pod;
use super::view::{COMPLETED, View, is_indexed};
use crate::batch::MOST;
use crate::finalizers;
use crate::mirror::Object;
use crate::pods::{deletion_order, phase};
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
    finalizers::has(pod, FINALIZER)
}

/// A pod to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its index, if it has one.
    pub index: Option<i64>,
    /// How often the index failed before.
    pub failures: i64,
    /// And how often so that it does not count.
    pub ignored: i64,
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
    if let Some(end) = view.end() {
        plan.delete = view.active.clone();
        // What is beyond all that was wanted has not failed.
        plan.counts_deleted = end.reason != COMPLETED;
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
    let each_index = At::root(view.job).get("spec.backoffLimitPerIndex").is_set();
    let left = match each_index {
        true => None,
        false => pause_left(view),
    };
    let waits = left.is_some();
    let (slots, next) = match waits {
        true => (Vec::new(), left),
        false => slots(view, missing, replaces_ended_only),
    };
    plan.create = slots;
    let next = next.map(milliseconds);
    plan.after = plan.after.into_iter().chain(next).min();
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

/// The pods that are missing; those of indexes that failed one by one after a pause of their own, of which
/// the shortest (in seconds) is said.
fn slots(view: &View<'_>, missing: usize, without_terminating: bool) -> (Vec<Slot>, Option<i64>) {
    if !is_indexed(view.job) {
        return (vec![Slot { index: None, failures: 0, ignored: 0 }; missing], None);
    }
    let mut taken: BTreeSet<i64> = view.completed.union(&view.failed_indexes).copied().collect();
    taken.extend(view.active.iter().filter_map(|pod| pod::index_of(pod)));
    if without_terminating {
        let ends = view.pods.iter().filter(|pod| object::is_terminating(pod));
        taken.extend(ends.filter_map(|pod| pod::index_of(pod)));
    }
    let completions = At::root(view.job).get("spec.completions").int();
    let (mut slots, mut next) = (Vec::new(), None::<i64>);
    for index in (0..completions).filter(|index| !taken.contains(index)).take(missing) {
        let Some(last) = view.kept.get(&index) else {
            slots.push(Slot { index: Some(index), failures: 0, ignored: 0 });
            continue;
        };
        let is_ignored = view.is_ignored(last);
        let failures = pod::failures_of(last) + i64::from(!is_ignored);
        let ignored = pod::ignored_of(last) + i64::from(is_ignored);
        let left = pod::ended(last) + pause(failures + ignored) - view.now;
        match left > 0 {
            true => next = Some(next.map_or(left, |next| next.min(left))),
            false => slots.push(Slot { index: Some(index), failures, ignored }),
        }
    }
    (slots, next)
}

/// How many seconds have to pass after so many failures in a row.
fn pause(failures: i64) -> i64 {
    let doublings = u32::try_from(failures - 1).unwrap_or(0).min(10);
    (FIRST_PAUSE_SECONDS << doublings).min(LAST_PAUSE_SECONDS)
}

/// Seconds until failures in a row allow the next pod.
fn pause_left(view: &View<'_>) -> Option<i64> {
    let last_success = view
        .pods
        .iter()
        .filter(|pod| phase(pod) == "Succeeded")
        .map(|pod| pod::ended(pod))
        .max()
        .unwrap_or(i64::MIN);
    let failures: Vec<i64> = view
        .pods
        .iter()
        .filter(|pod| phase(pod) == "Failed")
        .map(|pod| pod::ended(pod))
        .filter(|ended| *ended > last_success)
        .collect();
    let last = failures.iter().max()?;
    let count = i64::try_from(failures.len()).unwrap_or(i64::MAX);
    let left = last + pause(count) - view.now;
    (left > 0).then_some(left)
}
