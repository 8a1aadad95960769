//! What a deployment's replica sets become: pure, on the sets as they are.

use super::revision;
use super::scale::scale;
use super::sets::{self, DESIRED, Limits, Set};
use crate::mirror::Object;
use serde_json::Value;
use teu_api::kinds::field::At;
use teu_api::object;

/// "No limit", as Kubernetes writes it.
pub const NO_LIMIT: i64 = i32::MAX as i64;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// A new replica set.
    Create(Value),
    /// One becomes this; from how many to how many.
    Write { set: Value, scaled: Option<(i64, i64)> },
    /// One that is of no use any more.
    Delete(Object),
}

/// Steps, and the deployment's revision.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub revision: Option<String>,
}

/// All that a decision is made on.
struct Rollout<'a> {
    deployment: &'a Value,
    limits: Limits,
    sets: Vec<Set>,
    new: Option<usize>,
    number: i64,
}

/// Decides. `old_pods_run` says whether a pod of another template has not ended yet.
pub fn plan(deployment: &Value, owned: &[Object], old_pods_run: bool) -> Plan {
    let newest = sets::newest(deployment, owned).map(|set| object::uid(set).to_owned());
    let sets: Vec<Set> = owned.iter().map(Set::new).collect();
    let new = sets.iter().position(|set| newest.as_deref() == Some(object::uid(&set.was)));
    let old = sets.iter().enumerate().filter(|(at, _)| Some(*at) != new);
    let number = old.map(|(_, set)| revision::of(&set.was)).max().unwrap_or(0) + 1;
    let limits = Limits::of(deployment);
    let mut rollout = Rollout { deployment, limits, sets, new, number };
    rollout.sync_new();
    let mut extra = Vec::new();
    if is_paused(deployment) {
        rollout.rescale();
        extra = rollout.cleanup();
    } else if rollout.is_scaled() {
        rollout.rescale();
    } else if limits.is_rolling {
        extra = rollout.roll();
    } else {
        extra = rollout.recreate(old_pods_run);
    }
    rollout.finish(extra)
}

/// Whether it is to stand still.
pub fn is_paused(deployment: &Value) -> bool {
    At::root(deployment).get("spec.paused").bool()
}

impl Rollout<'_> {
    /// The newest set has the deployment's annotations, the highest number, the same patience.
    fn sync_new(&mut self) {
        let Some(new) = self.new.and_then(|at| self.sets.get_mut(at)) else { return };
        revision::annotate(self.deployment, &mut new.now, self.number);
        let patience = At::root(self.deployment).get("spec.minReadySeconds").int();
        if At::root(&new.now).get("spec.minReadySeconds").int() != patience {
            new.now["spec"]["minReadySeconds"] = patience.into();
        }
    }

    fn rescale(&mut self) {
        let has = At::root(self.deployment).get("status.replicas").int();
        scale(&mut self.sets, self.new, &self.limits, has);
    }

    /// Whether another number is wanted than when the sets were last scaled.
    fn is_scaled(&self) -> bool {
        self.sets.iter().filter(|set| set.replicas() > 0).any(|set| {
            let noted = object::text(&set.now, &["metadata", "annotations", DESIRED]);
            noted
                .and_then(|noted| noted.parse::<i64>().ok())
                .is_some_and(|noted| noted != self.limits.replicas)
        })
    }

    fn total(&self) -> i64 {
        self.sets.iter().map(Set::replicas).sum()
    }

    /// Those of other templates, the oldest first.
    fn old(&self) -> Vec<usize> {
        let mut old: Vec<usize> = (0..self.sets.len()).filter(|at| Some(*at) != self.new).collect();
        old.sort_by(|a, b| self.sets[*a].age().cmp(&self.sets[*b].age()));
        old
    }

    fn resize(&mut self, at: usize, replicas: i64) {
        let limits = self.limits;
        if let Some(set) = self.sets.get_mut(at).filter(|set| set.replicas() != replicas) {
            set.resize(replicas);
            set.note(&limits);
        }
    }

    fn create(&self, replicas: i64) -> Step {
        Step::Create(sets::make(self.deployment, replicas, &self.limits, self.number))
    }

    /// How many the newest set may have, if it has these.
    fn room(&self, has: i64) -> i64 {
        let most = self.limits.replicas + self.limits.surge;
        let total = self.total();
        match total >= most {
            true => has,
            false => has + (most - total).min(self.limits.replicas - has),
        }
    }

    fn roll(&mut self) -> Vec<Step> {
        let Some(new) = self.new else { return vec![self.create(self.room(0))] };
        let has = self.sets[new].replicas();
        let wanted = if has > self.limits.replicas { self.limits.replicas } else { self.room(has) };
        if wanted != has {
            self.resize(new, wanted);
            return Vec::new();
        }
        if self.shrink_old(new) {
            return Vec::new();
        }
        self.cleanup_if_complete()
    }

    /// Takes pods from the old sets as far as enough stay available. Whether it did.
    fn shrink_old(&mut self, new: usize) -> bool {
        let old = self.old();
        if old.iter().all(|at| self.sets[*at].replicas() == 0) {
            return false;
        }
        let least = self.limits.replicas - self.limits.unavailable;
        let new_missing = self.sets[new].replicas() - self.sets[new].status("availableReplicas");
        let mut may_go = self.total() - least - new_missing;
        if may_go <= 0 {
            return false;
        }
        let mut changed = false;
        // Those that serve nobody go first.
        for at in &old {
            let (has, available) =
                (self.sets[*at].replicas(), self.sets[*at].status("availableReplicas"));
            let less = (has - available).clamp(0, may_go.max(0));
            if has > 0 && less > 0 {
                self.resize(*at, has - less);
                may_go -= less;
                changed = true;
            }
        }
        let available: i64 = self.sets.iter().map(|set| set.status("availableReplicas")).sum();
        let mut may_go = available - least;
        for at in old {
            let has = self.sets[at].replicas();
            let less = has.min(may_go);
            if less > 0 {
                self.resize(at, has - less);
                may_go -= less;
                changed = true;
            }
        }
        changed
    }

    fn recreate(&mut self, old_pods_run: bool) -> Vec<Step> {
        let active: Vec<usize> =
            self.old().into_iter().filter(|at| self.sets[*at].replicas() > 0).collect();
        if !active.is_empty() {
            active.into_iter().for_each(|at| self.resize(at, 0));
            return Vec::new();
        }
        let count = |at: &usize| self.sets[*at].status("replicas");
        if old_pods_run || self.old().iter().map(count).sum::<i64>() > 0 {
            return Vec::new();
        }
        match self.new {
            None => vec![self.create(self.limits.replicas)],
            Some(new) => {
                self.resize(new, self.limits.replicas);
                self.cleanup_if_complete()
            }
        }
    }

    fn cleanup_if_complete(&self) -> Vec<Step> {
        match super::status::is_complete(self.deployment, &self.deployment["status"]) {
            true => self.cleanup(),
            false => Vec::new(),
        }
    }

    /// Old sets without pods, but for the newest of them.
    fn cleanup(&self) -> Vec<Step> {
        let limit = At::root(self.deployment).get("spec.revisionHistoryLimit").opt_int();
        let Some(limit) = limit.filter(|limit| *limit != NO_LIMIT) else { return Vec::new() };
        let mut old: Vec<&Set> = self.old().into_iter().map(|at| &self.sets[at]).collect();
        old.retain(|set| !object::is_terminating(&set.was));
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|set| (revision::of(&set.was), created_text(&set.was)));
        let is_empty = |set: &&Set| {
            set.status("replicas") == 0
                && set.replicas() == 0
                && object::generation(&set.was) <= set.status("observedGeneration")
        };
        let surplus = old.into_iter().take(surplus).filter(is_empty);
        surplus.map(|set| Step::Delete(Object::clone(&set.was))).collect()
    }

    fn finish(self, extra: Vec<Step>) -> Plan {
        let revision = self.new.and_then(|at| {
            let text =
                object::text(&self.sets[at].now, &["metadata", "annotations", revision::REVISION]);
            text.map(str::to_owned)
        });
        let revision = revision.or_else(|| {
            let made = matches!(extra[..], [Step::Create(_)]);
            made.then(|| self.number.to_string())
        });
        let mut steps: Vec<Step> = Vec::new();
        for set in self.sets.into_iter().filter(|set| set.now != *set.was) {
            let (from, to) = (At::root(&set.was).get("spec.replicas").int(), set.replicas());
            let scaled = (from != to).then_some((from, to));
            steps.push(Step::Write { set: set.now, scaled });
        }
        steps.extend(extra);
        Plan { steps, revision }
    }
}

fn created_text(set: &Value) -> String {
    object::text(set, &["metadata", "creationTimestamp"]).unwrap_or_default().to_owned()
}
