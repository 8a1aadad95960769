//! Which volume a claim gets, and in which phase volumes and claims are: pure.

use crate::mirror::Object;
use serde_json::Value;
use teu_api::kinds::labels::selects;
use teu_api::object::{at, is_terminating, name, namespace, text, uid};
use teu_api::quantity::Quantity;

/// Says on a claim that its binding is done.
pub const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Says on either that nobody chose the other by hand.
pub const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// The node that a pod of the claim goes to, as the scheduler says.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What a claim's class says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// As soon as there is a volume.
    Immediate,
    /// When a pod wants it.
    WaitForFirstConsumer,
}

/// What a claim needs.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It is as it should be, or waits for a volume.
    Wait,
    /// No volume fits.
    None,
    /// A pod has to want it first.
    Consumer,
    /// It belongs together with this volume.
    Bind(Object),
    /// Its volume has gone, or is another's: why.
    Lost(&'static str, &'static str),
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    text(object, &["metadata", "annotations", key])
}

/// The class that a claim or a volume names; empty for none.
pub fn class(object: &Value) -> &str {
    let old = annotation(object, OLD_CLASS);
    old.or_else(|| text(object, &["spec", "storageClassName"])).unwrap_or_default()
}

/// Whether a volume's `claimRef` means this claim.
pub fn is_for(volume: &Value, claim: &Value) -> bool {
    let Some(reference) = at(volume, &["spec", "claimRef"]) else { return false };
    let word = |field: &str| text(reference, &[field]).unwrap_or_default();
    word("namespace") == namespace(claim)
        && word("name") == name(claim)
        && (word("uid").is_empty() || word("uid") == uid(claim))
}

fn modes(object: &Value) -> Vec<&str> {
    let list = at(object, &["spec", "accessModes"]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn amount(object: &Value, path: &[&str]) -> Quantity {
    at(object, path).and_then(|it| Quantity::from_value(it).ok()).unwrap_or_default()
}

fn capacity(volume: &Value) -> Quantity {
    amount(volume, &["spec", "capacity", "storage"])
}

fn volume_mode(object: &Value) -> &str {
    text(object, &["spec", "volumeMode"]).unwrap_or("Filesystem")
}

/// Whether a volume is what a claim asks for, whoever has it.
fn fits(volume: &Value, claim: &Value) -> bool {
    let has = modes(volume);
    capacity(volume) >= amount(claim, &["spec", "resources", "requests", "storage"])
        && modes(claim).iter().all(|mode| has.contains(mode))
        && volume_mode(volume) == volume_mode(claim)
        && class(volume) == class(claim)
}

fn is_selected(volume: &Value, claim: &Value) -> bool {
    let nothing = Value::Null;
    let labels = at(volume, &["metadata", "labels"]).unwrap_or(&nothing);
    at(claim, &["spec", "selector"])
        .filter(|it| it.is_object())
        .is_none_or(|it| selects(it, labels))
}

/// The volume that was made for a claim, or the smallest that fits and is free.
fn find<'a>(claim: &Value, volumes: &'a [Object]) -> Option<&'a Object> {
    let usable = |volume: &&Object| !is_terminating(volume) && fits(volume, claim);
    if let Some(made_for_it) = volumes.iter().filter(usable).find(|it| is_for(it, claim)) {
        return Some(made_for_it);
    }
    let is_free = |volume: &&Object| {
        at(volume, &["spec", "claimRef"]).is_none_or(Value::is_null)
            && text(volume, &["status", "phase"]) == Some("Available")
            && is_selected(volume, claim)
    };
    volumes
        .iter()
        .filter(usable)
        .filter(is_free)
        .min_by_key(|it| (capacity(it), name(it).to_owned()))
}

/// What a claim needs now.
pub fn claim(claim: &Value, volumes: &[Object], binding: Binding) -> Step {
    let wanted = text(claim, &["spec", "volumeName"]).unwrap_or_default();
    let found = volumes.iter().find(|volume| name(volume) == wanted && !wanted.is_empty());
    let is_complete = annotation(claim, COMPLETED).is_some();
    let is_free = |it: &Object| at(it, &["spec", "claimRef"]).is_none_or(Value::is_null);
    match (is_complete, found) {
        (true, Some(volume)) if is_free(volume) || is_for(volume, claim) => {
            Step::Bind(Object::clone(volume))
        }
        (true, Some(_)) => Step::Lost(
            "ClaimMisbound",
            "Two claims are bound to the same volume, this one is bound incorrectly",
        ),
        (true, None) => Step::Lost(
            "ClaimLost",
            "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
        ),
        // Somebody chose the volume: it need not fit in size or class.
        (false, Some(volume)) if is_free(volume) || is_for(volume, claim) => {
            Step::Bind(Object::clone(volume))
        }
        (false, _) if !wanted.is_empty() => Step::Wait,
        (false, _) => {
            let found = find(claim, volumes);
            let is_made_for_it = found.is_some_and(|volume| is_for(volume, claim));
            let waits = binding == Binding::WaitForFirstConsumer
                && annotation(claim, SELECTED_NODE).is_none()
                && !is_made_for_it;
            match found {
                _ if waits => Step::Consumer,
                Some(volume) => Step::Bind(Object::clone(volume)),
                None => Step::None,
            }
        }
    }
}

/// The phase of a volume whose `claimRef` may mean this claim.
pub fn phase(volume: &Value, claim: Option<&Value>) -> &'static str {
    let Some(reference) = at(volume, &["spec", "claimRef"]).filter(|it| it.is_object()) else {
        return "Available";
    };
    if text(reference, &["uid"]).unwrap_or_default().is_empty() {
        return "Available";
    }
    match claim.filter(|claim| is_for(volume, claim)) {
        None => "Released",
        Some(claim) if text(claim, &["spec", "volumeName"]) == Some(name(volume)) => "Bound",
        // The claim does not say so yet.
        Some(claim) if text(claim, &["spec", "volumeName"]).unwrap_or_default().is_empty() => {
            "Bound"
        }
        Some(_) => "Released",
    }
}

/// Whether a pod uses a claim: only once it is on its way to a node.
pub fn uses(pod: &Value, claim: &str) -> bool {
    if text(pod, &["spec", "nodeName"]).unwrap_or_default().is_empty() {
        return false;
    }
    let volumes = at(pod, &["spec", "volumes"]).and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| {
        let own = || format!("{}-{}", name(pod), text(volume, &["name"]).unwrap_or_default());
        text(volume, &["persistentVolumeClaim", "claimName"]) == Some(claim)
            || (volume["ephemeral"].is_object() && own() == claim)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn volume(name: &str, size: &str, extra: Value) -> Object {
        let mut volume = json!({
            "metadata": { "name": name },
            "spec": { "capacity": { "storage": size }, "accessModes": ["ReadWriteOnce"], "storageClassName": "" },
            "status": { "phase": "Available" },
        });
        for (field, value) in extra.as_object().into_iter().flatten() {
            volume["spec"][field] = value.clone();
        }
        Arc::new(volume)
    }

    fn wanting(extra: Value) -> Value {
        let mut claim = json!({
            "metadata": { "name": "c", "namespace": "n", "uid": "u" },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": { "requests": { "storage": "2Gi" } },
            },
        });
        for (field, value) in extra.as_object().into_iter().flatten() {
            claim["spec"][field] = value.clone();
        }
        claim
    }

    fn chosen(step: &Step) -> &str {
        match step {
            Step::Bind(volume) => name(volume),
            Step::None => "none",
            Step::Consumer => "consumer",
            Step::Wait => "wait",
            Step::Lost(reason, _) => reason,
        }
    }

    #[test]
    fn the_smallest_that_fits() {
        let reference =
            |uid: &str| json!({ "claimRef": { "namespace": "n", "name": "c", "uid": uid } });
        let all = [
            volume("small", "1Gi", json!({})),
            volume("large", "9Gi", json!({})),
            volume("right", "2Gi", json!({})),
            volume("other-class", "2Gi", json!({ "storageClassName": "gold" })),
            volume("block", "2Gi", json!({ "volumeMode": "Block" })),
        ];
        let check = |claim: &Value, volumes: &[Object], expected: &str| {
            assert_eq!(chosen(&super::claim(claim, volumes, Binding::Immediate)), expected);
        };
        check(&wanting(json!({})), &all, "right");
        check(&wanting(json!({ "storageClassName": "gold" })), &all, "other-class");
        check(&wanting(json!({ "volumeMode": "Block" })), &all, "block");
        check(&wanting(json!({ "accessModes": ["ReadWriteMany"] })), &all, "none");
        check(&wanting(json!({ "selector": { "matchLabels": { "a": "b" } } })), &all, "none");
        // One that names the claim comes before smaller ones; one that names another is not free.
        let mine = [volume("right", "2Gi", json!({})), volume("mine", "5Gi", reference(""))];
        check(&wanting(json!({})), &mine, "mine");
        let taken = [volume("taken", "2Gi", reference("another"))];
        check(&wanting(json!({})), &taken, "none");
        check(&wanting(json!({ "volumeName": "taken" })), &taken, "wait");
        check(&wanting(json!({ "volumeName": "small" })), &all, "small");
    }

    #[test]
    fn some_wait_for_a_pod() {
        let all = [volume("right", "2Gi", json!({}))];
        let mut claim = wanting(json!({}));
        let waits = Binding::WaitForFirstConsumer;
        assert_eq!(chosen(&super::claim(&claim, &all, waits)), "consumer");
        claim["metadata"]["annotations"][SELECTED_NODE] = "node".into();
        assert_eq!(chosen(&super::claim(&claim, &all, waits)), "right");
    }

    #[test]
    fn what_was_bound_may_be_lost() {
        let mut claim = wanting(json!({ "volumeName": "v" }));
        claim["metadata"]["annotations"][COMPLETED] = "yes".into();
        assert_eq!(chosen(&super::claim(&claim, &[], Binding::Immediate)), "ClaimLost");
        let other = json!({ "claimRef": { "namespace": "n", "name": "x", "uid": "y" } });
        let all = [volume("v", "2Gi", other)];
        assert_eq!(chosen(&super::claim(&claim, &all, Binding::Immediate)), "ClaimMisbound");
    }

    #[test]
    fn phases() {
        let reference =
            |uid: &str| json!({ "claimRef": { "namespace": "n", "name": "c", "uid": uid } });
        let claim = wanting(json!({ "volumeName": "v" }));
        let check = |extra: Value, claim: Option<&Value>, expected: &str| {
            assert_eq!(phase(&volume("v", "2Gi", extra), claim), expected);
        };
        check(json!({}), None, "Available");
        check(reference(""), Some(&claim), "Available");
        check(reference("u"), Some(&claim), "Bound");
        check(reference("u"), None, "Released");
        check(reference("before"), Some(&claim), "Released");
    }

    #[test]
    fn pods_use_claims_when_they_have_a_node() {
        let pod = |node: &str| {
            json!({
                "metadata": { "name": "p" },
                "spec": { "nodeName": node, "volumes": [
                    { "name": "a", "persistentVolumeClaim": { "claimName": "c" } }, { "name": "e", "ephemeral": {} },
                ] },
            })
        };
        assert!(uses(&pod("node"), "c") && uses(&pod("node"), "p-e"));
        assert!(!uses(&pod(""), "c") && !uses(&pod("node"), "d"));
    }
}
