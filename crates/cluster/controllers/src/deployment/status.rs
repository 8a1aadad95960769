//! What is said of a deployment: counts, whether it is available, whether it gets on. Pure.

use super::plan::{NO_LIMIT, is_paused};
use super::sets::{Limits, newest};
use crate::conditions::{self, Condition, count, find};
use crate::mirror::Object;
use serde_json::{Value, json};
use teu_api::kinds::field::At;
use teu_api::{object, time};

const PROGRESSING: &str = "Progressing";
const COMPLETE: &str = "NewReplicaSetAvailable";
const LATE: &str = "ProgressDeadlineExceeded";

/// The status to be, and the revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub status: Value,
    pub revision: Option<String>,
}

/// Whether everything is as it is wanted.
pub fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = At::root(deployment).get("spec.replicas").int();
    let at = At::root(status);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|it| at.get(it).int() == wanted)
        && at.get("observedGeneration").int() >= object::generation(deployment)
}

/// Seconds within which something has to happen, if that is limited.
fn deadline(deployment: &Value) -> Option<i64> {
    let seconds = At::root(deployment).get("spec.progressDeadlineSeconds").opt_int();
    seconds.filter(|seconds| *seconds != NO_LIMIT)
}

impl Said {
    /// What was said last.
    pub fn of(deployment: &Value) -> Self {
        let mut status = deployment["status"].clone();
        if !status.is_object() {
            status = json!({});
        }
        Self { status, revision: None }
    }

    fn reason(&self) -> &str {
        find(&self.status, PROGRESSING).and_then(|it| it["reason"].as_str()).unwrap_or_default()
    }

    /// Says how it gets on, where that is asked for. The same status and reason again change nothing.
    pub fn progress(
        &mut self,
        deployment: &Value,
        status: &str,
        reason: &str,
        message: String,
        now: &str,
    ) {
        if deadline(deployment).is_none() {
            return;
        }
        let old = find(&self.status, PROGRESSING);
        if old.is_none_or(|old| old["status"] != status || old["reason"] != reason) {
            let condition = Condition { kind: PROGRESSING, status, reason, message };
            conditions::set(&mut self.status, &condition, now, true);
        }
    }

    /// While it is paused nothing is late.
    pub fn pause(&mut self, deployment: &Value, now: &str) {
        if deadline(deployment).is_none() || self.reason() == LATE {
            return;
        }
        let was_paused = self.reason() == "DeploymentPaused";
        let (reason, message) = match (is_paused(deployment), was_paused) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return,
        };
        self.progress(deployment, "Unknown", reason, message.to_owned(), now);
    }

    /// Counts, and concludes how it gets on; answers after how many milliseconds it may be late.
    pub fn conclude(
        &mut self,
        deployment: &Value,
        sets: &[Object],
        now: (i64, &str),
    ) -> Option<u64> {
        let new = newest(deployment, sets);
        self.count(deployment, sets, new);
        self.availability(deployment, now.1);
        match deadline(deployment) {
            None => conditions::remove(&mut self.status, PROGRESSING),
            Some(seconds) => {
                let found =
                    new.map(|new| format!("Found new replica set \"{}\"", object::name(new)));
                if let (Some(message), None) = (found, find(&self.status, PROGRESSING)) {
                    self.progress(deployment, "True", "FoundNewReplicaSet", message, now.1);
                }
                self.getting_on(deployment, new, seconds, now);
            }
        }
        self.failures(sets, new, now.1);
        self.late_after(deployment, now.0)
    }

    fn count(&mut self, deployment: &Value, sets: &[Object], new: Option<&Object>) {
        let all = |name: &str| -> i64 {
            sets.iter().map(|set| At::root(set).get("status").get(name).int()).sum()
        };
        let wanted: i64 = sets.iter().map(|set| At::root(set).get("spec.replicas").int()).sum();
        let available = all("availableReplicas");
        let updated = new.map_or(0, |new| At::root(new).get("status.replicas").int());
        let status = &mut self.status;
        for name in ["replicas", "readyReplicas", "availableReplicas"] {
            count(status, name, all(name));
        }
        count(status, "updatedReplicas", updated);
        count(status, "unavailableReplicas", (wanted - available).max(0));
        status["terminatingReplicas"] = all("terminatingReplicas").into();
        status["observedGeneration"] = object::generation(deployment).into();
    }

    fn availability(&mut self, deployment: &Value, now: &str) {
        let limits = Limits::of(deployment);
        let available = At::root(&self.status).get("availableReplicas").int();
        let is_enough = available >= limits.replicas - limits.unavailable;
        let (status, reason, message) = match is_enough {
            true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            false => {
                let message = "Deployment does not have minimum availability.";
                ("False", "MinimumReplicasUnavailable", message)
            }
        };
        let message = message.to_owned();
        let condition = Condition { kind: "Available", status, reason, message };
        conditions::set(&mut self.status, &condition, now, true);
    }

    fn getting_on(
        &mut self,
        deployment: &Value,
        new: Option<&Object>,
        seconds: i64,
        now: (i64, &str),
    ) {
        let number = |status: &Value, name: &str| At::root(status).get(name).int();
        let is_over = number(&self.status, "replicas") == number(&self.status, "updatedReplicas")
            && self.reason() == COMPLETE;
        if is_over || is_paused(deployment) {
            return;
        }
        let what = match new {
            Some(new) => format!("ReplicaSet \"{}\"", object::name(new)),
            None => format!("Deployment \"{}\"", object::name(deployment)),
        };
        if is_complete(deployment, &self.status) {
            let message = format!("{what} has successfully progressed.");
            self.progress(deployment, "True", COMPLETE, message, now.1);
        } else if has_moved(&deployment["status"], &self.status) {
            let message = format!("{what} is progressing.");
            let reason = "ReplicaSetUpdated";
            let since = find(&self.status, PROGRESSING).filter(|it| it["status"] == "True");
            let since = since.map(|it| it["lastTransitionTime"].clone());
            // Its time of update is what the deadline counts from.
            conditions::remove(&mut self.status, PROGRESSING);
            let condition = Condition { kind: PROGRESSING, status: "True", reason, message };
            conditions::set(&mut self.status, &condition, now.1, true);
            let list = self.status["conditions"].as_array_mut();
            if let (Some(since), Some(last)) = (since, list.and_then(|list| list.last_mut())) {
                last["lastTransitionTime"] = since;
            }
        } else if self.is_late(seconds, now.0) {
            let message = format!("{what} has timed out progressing.");
            self.progress(deployment, "False", LATE, message, now.1);
        }
    }

    fn updated(&self) -> Option<i64> {
        time::parse(find(&self.status, PROGRESSING)?["lastUpdateTime"].as_str()?)
    }

    fn is_late(&self, seconds: i64, now: i64) -> bool {
        match self.reason() {
            COMPLETE => false,
            LATE => true,
            _ => self.updated().is_some_and(|updated| updated + seconds < now),
        }
    }

    fn late_after(&self, deployment: &Value, now: i64) -> Option<u64> {
        let seconds = deadline(deployment)?;
        let rests = matches!(self.reason(), COMPLETE | LATE)
            || is_complete(deployment, &self.status)
            || is_paused(deployment);
        if rests {
            return None;
        }
        let left = (self.updated()? + seconds - now).max(0) + 1;
        u64::try_from(left).ok().map(|seconds| seconds * 1000)
    }

    /// What keeps a set from making pods is said here, too.
    fn failures(&mut self, sets: &[Object], new: Option<&Object>, now: &str) {
        let failure = |set: &Object| find(&set["status"], "ReplicaFailure").cloned();
        let found = new.and_then(failure).or_else(|| sets.iter().find_map(failure));
        let Some(found) = found else {
            return conditions::remove(&mut self.status, "ReplicaFailure");
        };
        let text = |name: &str| found[name].as_str().unwrap_or_default();
        let condition = Condition {
            kind: "ReplicaFailure",
            status: text("status"),
            reason: text("reason"),
            message: text("message").to_owned(),
        };
        conditions::set(&mut self.status, &condition, now, true);
    }
}

/// Whether something happened between two statuses.
fn has_moved(old: &Value, new: &Value) -> bool {
    let number = |status: &Value, name: &str| At::root(status).get(name).int();
    let outdated = |status: &Value| number(status, "replicas") - number(status, "updatedReplicas");
    let more = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    more.iter().any(|name| number(new, name) > number(old, name)) || outdated(new) < outdated(old)
}
