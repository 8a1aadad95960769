//! What a stateful set does next, and what is said of it. Pure.

use super::pod::{make, ordinal};
use crate::conditions::count;
use crate::deployment::scaled;
use crate::mirror::Object;
use crate::pods::{is_available, is_over, is_ready, phase, ready_since};
use crate::revisions::{LABEL, Revisions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use teu_api::kinds::field::At;
use teu_api::object;

/// The next thing to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing until something happens.
    Wait,
    /// This pod is missing.
    Create(Value),
    /// This pod has ended.
    Recreate(Object),
    /// This pod is too many.
    Remove(Object),
    /// These pods are of an older template.
    Update(Vec<Object>),
}

/// A set and its pods.
#[derive(Debug)]
pub struct View<'a> {
    set: &'a Value,
    revisions: &'a Revisions,
    pods: BTreeMap<i64, &'a Object>,
    first: i64,
    replicas: i64,
    /// Ordinals whose claims are not fit for a new pod yet.
    waiting: BTreeSet<i64>,
    now: i64,
}

impl<'a> View<'a> {
    pub fn new(set: &'a Value, owned: &'a [Object], revisions: &'a Revisions, now: i64) -> Self {
        let spec = At::root(set);
        let by_ordinal = |pod: &'a Object| Some((ordinal(set, pod)?, pod));
        Self {
            set,
            revisions,
            pods: owned.iter().filter_map(by_ordinal).collect(),
            first: spec.get("spec.ordinals.start").int(),
            replicas: spec.get("spec.replicas").opt_int().unwrap_or(1),
            waiting: BTreeSet::new(),
            now,
        }
    }

    /// With ordinals that no pod can be made for yet.
    pub fn waiting(self, waiting: BTreeSet<i64>) -> Self {
        Self { waiting, ..self }
    }

    /// The ordinals that have no pod and are to have one.
    pub fn missing(&self) -> impl Iterator<Item = i64> {
        let all = self.first..self.first + self.replicas;
        all.filter(|ordinal| !self.pods.contains_key(ordinal))
    }

    /// Whether an ordinal is among the replicas.
    pub fn is_wanted(&self, ordinal: i64) -> bool {
        (self.first..self.first + self.replicas).contains(&ordinal)
    }

    fn patience(&self) -> i64 {
        At::root(self.set).get("spec.minReadySeconds").int()
    }

    fn is_healthy(&self, pod: &Value) -> bool {
        !object::is_terminating(pod) && phase(pod) == "Running" && is_ready(pod)
    }

    fn is_available(&self, pod: &Value) -> bool {
        self.is_healthy(pod) && is_available(pod, self.patience(), self.now)
    }

    fn newest(&self) -> &str {
        object::name(&self.revisions.newest)
    }

    /// The revision that pods had before the newest.
    fn current(&self) -> &str {
        let current = At::root(self.set).text("status.currentRevision");
        match self.revisions.find(current) {
            Some(found) => object::name(found),
            None => self.newest(),
        }
    }

    fn is_rolling(&self) -> bool {
        At::root(self.set).text("spec.updateStrategy.type") == "RollingUpdate"
    }

    fn partition(&self) -> i64 {
        At::root(self.set).get("spec.updateStrategy.rollingUpdate.partition").int()
    }

    fn pod(&self, ordinal: i64) -> Value {
        // Below the partition pods stay what they were.
        let is_old = self.is_rolling() && ordinal < self.first + self.partition();
        let old = self.revisions.find(self.current()).filter(|_| is_old);
        make(self.set, ordinal, old.map_or(&self.revisions.newest, |old| old))
    }

    /// The next thing to be done.
    pub fn next(&self) -> Step {
        let in_order = At::root(self.set).text("spec.podManagementPolicy") != "Parallel";
        for ordinal in self.first..self.first + self.replicas {
            let Some(pod) = self.pods.get(&ordinal) else {
                match self.waiting.contains(&ordinal) {
                    true if in_order => return Step::Wait,
                    true => continue,
                    false => return Step::Create(self.pod(ordinal)),
                }
            };
            if is_over(pod) && !object::is_terminating(pod) {
                return Step::Recreate(Object::clone(pod));
            }
            if in_order && !self.is_available(pod) {
                return Step::Wait;
            }
        }
        self.remove(in_order).or_else(|| self.update()).unwrap_or(Step::Wait)
    }

    fn remove(&self, in_order: bool) -> Option<Step> {
        let is_healthy = |pod: &&&Object| self.is_healthy(pod);
        let unhealthy = self.pods.values().find(|pod| !is_healthy(pod)).copied();
        for (_, pod) in self.pods.iter().rev().filter(|(ordinal, _)| !self.is_wanted(**ordinal)) {
            let is_first_unhealthy =
                unhealthy.is_some_and(|first| object::uid(first) == object::uid(pod));
            if object::is_terminating(pod) {
                if in_order {
                    return Some(Step::Wait);
                }
            } else if in_order && !self.is_healthy(pod) && !is_first_unhealthy {
                return Some(Step::Wait);
            } else {
                return Some(Step::Remove(Object::clone(pod)));
            }
        }
        None
    }

    fn update(&self) -> Option<Step> {
        if !self.is_rolling() {
            return None;
        }
        let last = self.first + self.replicas;
        let most = At::root(self.set);
        let most = most.get("spec.updateStrategy.rollingUpdate.maxUnavailable").value;
        let most = if most.is_null() { 1 } else { scaled(most, self.replicas, false) };
        if most > 1 {
            return self.update_several(most);
        }
        for ordinal in (self.first + self.partition()..last).rev() {
            let pod = self.pods.get(&ordinal)?;
            let is_newest = object::label(pod, LABEL) == Some(self.newest());
            if !is_newest && !object::is_terminating(pod) {
                return Some(Step::Update(vec![Object::clone(pod)]));
            }
            if !self.is_available(pod) {
                return Some(Step::Wait);
            }
        }
        None
    }

    /// As many at once as may be unavailable. Those that are so already cost nothing.
    fn update_several(&self, most: i64) -> Option<Step> {
        let all = self.first..self.first + self.replicas;
        let is_available =
            |ordinal: &i64| self.pods.get(ordinal).is_some_and(|pod| self.is_available(pod));
        let missing = all.filter(|ordinal| !is_available(ordinal)).count();
        let mut room = most - i64::try_from(missing).unwrap_or(i64::MAX);
        let from = self.first + self.partition();
        let old = self.pods.range(from..self.first + self.replicas).rev().filter(|(_, pod)| {
            object::label(pod, LABEL) != Some(self.newest()) && !object::is_terminating(pod)
        });
        let chosen = old.filter(|(_, pod)| {
            let costs = self.is_available(pod);
            room -= i64::from(costs);
            !costs || room >= 0
        });
        let chosen: Vec<Object> = chosen.map(|(_, pod)| Object::clone(pod)).collect();
        (!chosen.is_empty()).then_some(Step::Update(chosen))
    }

    /// What is said of it.
    pub fn status(&self) -> Value {
        let mut status = self.set["status"].clone();
        if !status.is_object() {
            status = json!({});
        }
        let of = |is_so: &dyn Fn(&Value) -> bool| -> i64 {
            let all = self.pods.values().filter(|pod| is_so(pod)).count();
            i64::try_from(all).unwrap_or(i64::MAX)
        };
        let (current, newest) = (self.current().to_owned(), self.newest().to_owned());
        let of_revision = |name: &str| {
            of(&|pod| object::label(pod, LABEL) == Some(name) && !object::is_terminating(pod))
        };
        let (replicas, updated) = (of(&|_| true), of_revision(&newest));
        let ready = of(&|pod| phase(pod) == "Running" && is_ready(pod));
        status["observedGeneration"] = object::generation(self.set).into();
        status["replicas"] = replicas.into();
        status["availableReplicas"] = of(&|pod| self.is_available(pod)).into();
        count(&mut status, "readyReplicas", ready);
        count(&mut status, "updatedReplicas", updated);
        count(&mut status, "currentReplicas", of_revision(&current));
        let is_whole = self.is_rolling()
            && updated == replicas
            && ready == replicas
            && replicas == self.replicas
            && self.partition() == 0;
        status["currentRevision"] = current.into();
        status["updateRevision"] = newest.clone().into();
        if is_whole {
            status["currentRevision"] = newest.into();
            count(&mut status, "currentReplicas", updated);
        }
        if status.get("collisionCount").is_none() {
            status["collisionCount"] = 0.into();
        }
        status
    }

    /// In how many milliseconds the next pod that is ready counts as available.
    pub fn next_available(&self) -> Option<u64> {
        let patience = self.patience();
        let left = |pod: &&Object| ready_since(pod).map(|since| since + patience - self.now);
        let soonest = self.pods.values().filter_map(left).filter(|left| *left > 0).min()?;
        u64::try_from(soonest).ok().map(|seconds| seconds * 1000)
    }
}
