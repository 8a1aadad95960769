//! Replica sets as a deployment sees them: which is of its template, how many each has, how one is made.

use super::revision;
use crate::hash;
use crate::mirror::Object;
use crate::pods::{controller_ref, created};
use serde_json::{Value, json};
use teu_api::kinds::equal::same;
use teu_api::kinds::field::At;
use teu_api::object;

/// The label that tells the sets of a deployment apart.
pub const HASH: &str = "pod-template-hash";
/// How many the deployment wants, and may have at once: noted at its sets.
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// A replica set: as it is, and as it is going to be.
#[derive(Debug, Clone)]
pub struct Set {
    pub was: Object,
    pub now: Value,
}

impl Set {
    pub fn new(set: &Object) -> Self {
        Self { was: Object::clone(set), now: (**set).clone() }
    }

    pub fn replicas(&self) -> i64 {
        At::root(&self.now).get("spec.replicas").int()
    }

    pub fn status(&self, name: &str) -> i64 {
        At::root(&self.now).get("status").get(name).int()
    }

    pub fn age(&self) -> (i64, &str) {
        (created(&self.was), object::name(&self.was))
    }

    pub fn resize(&mut self, replicas: i64) {
        self.now["spec"]["replicas"] = replicas.into();
    }

    /// Notes what the deployment wants.
    pub fn note(&mut self, limits: &Limits) {
        let annotations = revision::annotations_mut(&mut self.now);
        annotations.insert(DESIRED.to_owned(), limits.replicas.to_string().into());
        annotations.insert(MOST.to_owned(), (limits.replicas + limits.surge).to_string().into());
    }
}

/// What a deployment allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub replicas: i64,
    /// So many more for a time.
    pub surge: i64,
    /// So many fewer for a time.
    pub unavailable: i64,
    pub is_rolling: bool,
}

impl Limits {
    pub fn of(deployment: &Value) -> Self {
        let spec = At::root(deployment);
        let replicas = spec.get("spec.replicas").opt_int().unwrap_or(1);
        let is_rolling = spec.text("spec.strategy.type") == "RollingUpdate";
        if !is_rolling {
            return Self { replicas, surge: 0, unavailable: 0, is_rolling };
        }
        let part = |name: &str, up: bool| {
            let value = spec.get("spec.strategy.rollingUpdate");
            scaled(value.get(name).value, replicas, up)
        };
        let (surge, mut unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
        if surge == 0 && unavailable == 0 {
            // Percentages may both come to nothing; then it must still move.
            unavailable = 1;
        }
        let unavailable = if replicas == 0 { 0 } else { unavailable.min(replicas) };
        Self { replicas, surge, unavailable, is_rolling }
    }
}

/// A number, or a percentage of a total.
pub fn scaled(value: &Value, total: i64, up: bool) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let product = percent.saturating_mul(total);
            if up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
        }
        other => other.as_i64().unwrap_or(0),
    }
}

/// Whether a set is of the deployment's template; the label that tells them apart does not count.
pub fn is_of_template(deployment: &Value, set: &Value) -> bool {
    let template = |object: &Value| {
        let mut template = object["spec"]["template"].clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.shift_remove(HASH);
        }
        template
    };
    same(&template(deployment), &template(set))
}

/// The set of the deployment's template: the oldest, should there be several.
pub fn newest<'a>(deployment: &Value, sets: &'a [Object]) -> Option<&'a Object> {
    let of_template = sets.iter().filter(|set| is_of_template(deployment, set));
    of_template.min_by_key(|set| (created(set), object::name(set).to_owned()))
}

/// A set of the deployment's template.
pub fn make(deployment: &Value, replicas: i64, limits: &Limits, number: i64) -> Value {
    let at = At::root(deployment);
    let template = at.get("spec.template").value;
    let hash = hash::of(template, at.get("status.collisionCount").opt_int());
    let mut template = template.clone();
    template["metadata"]["labels"][HASH] = hash.clone().into();
    let mut selector = at.get("spec.selector").value.clone();
    selector["matchLabels"][HASH] = hash.clone().into();
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", object::name(deployment)),
            "namespace": object::namespace(deployment),
            "labels": template["metadata"]["labels"], "ownerReferences": [controller_ref(deployment)],
        },
        "spec": {
            "replicas": replicas, "minReadySeconds": at.get("spec.minReadySeconds").int(),
            "selector": selector, "template": template,
        },
    });
    revision::annotate(deployment, &mut set, number);
    let mut set = Set { was: Object::default(), now: set };
    set.note(limits);
    set.now
}
