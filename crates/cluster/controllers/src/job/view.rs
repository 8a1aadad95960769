//! How a job stands: what its pods and its status say together. Pure.

use super::plan::is_held;
use super::policy::{self, Verdict};
use super::{indexes, pod};
use crate::mirror::Object;
use crate::pods::{condition, is_active, is_over, is_ready, phase};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use teu_api::kinds::field::At;
use teu_api::object;

/// The reason of a job that ended as it was to.
pub const COMPLETED: &str = "CompletionsReached";

/// Why a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub is_success: bool,
    pub reason: String,
    pub message: String,
}

/// How it stands.
#[derive(Debug)]
pub struct View<'a> {
    pub job: &'a Value,
    pub pods: &'a [Object],
    pub now: i64,
    pub active: Vec<Object>,
    pub ready: usize,
    pub terminating: usize,
    /// Pods that ended and are not counted yet: they are still held.
    pub fresh_succeeded: Vec<Object>,
    pub fresh_failed: Vec<Object>,
    /// Those whose end means nothing.
    pub ignored: Vec<Object>,
    /// Where each index fails for itself, the last pod of an index that is to have another: it says how
    /// often the index failed, so it is held until the next one says so.
    pub kept: BTreeMap<i64, Object>,
    /// With those that are not counted yet.
    pub succeeded: i64,
    pub failed: i64,
    /// Indexes, where there are any.
    pub completed: BTreeSet<i64>,
    pub failed_indexes: BTreeSet<i64>,
    /// What a rule about failures says.
    failed_by_rule: Option<String>,
}

pub fn is_indexed(job: &Value) -> bool {
    At::root(job).text("spec.completionMode") == "Indexed"
}

/// UIDs of pods that the status has noted but not counted.
pub fn uncounted(job: &Value, list: &str) -> Vec<String> {
    let at = At::root(job);
    let uncounted = at.get("status.uncountedTerminatedPods");
    uncounted.get(list).strings().map(str::to_owned).collect()
}

impl<'a> View<'a> {
    pub fn new(job: &'a Value, pods: &'a [Object], now: i64) -> Self {
        let at = At::root(job);
        let completions = at.get("spec.completions").int();
        let active: Vec<Object> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
        let ends = |pod: &&Object| object::is_terminating(pod) && !is_over(pod);
        let mut view = Self {
            job,
            pods,
            now,
            ready: active.iter().filter(|pod| is_ready(pod)).count(),
            active,
            terminating: pods.iter().filter(ends).count(),
            fresh_succeeded: Vec::new(),
            fresh_failed: Vec::new(),
            ignored: Vec::new(),
            kept: BTreeMap::new(),
            succeeded: at.get("status.succeeded").int(),
            failed: at.get("status.failed").int(),
            completed: indexes::read(at.text("status.completedIndexes"), completions),
            failed_indexes: indexes::read(at.text("status.failedIndexes"), completions),
            failed_by_rule: None,
        };
        view.count();
        view
    }

    fn count(&mut self) {
        let succeeded = uncounted(self.job, "succeeded");
        let failed = uncounted(self.job, "failed");
        for pod in self.pods.iter().filter(|pod| is_held(pod)) {
            let uid = object::uid(pod);
            let is_noted = |list: &[String]| list.iter().any(|known| known == uid);
            if is_noted(&succeeded) || is_noted(&failed) {
                continue;
            }
            if phase(pod) == "Succeeded" {
                self.fresh_succeeded.push(Object::clone(pod));
            } else if self.is_failed(pod) {
                self.judge(pod);
            }
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.failed += number(failed.len() + self.fresh_failed.len());
        if is_indexed(self.job) {
            let completions = At::root(self.job).get("spec.completions").int();
            let ended = self.fresh_succeeded.iter().filter_map(|pod| pod::index_of(pod));
            self.completed.extend(ended.filter(|index| *index < completions));
            self.succeeded = number(self.completed.len());
            self.fail_indexes();
            self.keep();
        } else {
            self.succeeded += number(succeeded.len() + self.fresh_succeeded.len());
        }
    }

    fn judge(&mut self, pod: &Object) {
        match policy::judge(self.job, pod) {
            Verdict::Ignore => return self.ignored.push(Object::clone(pod)),
            Verdict::FailJob(why) => drop(self.failed_by_rule.get_or_insert(why)),
            Verdict::FailIndex => self.failed_indexes.extend(pod::index_of(pod)),
            Verdict::Count => {}
        }
        self.fresh_failed.push(Object::clone(pod));
    }

    /// Whether a pod counts as failed: one that is deleted never ends well, but where only what has
    /// ended is replaced it may.
    fn is_failed(&self, pod: &Value) -> bool {
        let waits = At::root(self.job).text("spec.podReplacementPolicy") == "Failed";
        phase(pod) == "Failed" || (object::is_terminating(pod) && !waits)
    }

    /// Indexes that failed more often than one may.
    fn fail_indexes(&mut self) {
        let Some(limit) = At::root(self.job).get("spec.backoffLimitPerIndex").opt_int() else {
            return;
        };
        let fresh = self.fresh_failed.iter();
        let over = fresh.filter(|pod| pod::failures_of(pod) >= limit);
        let over: Vec<i64> = over.filter_map(|pod| pod::index_of(pod)).collect();
        self.failed_indexes.extend(over);
        self.failed_indexes.retain(|index| !self.completed.contains(index));
    }

    fn keep(&mut self) {
        if !At::root(self.job).get("spec.backoffLimitPerIndex").is_set() {
            return;
        }
        let active: BTreeSet<i64> =
            self.active.iter().filter_map(|pod| pod::index_of(pod)).collect();
        for pod in self.fresh_failed.iter().chain(&self.ignored) {
            let Some(index) = pod::index_of(pod) else { continue };
            let is_over = self.completed.contains(&index) || self.failed_indexes.contains(&index);
            if is_over || active.contains(&index) {
                continue;
            }
            let rank =
                |pod: &Value| (pod::failures_of(pod) + pod::ignored_of(pod), pod::ended(pod));
            if self.kept.get(&index).is_none_or(|known| rank(known) <= rank(pod)) {
                self.kept.insert(index, Object::clone(pod));
            }
        }
    }

    /// Whether a pod is held for the next one of its index.
    pub fn is_kept(&self, pod: &Value) -> bool {
        self.kept.values().any(|kept| object::uid(kept) == object::uid(pod))
    }

    /// Whether a pod's end means nothing.
    pub fn is_ignored(&self, pod: &Value) -> bool {
        self.ignored.iter().any(|it| object::uid(it) == object::uid(pod))
    }

    pub fn is_suspended(&self) -> bool {
        At::root(self.job).get("spec.suspend").bool()
    }

    /// Whether and why it ends. What was said once stays.
    pub fn end(&self) -> Option<End> {
        let said = |kind: &str, is_success: bool| {
            let condition = condition(self.job, kind).filter(|it| it["status"] == "True")?;
            let text = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
            Some(End { is_success, reason: text("reason"), message: text("message") })
        };
        said("SuccessCriteriaMet", true)
            .or_else(|| said("FailureTarget", false))
            .or_else(|| self.failure())
            .or_else(|| self.success())
    }

    fn failure(&self) -> Option<End> {
        let end = |reason: &str, message: &str| {
            let (reason, message) = (reason.to_owned(), message.to_owned());
            Some(End { is_success: false, reason, message })
        };
        let at = At::root(self.job);
        if let Some(why) = &self.failed_by_rule {
            return end("PodFailurePolicy", why);
        }
        let limit = at.get("spec.backoffLimit").opt_int().unwrap_or(6);
        if self.failed > limit || self.restarts() > limit.max(0) && limit >= 0 {
            return end("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if self.deadline_left().is_some_and(|left| left <= 0) {
            return end("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        let (lost, all) = (self.failed_indexes.len(), at.get("spec.completions").int());
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        if at.get("spec.maxFailedIndexes").opt_int().is_some_and(|most| lost > most) {
            let text = "Job has exceeded the specified maximal number of failed indexes";
            return end("MaxFailedIndexesExceeded", text);
        }
        if lost > 0 && lost + self.succeeded >= all {
            return end("FailedIndexes", "Job has failed indexes");
        }
        None
    }

    /// Restarts within pods that are restarted in place, or -1 where they are not.
    fn restarts(&self) -> i64 {
        let at = At::root(self.job);
        if at.text("spec.template.spec.restartPolicy") != "OnFailure" {
            return -1;
        }
        let mut total = 0;
        for pod in &self.active {
            let status = At::root(pod);
            let status = status.get("status");
            for list in ["containerStatuses", "initContainerStatuses"] {
                let containers = status.get(list);
                total += containers.items().map(|it| it.get("restartCount").int()).sum::<i64>();
            }
        }
        // The limit itself is too much, but for the limit that allows none.
        if total > 0 { total + 1 } else { -1 }
    }

    /// Seconds until it has been active for too long.
    pub fn deadline_left(&self) -> Option<i64> {
        let limit = At::root(self.job).get("spec.activeDeadlineSeconds").opt_int()?;
        let begun = crate::pods::seconds(self.job, &["status", "startTime"])?;
        (!self.is_suspended()).then_some(begun + limit - self.now)
    }

    fn success(&self) -> Option<End> {
        let end = |reason: &str, message: String| {
            Some(End { is_success: true, reason: reason.to_owned(), message })
        };
        if let Some(why) = policy::is_enough(self.job, &self.completed) {
            return end("SuccessPolicy", why);
        }
        let is_done = match At::root(self.job).get("spec.completions").opt_int() {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && self.active.is_empty() && self.terminating == 0,
        };
        let text = "Reached expected number of succeeded pods";
        if is_done { end(COMPLETED, text.to_owned()) } else { None }
    }
}
