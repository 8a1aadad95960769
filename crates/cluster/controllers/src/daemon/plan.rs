//! What a daemon set does on each node, and what is said of it. Pure.

use super::node::{fits, of_pod, pin, tolerations};
use crate::batch::MOST;
use crate::conditions::count;
use crate::deployment::scaled;
use crate::mirror::Object;
use crate::pods::{self, is_available, is_over, is_ready, ready_since};
use crate::revisions::{self, LABEL};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_api::kinds::field::At;
use teu_api::object;

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Nodes without a pod.
    pub create: Vec<String>,
    /// Pods that are too many, or of an older template.
    pub delete: Vec<Object>,
    /// Those that failed, which are replaced.
    pub failed: Vec<Object>,
}

/// A set, its pods and the nodes.
#[derive(Debug)]
pub struct View<'a> {
    set: &'a Value,
    newest: &'a str,
    now: i64,
    /// By node: whether it is to have a pod, whether one may stay, which are there.
    nodes: BTreeMap<&'a str, (bool, bool, Vec<&'a Object>)>,
    /// On nodes that are gone.
    lost: Vec<&'a Object>,
}

impl<'a> View<'a> {
    pub fn new(
        set: &'a Value,
        (nodes, owned): (&'a [Object], &'a [Object]),
        newest: &'a str,
        now: i64,
    ) -> Self {
        let spec = &set["spec"]["template"]["spec"];
        let mut all: BTreeMap<&str, (bool, bool, Vec<&Object>)> = BTreeMap::new();
        for node in nodes {
            let (wanted, may_stay) = fits(spec, node);
            all.insert(object::name(node), (wanted, may_stay, Vec::new()));
        }
        let mut lost = Vec::new();
        for pod in owned {
            match of_pod(pod).and_then(|node| all.get_mut(node)) {
                Some((_, _, here)) => here.push(pod),
                None => lost.push(pod),
            }
        }
        Self { set, newest, now, nodes: all, lost }
    }

    fn patience(&self) -> i64 {
        At::root(self.set).get("spec.minReadySeconds").int()
    }

    fn is_newest(&self, pod: &Value) -> bool {
        object::label(pod, LABEL) == Some(self.newest)
    }

    fn is_available(&self, pod: &Value) -> bool {
        !object::is_terminating(pod) && is_available(pod, self.patience(), self.now)
    }

    /// How many nodes are to have a pod.
    fn wanted(&self) -> i64 {
        number(self.nodes.values().filter(|(wanted, _, _)| *wanted).count())
    }

    /// What is to be done.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for (node, (wanted, may_stay, here)) in &self.nodes {
            let here: Vec<&Object> =
                here.iter().filter(|pod| !object::is_terminating(pod)).copied().collect();
            if !may_stay {
                plan.delete.extend(here.into_iter().cloned());
                continue;
            }
            let (failed, mut here): (Vec<_>, Vec<_>) =
                here.into_iter().partition(|pod| is_over(pod));
            plan.failed.extend(failed.into_iter().cloned());
            // The eldest stays; one that is terminating has to go first.
            here.sort_by_key(|pod| (!self.is_newest(pod), pods::created(pod), object::name(pod)));
            let doomed: Vec<&Object> = match self.surge() {
                0 => here.iter().skip(1).copied().collect(),
                _ => self.superseded(&here),
            };
            plan.delete.extend(doomed.into_iter().cloned());
            let ends = self.nodes.get(node).is_some_and(|(_, _, all)| !all.is_empty());
            if *wanted && here.is_empty() && !ends {
                plan.create.push((*node).to_owned());
            }
        }
        self.update(&mut plan);
        plan.create.truncate(MOST);
        plan.delete.truncate(MOST);
        plan
    }

    fn is_rolling(&self) -> bool {
        At::root(self.set).text("spec.updateStrategy.type") == "RollingUpdate"
    }

    /// How many nodes may have a second pod for a time.
    fn surge(&self) -> i64 {
        let spec = At::root(self.set);
        let most = spec.get("spec.updateStrategy.rollingUpdate.maxSurge").value;
        if self.is_rolling() { scaled(most, self.wanted(), true) } else { 0 }
    }

    /// Of a node's pods, the newest of them first, those that another has taken the place of: of each
    /// template the eldest stays, and the old one until the new one is available.
    fn superseded<'p>(&self, here: &[&'p Object]) -> Vec<&'p Object> {
        let (new, old): (Vec<&Object>, Vec<&Object>) =
            here.iter().partition(|pod| self.is_newest(pod));
        let is_replaced = |old: &Object| match new.first() {
            Some(new) => !is_ready(old) || self.is_available(new),
            None => false,
        };
        let kept = usize::from(old.first().is_some_and(|old| !is_replaced(old)));
        new.into_iter().skip(1).chain(old.into_iter().skip(kept)).collect()
    }

    /// Nodes that get a new pod beside the old one: those whose old one serves nobody, and as many others
    /// as may have two.
    fn update_beside(&self, plan: &mut Plan) {
        let (mut room, mut candidates) = (self.surge(), Vec::new());
        for (node, (_, _, here)) in self.nodes.iter().filter(|(_, (wanted, _, _))| *wanted) {
            let is_live = |pod: &&&Object| !object::is_terminating(pod) && !is_over(pod);
            let (new, old): (Vec<&Object>, Vec<&Object>) =
                here.iter().filter(is_live).partition(|pod| self.is_newest(pod));
            match (new.first(), old.first()) {
                (_, None) => {}
                (Some(new), Some(_)) => room -= i64::from(!self.is_available(new)),
                (None, Some(old)) if self.is_available(old) => candidates.push((*node).to_owned()),
                (None, Some(_)) => plan.create.push((*node).to_owned()),
            }
        }
        candidates.truncate(usize::try_from(room).unwrap_or(0));
        plan.create.extend(candidates);
    }

    /// Old pods, as far as enough nodes keep one that is available.
    fn update(&self, plan: &mut Plan) {
        let spec = At::root(self.set);
        if !self.is_rolling() {
            return;
        }
        if self.surge() > 0 {
            return self.update_beside(plan);
        }
        let most = spec.get("spec.updateStrategy.rollingUpdate.maxUnavailable").value;
        let most = if most.is_null() { 1 } else { scaled(most, self.wanted(), true).max(1) };
        let served = |here: &[&Object]| here.iter().any(|pod| self.is_available(pod));
        let missing = self.nodes.values().filter(|(wanted, _, here)| *wanted && !served(here));
        let mut room = most - number(missing.count());
        for (_, _, here) in self.nodes.values().filter(|(wanted, _, _)| *wanted) {
            for pod in here {
                let is_old = !self.is_newest(pod) && !object::is_terminating(pod) && !is_over(pod);
                if !is_old || plan.delete.contains(pod) {
                    continue;
                }
                // One that serves nobody costs nothing.
                if !self.is_available(pod) {
                    plan.delete.push(Object::clone(pod));
                } else if room > 0 {
                    room -= 1;
                    plan.delete.push(Object::clone(pod));
                }
            }
        }
    }

    /// What is said of it.
    pub fn status(&self) -> Value {
        let mut status = self.set["status"].clone();
        if !status.is_object() {
            status = json!({});
        }
        let wanted = || self.nodes.values().filter(|(wanted, _, _)| *wanted);
        let with = |is_so: &dyn Fn(&Value) -> bool| {
            number(wanted().filter(|(_, _, here)| here.iter().any(|pod| is_so(pod))).count())
        };
        let astray = self.nodes.values().filter(|(wanted, _, here)| !wanted && !here.is_empty());
        let desired = self.wanted();
        let available = with(&|pod| self.is_available(pod));
        status["currentNumberScheduled"] = with(&|_| true).into();
        status["desiredNumberScheduled"] = desired.into();
        status["numberMisscheduled"] = number(astray.count() + self.lost.len()).into();
        status["numberReady"] = with(&is_ready).into();
        count(&mut status, "updatedNumberScheduled", with(&|pod| self.is_newest(pod)));
        count(&mut status, "numberAvailable", available);
        count(&mut status, "numberUnavailable", desired - available);
        status["observedGeneration"] = object::generation(self.set).into();
        status
    }

    /// In how many milliseconds the next pod that is ready counts as available.
    pub fn next_available(&self) -> Option<u64> {
        let patience = self.patience();
        let all = self.nodes.values().flat_map(|(_, _, here)| here);
        let left = |pod: &&Object| ready_since(pod).map(|since| since + patience - self.now);
        let soonest = all.filter_map(left).filter(|left| *left > 0).min()?;
        u64::try_from(soonest).ok().map(|seconds| seconds * 1000)
    }
}

/// The pod of a node.
pub fn make(set: &Value, node: &str, revision: &Value) -> Value {
    let mut pod = pods::of_template(&set["spec"]["template"], set);
    pod["metadata"]["labels"][LABEL] = revisions::hash(revision).into();
    let tolerations = tolerations(&pod["spec"]);
    pod["spec"]["tolerations"] = tolerations.into();
    pin(&mut pod["spec"], node);
    pod
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
